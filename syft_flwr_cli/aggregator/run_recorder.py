"""Timeline of a run: a sink that writes what happens, with its time, into the folder of the run's results.

``timeline.jsonl`` has a line for each event that a reader of the run cares for: begun (again), asked,
published, answered, absent, late. It only grows, over all processes of the run. Bounded per event; what an
app reports beyond that is counted. Nothing depends on it: a line that a crash cut off is left out by
readers.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from syft_flwr_cli.events import (
    Event,
    OwnerAbsent,
    ReplyDelivered,
    ReplyLate,
    RequestPrepared,
    RequestsPublished,
    ResponseReceived,
    RunBegun,
)
from syft_flwr_cli.storage.paths import append_private, make_private_dir

__all__ = ["TIMELINE", "RunRecorder", "read_timeline", "results_dir"]

TIMELINE = "timeline.jsonl"

MAX_METRICS = 200
MAX_TEXT = 300

_KINDS = (
    RunBegun,
    RequestPrepared,
    RequestsPublished,
    ResponseReceived,
    ReplyDelivered,
    ReplyLate,
    OwnerAbsent,
)


def results_dir(directory: Path, run: str) -> Path:
    """Where the results of a run lie, below what a participant keeps for an app."""
    return directory / "results" / run


class RunRecorder:
    """See the module's first paragraph.

    Parameters
    ----------
    directory : Path
        What the aggregator keeps for the app.
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._directory, self._clock = directory, clock
        self._lock = threading.Lock()
        self._file: Path | None = None

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        if not isinstance(event, _KINDS):
            return
        with self._lock:
            if isinstance(event, RunBegun):
                self._file = make_private_dir(results_dir(self._directory, event.run)) / TIMELINE
            if self._file is None:
                return
            line = {"time": round(self._clock(), 4), **_bounded(event.facts())}
            with append_private(self._file) as stream:
                stream.write(json.dumps(line, ensure_ascii=True) + "\n")


def read_timeline(directory: Path, run: str) -> list[dict[str, Any]]:
    """The lines of a run's timeline that are whole; none if there is no timeline."""
    found = []
    try:
        with (results_dir(directory, run) / TIMELINE).open(encoding="utf-8") as stream:
            for line in stream:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                if isinstance(entry, dict) and isinstance(entry.get("time"), int | float):
                    found.append(entry)
    except FileNotFoundError:
        return []
    return found


def _bounded(facts: Mapping[str, Any]) -> dict[str, Any]:
    bounded: dict[str, Any] = {}
    for key, value in facts.items():
        if key == "metrics":
            kept = {str(name)[:MAX_TEXT]: _plain(one) for name, one in list(value.items())[:MAX_METRICS]}
            bounded[key] = kept
            if len(value) > MAX_METRICS:
                bounded["more_metrics"] = len(value) - MAX_METRICS
        else:
            bounded[key] = _plain(value)
    return bounded


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value[:1000]]
    return value if isinstance(value, bool | int | None) else str(value)[:MAX_TEXT]
