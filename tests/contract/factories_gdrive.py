"""Google Drive for the conformance suite: the emulator, at its best and at its worst.

At its worst a fifth of all calls fails in every way that Drive is known for, half of them after the
write has happened; searches lag; the change feed is late, leaves out a third and repeats itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from federations import POLL, Federation, Setting

from syft_flwr_cli.testing.drive_emulator import Emulator, start
from syft_flwr_cli.transports.gdrive.open import Tuning, open_gdrive
from syft_flwr_cli.transports.gdrive.transport import DriveTransport

__all__ = ["GDRIVE"]

QUICK = Tuning(writes_per_second=1e6, backoff=0.01, backoff_cap=0.2, patience=2.0, timeout=10.0)
PATIENT = Tuning(writes_per_second=1e6, backoff=0.01, backoff_cap=0.2, patience=60.0, timeout=10.0)


def views(emulator: Emulator, place: Path, tuning: Tuning) -> Callable[[str], DriveTransport]:
    """Each view with a journal of its own, as on machines of their own."""
    number = count()

    def view(email: str) -> DriveTransport:
        state = place / f"state {next(number)}"
        return open_gdrive(
            email=email,
            state_dir=state,
            poll_interval=POLL,
            endpoint=emulator.endpoint,
            token=emulator.token(email),
            tuning=tuning,
        )

    return view


def gdrive(setting: Setting) -> Federation:
    emulator = setting.stack.enter_context(start())

    @contextmanager
    def outage() -> Iterator[None]:
        emulator.chaos(1.0, kinds=("503", "drop"), after=0.0)
        yield
        emulator.calm()

    return Federation(
        open=views(emulator, setting.place, QUICK), enforces_readers=True, outage=outage, load=12
    )


def bad_gdrive(setting: Setting) -> Federation:
    emulator = setting.stack.enter_context(start(seed=3, lag=0.3, feed_lag=0.1))
    emulator.chaos(0.2)
    emulator.settings(feed_loss=0.3, feed_repeats=5)
    return Federation(
        open=views(emulator, setting.place, PATIENT), patience=60.0, enforces_readers=True, load=6
    )


def gdrive_without_feed(setting: Setting) -> Federation:
    emulator = setting.stack.enter_context(start(feed_lag=3600.0))
    return Federation(open=views(emulator, setting.place, QUICK), enforces_readers=True, load=6)


GDRIVE: dict[str, Callable[[Setting], Federation]] = {
    "gdrive": gdrive,
    "bad-gdrive": bad_gdrive,
    "gdrive-without-feed": gdrive_without_feed,
}
