"""State of a participant as a text file for Prometheus' node exporter (its textfile collector).

When peers were last seen, what waits, what failed and how much space is used, rewritten whole every 15 seconds, so
that a reader never sees half of it. It only looks: the numbers come from the journals, which are read without a lock,
and from the events of this process. No name of an app's metrics, and nothing of data, is in it.
"""

import contextlib
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.events import Event, Publisher
from syft_flwr_cli.services.status import AppStatus, apps_of, look, own_space

__all__ = ["MetricsFile", "kept_metrics", "render"]

INTERVAL: Final = 15.0
SPACE_EVERY: Final = 4
"""The folders are measured anew with every fourth writing: that costs a look at each file."""

_SEEN: Final = frozenset({"received", "reply", "decision", "offer-received", "key", "consumed"})
_FAILED: Final = frozenset(
    {"refused", "store-fails", "app-failed", "app-raised", "absent", "payload-damaged", "withheld", "policy"}
)
_MOST_LABEL: Final = 200

Sample = tuple[Mapping[str, str], float]

_HELP: Final = {
    "syft_flwr_up": "1 while the process that writes this file is at work.",
    "syft_flwr_written_timestamp_seconds": "When this file was written.",
    "syft_flwr_started_timestamp_seconds": "When the process that writes this file began.",
    "syft_flwr_last_seen_timestamp_seconds": "When something of a peer's was last seen.",
    "syft_flwr_open_runs": "Runs that are not over.",
    "syft_flwr_queue": "Messages of open runs, by state.",
    "syft_flwr_failures_total": "What failed in this process, by kind of event.",
    "syft_flwr_refused_files": "Files of peers that were not taken, by reason.",
    "syft_flwr_space_bytes": "Bytes that are used, at home and in the shared store.",
    "syft_flwr_free_bytes": "Bytes that are free where the home lies.",
}


class MetricsFile:
    """Gathers and writes. A sink of events.

    Parameters
    ----------
    path : Path
        The file.
    home, email : Path, str
        Whose state it is.
    command : str
        What runs here, as a label.
    """

    def __init__(
        self, path: Path, home: Path, email: str, command: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._path, self._home, self._email, self._command = path, home, email, command
        self._clock = clock
        self._began = clock()
        self._seen: dict[str, float] = {}
        self._failed: Counter[str] = Counter()
        self._space: list[Sample] = []
        self._turn = 0
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        peer = getattr(event, "peer", None) or getattr(event, "aggregator", None)
        failed = event.kind in _FAILED or (
            event.kind == "received" and getattr(event, "error", None) is not None
        )
        with self._lock:
            if isinstance(peer, str) and event.kind in _SEEN:
                self._seen[peer] = self._clock()
            self._failed[event.kind] += failed

    def write(self, *, up: bool = True) -> None:
        """Write the file as things are now; `OSError` if it cannot be written."""
        text = render(self._gather(up))
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.chmod(0o644)  # the exporter is another user
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)

    def _gather(self, up: bool) -> dict[str, list[Sample]]:
        now = self._clock()
        me = {"email": self._email, "command": self._command}
        apps: list[AppStatus] = []
        for app in apps_of(self._home, self._email):
            with contextlib.suppress(SyftFlwrError):  # a journal that is busy this time is read the next time
                measured = self._turn % SPACE_EVERY == 0
                space = own_space(self._home, self._email, app, None)
                apps.append(look(self._home, self._email, app, space=space, measure=measured))
        if self._turn % SPACE_EVERY == 0:
            self._space = [
                ({"email": self._email, "app": one.app_name, "where": where}, float(size))
                for one in apps
                for where, size in (("home", one.kept), ("shared", one.shared))
                if size is not None
            ]
        self._turn += 1
        with self._lock:
            seen, failed = dict(self._seen), dict(self._failed)
        for one in apps:
            for peer, moment in one.at_work.items():
                seen[peer] = max(seen.get(peer, 0.0), float(moment))
        return {
            "syft_flwr_up": [(me, float(up))],
            "syft_flwr_written_timestamp_seconds": [(me, now)],
            "syft_flwr_started_timestamp_seconds": [(me, self._began)],
            "syft_flwr_last_seen_timestamp_seconds": [
                ({"email": self._email, "peer": peer}, moment) for peer, moment in sorted(seen.items())
            ],
            "syft_flwr_open_runs": [
                (
                    {"email": self._email, "app": one.app_name},
                    float(sum(run.ended is None for run in one.runs)),
                )
                for one in apps
            ],
            "syft_flwr_queue": [
                ({"email": self._email, "app": one.app_name, "state": state}, float(count))
                for one in apps
                for state, count in _queue(one).items()
            ],
            "syft_flwr_failures_total": [
                ({"email": self._email, "kind": kind}, float(count)) for kind, count in sorted(failed.items())
            ],
            "syft_flwr_refused_files": [
                ({"email": self._email, "app": one.app_name, "reason": reason}, float(count))
                for one in apps
                for reason, count in one.counts().items()
            ],
            "syft_flwr_space_bytes": self._space,
            "syft_flwr_free_bytes": [({"email": self._email}, float(shutil.disk_usage(self._home).free))],
        }


def render(metrics: Mapping[str, Iterable[Sample]]) -> str:
    """The metrics in Prometheus' text format, version 0.0.4."""
    lines = []
    for name, samples in metrics.items():
        lines.append(f"# HELP {name} {_HELP.get(name, '')}")
        lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
        for labels, value in samples:
            told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            lines.append(f"{name}{{{told}}} {value:.15g}")
    return "\n".join(lines) + "\n"


@contextmanager
def kept_metrics(
    path: Path | None,
    home: Path,
    email: str,
    command: str,
    emit: Publisher | None = None,
    say: Callable[[str], None] = lambda text: None,
    interval: float = INTERVAL,
) -> Iterator[None]:
    """Keep the file current while this lasts; nothing if there is no ``path``. At the end it says that nothing runs.

    Raises
    ------
    UsageError
        If it cannot be written at the beginning; what fails later is said once.
    """
    if path is None:
        yield
        return
    file = MetricsFile(path, home, email, command)
    try:
        file.write()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.",
            hint="Name another file with --metrics-file.",
        ) from error
    remove = emit.add(file) if emit is not None else lambda: None
    over = threading.Event()
    thread = threading.Thread(
        target=_write_on, args=(file, over, interval, say), name="syft-flwr-metrics", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        remove()
        over.set()
        thread.join(timeout=5.0)
        with contextlib.suppress(OSError):
            file.write(up=False)


def _write_on(file: MetricsFile, over: threading.Event, interval: float, say: Callable[[str], None]) -> None:
    said = False
    while not over.wait(interval):
        try:
            file.write()
        except OSError as error:
            if not said:
                say(f"The metrics file cannot be written: {error.strerror or error}. Trying again.")
            said = True
        else:
            said = False


def _queue(one: AppStatus) -> dict[str, int]:
    waiting: Counter[str] = Counter()
    for run in one.runs:
        if run.ended is None:
            waiting.update({state: run.messages.get(state, 0) for state in ("waiting", "sealed", "claimed")})
    return {state: count for state, count in waiting.items() if count}


def _escaped(text: str) -> str:
    return text[:_MOST_LABEL].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
