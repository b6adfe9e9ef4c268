"""Event command: a sink that runs a command of the owner's for each event, with the event as JSON on its stdin.

Mail, chat and ticket systems hang on it. It runs beside the work: a command that is slow, fails or hangs delays no
message. The command is started without a shell. What peers wrote is in the JSON as they wrote it.
"""

import json
import queue
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Mapping

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Event
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.console_reporter import printable

__all__ = ["EventCommand"]

QUEUED = 1000
TIMEOUT = 60.0


class EventCommand:
    """Runs the command for every event that a person would be shown.

    Parameters
    ----------
    command : str
        The program and its arguments, quoted as in a shell.
    context : mapping
        What stands in every document, as who it is.
    say : callable
        Hears that the command failed.
    """

    def __init__(
        self, command: str, context: Mapping[str, str], say: Callable[..., None] = output.note
    ) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise UsageError(
                f"--on-event cannot be read: {error}.", hint="Quote it as in a shell."
            ) from error
        if not self._words:
            raise UsageError("--on-event names no command.", hint="Give a program and its arguments.")
        self._context = dict(context)
        self._say = say
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUED)
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="syft-flwr-on-event", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        if event.importance() == "detail":
            return
        facts = {**event.facts(), "level": event.importance(), "sentence": printable(event).sentence()}
        document = {**self._context, "time": time.time(), **facts}
        try:
            self._queue.put_nowait(json.dumps(document, default=str).encode() + b"\n")
        except queue.Full:
            self._lost += 1

    def close(self, timeout: float = TIMEOUT) -> None:
        """Let what waits be told, for at most ``timeout`` seconds."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)
        if self._lost:
            self._say(f"{self._lost} events were not told to --on-event: it was too slow.", style="yellow")

    def _run(self) -> None:
        while (document := self._queue.get()) is not None:
            try:
                done = subprocess.run(
                    self._words, input=document, stdout=subprocess.DEVNULL, timeout=TIMEOUT, check=False
                )
            except (OSError, subprocess.SubprocessError) as error:
                self._say(f"--on-event failed: {error}", style="yellow")
                continue
            if done.returncode:
                self._say(f"--on-event ended with exit code {done.returncode}.", style="yellow")
