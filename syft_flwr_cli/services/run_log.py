"""Event log of an app: what happened, one JSON object to a line, for ``runs logs``. A sink of the events.

Bounded: when the file has grown to 4 MiB it becomes ``events.1.jsonl``, and a new one is begun. It is for reading
along; the truth is in the journal and the audit log. Each line says the time (seconds since 1970), the run, as far as
it is known, the event, and the sentence.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from syft_flwr_cli.events import Event
from syft_flwr_cli.storage.paths import append_private, make_private_dir

__all__ = ["RunLog", "read_log"]

MAX_LOG = 4 << 20
_NAME, _BEFORE = "events.jsonl", "events.1.jsonl"


class RunLog:
    """Writes the events of one process to the log of an app in ``directory``."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = directory / "logs"
        self._clock = clock
        self._run: str | None = None
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        facts = event.facts()
        with self._lock:
            self._run = str(facts["run"]) if facts.get("run") else self._run
            line = {"time": round(self._clock(), 3), "run": self._run, **facts, "sentence": event.sentence()}
            line["run"] = self._run
            file = make_private_dir(self._folder) / _NAME
            if file.exists() and file.stat().st_size > MAX_LOG:
                file.replace(file.with_name(_BEFORE))
            with append_private(file) as stream:
                stream.write(json.dumps(line, default=str) + "\n")


def read_log(directory: Path) -> Iterator[Mapping[str, Any]]:
    """The events in the log of an app, the oldest first; a line that a crash has torn is passed over."""
    for name in (_BEFORE, _NAME):
        try:
            lines = (directory / "logs" / name).read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry
