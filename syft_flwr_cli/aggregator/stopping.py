"""How a running server hears that its run is to be stopped: a small file in its own directory, looked for each second.

Whoever asks writes the file and waits for the run to end; the server that holds the run ends it. A request that nobody
heard, because the server was gone, is removed by whoever asked.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from syft_flwr_cli.errors import RunStoppedError
from syft_flwr_cli.protocol.names import check_component
from syft_flwr_cli.storage.paths import write_private

__all__ = ["ask_to_stop", "stop_requested", "withdraw_request"]

EVERY = 0.5
MAX_REASON = 1000


def _file(directory: Path, run: str) -> Path:
    return directory / "runs" / f"{check_component(run)}.stop"


def ask_to_stop(directory: Path, run: str, reason: str) -> None:
    """Ask whichever process holds ``run`` to end it."""
    write_private(_file(directory, run), json.dumps({"reason": reason[:MAX_REASON]}).encode())


def withdraw_request(directory: Path, run: str) -> None:
    """Ask no more."""
    _file(directory, run).unlink(missing_ok=True)


@contextmanager
def stop_requested(directory: Path, run: str, fail: Callable[[BaseException], None]) -> Iterator[None]:
    """While this lasts, call ``fail`` with a `RunStoppedError` once somebody asks that ``run`` be stopped."""
    over = threading.Event()
    file = _file(directory, run)

    def look() -> None:
        while not over.wait(EVERY):
            try:
                asked = json.loads(file.read_bytes())
            except (OSError, ValueError):
                continue
            reason = str(asked.get("reason", "")) if isinstance(asked, dict) else ""
            fail(RunStoppedError(reason or "stopped by the aggregator"))
            return

    thread = threading.Thread(target=look, name="syft-flwr-stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
