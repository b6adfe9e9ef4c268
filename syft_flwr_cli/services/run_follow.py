"""Follows a run of this home from another process: what its timeline and its event log have gained, and its state.

Takes no lock and changes nothing, so it may look while the run goes on, after it, and after a crash.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from syft_flwr_cli.aggregator.run_recorder import TIMELINE, results_dir
from syft_flwr_cli.services.runs import LocalRun, local_runs
from syft_flwr_cli.storage.paths import app_dir

__all__ = ["JsonTail", "RunFollower", "newest_run", "state_of"]

MAX_READ = 16 << 20
"""Bytes that are read of a file in one turn."""

_RECORDED = frozenset(
    {"run", "asked", "requests-published", "received", "reply", "reply-late", "absent"},
)
"""What the timeline has, and the event log, which is cut when it has grown, need not tell again."""


def newest_run(home: Path, email: str | None, app_name: str | None) -> LocalRun | None:
    """The run to look at: the newest that goes on, else the newest; the aggregator's part if both are here."""
    found = local_runs(home, email, app_name)
    ranked = sorted(found, key=lambda one: (one.view.ended is not None, -one.view.began, one.view.role))
    return ranked[0] if ranked else None


def state_of(one: LocalRun) -> str:
    """``running``, ``paused`` (no process works on it), ``finished``, ``failed`` or ``stopped``."""
    return one.view.state if one.view.ended is not None or one.process is not None else "paused"


class RunFollower:
    """What is new in the files of a run since the last look."""

    def __init__(self, home: Path, one: LocalRun) -> None:
        self._home, self._one = home, one
        directory = app_dir(home, one.email, one.app_name)
        self._timeline = JsonTail(results_dir(directory, one.view.run) / TIMELINE)
        self._log = JsonTail(directory / "logs" / "events.jsonl")

    def news(self) -> list[tuple[float, Mapping[str, Any]]]:
        """Events since the last look, in the order of their times (seconds since 1970).

        An event that the timeline has too comes from the event log with its ``sentence`` and its ``kind`` alone.
        """
        found = [(line["time"], line) for line in self._timeline.lines()]
        recorded = bool(found) or self._timeline.position > 0
        for line in self._log.lines():
            if line.get("run") not in (self._one.view.run, None):
                continue
            if recorded and line.get("event") in _RECORDED:
                line = {"sentence": line.get("sentence"), "kind": line.get("event")}
            found.append((line.get("time", self._log.time), line))
        return sorted(found, key=lambda one: one[0])

    def look(self) -> LocalRun:
        """The run as its journal has it now."""
        for one in local_runs(self._home, self._one.email, self._one.app_name):
            if one.view.run == self._one.view.run:
                return one
        return self._one


class JsonTail:
    """The whole lines that a file has gained; one that was replaced by a shorter one is read from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.position = 0
        self.time = 0.0

    def lines(self) -> Iterator[dict[str, Any]]:
        """What the file has gained since the last look."""
        try:
            with self._path.open("rb") as stream:
                size = stream.seek(0, 2)
                self.position = 0 if size < self.position else self.position
                stream.seek(self.position)
                block = stream.read(MAX_READ)
        except FileNotFoundError:
            return
        whole = block[: block.rfind(b"\n") + 1]
        self.position += len(whole) if whole or len(block) < MAX_READ else len(block)
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and isinstance(entry.get("time"), int | float):
                self.time = float(entry["time"])
                yield entry
