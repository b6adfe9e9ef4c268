"""One federation under measurement, whatever the engine: its processes, its marks, and what a series of rounds took.

An engine starts processes and says which of them plays which role; `measure` then listens to the app and
looks at the processes after the first round of each size and after the last, while everything rests.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from benchmarks.marks import BenchError, Marks
from benchmarks.processes import Sampler, Usage, descendants, loopback_bytes, usage_of
from benchmarks.terminal import open_terminal

__all__ = ["Federation", "Plan", "Series", "measure"]

REST = 0.4
"""Seconds for which everything is left alone before it is looked at."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: sizes in MB (10^6 bytes), rounds of each (the first is shown apart), and how many owners."""

    sizes: Sequence[float]
    rounds: int
    owners: int
    changed: int = 10
    app: str = "message_api"
    patience: float = 600.0

    def run_config(self, marks: Marks) -> str:
        """For ``--run-config``."""
        sizes = ",".join(f"{size:g}" for size in self.sizes)
        values = {"sizes": sizes, "marks": str(marks.marks), "go-on": str(marks.go_on)}
        numbers = {"rounds": self.rounds, "owners": self.owners, "changed": self.changed}
        words = [f'{key}="{value}"' for key, value in values.items()]
        return " ".join([*words, *(f"{key}={value}" for key, value in numbers.items())])


@dataclass(slots=True)
class Series:
    """The rounds of one size: what they took, and what they used per warm round.

    Seconds, bytes and CPU seconds. ``carried`` is what the engine moved to deliver the messages: bytes of
    files in the shared folder, or bytes through the loopback device.
    """

    engine: str
    owners: int
    size: float
    app: str = "message_api"
    changed: int = 10
    seconds: list[float] = field(default_factory=list)
    aggregation: list[float] = field(default_factory=list)
    carried: float = 0.0
    written: dict[str, float] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    peak: dict[str, int] = field(default_factory=dict)
    taken: int = 0
    ready: float = 0.0

    @property
    def model(self) -> int:
        """Bytes of the model."""
        return max(40, int(self.size * 1_000_000))

    @property
    def ideal(self) -> int:
        """Bytes that must be written in a round: one model down, one up from each."""
        return self.model * (1 + self.owners)

    @property
    def first(self) -> float:
        """Seconds of the first round."""
        return self.seconds[0]

    @property
    def warm(self) -> list[float]:
        """Seconds of the others."""
        return self.seconds[1:] or self.seconds

    @property
    def median(self) -> float:
        """Median of the warm rounds, in seconds."""
        return statistics.median(self.warm)

    def as_json(self) -> dict[str, Any]:
        """Everything, for the results file."""
        return {**asdict(self), "model": self.model, "ideal": self.ideal, "median": self.median}


class Federation:
    """Processes with roles.

    Parameters
    ----------
    place : Path
        Where logs go.
    live : bool
        Give each process a terminal, on which it shows its live view.
    """

    def __init__(self, place: Path, *, live: bool = False) -> None:
        self.place = place
        self._live = live
        self._started: list[tuple[subprocess.Popen[bytes], str, Path, IO[bytes]]] = []
        self.roots: dict[int, str] = {}
        self.passing: set[int] = set()

    def start(
        self, role: str, name: str, words: Sequence[str], environ: Mapping[str, str], *, passing: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a process in a role; a ``passing`` one may end at any time, and is not looked at."""
        log = self.place / f"{name}.log"
        stream = log.open("ab")
        terminal = open_terminal(log) if self._live else None
        environ = {**environ, "TERM": "xterm-256color"} if self._live else environ
        process = subprocess.Popen(
            list(words),
            env=dict(environ),
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream if terminal is None else terminal,
        )
        if terminal is not None:
            os.close(terminal)
        self._started.append((process, name, log, stream))
        if passing:
            self.passing.add(process.pid)
        else:
            self.roots[process.pid] = role
        return process

    def dead(self) -> str:
        """Which process has ended that should not, with the last of what it said."""
        for process, name, log, _ in self._started:
            code = process.poll()
            if code is not None and process.pid not in self.passing:
                return f"{name} ended with exit code {code}: {log.read_text(errors='replace')[-1500:]}"
        return ""

    def wait_for(self, name: str, words: str, patience: float = 120.0) -> None:
        """Wait until a process has said something."""
        end = time.monotonic() + patience
        log = self.place / f"{name}.log"
        while words not in log.read_text(errors="replace"):
            if dead := self.dead():
                raise BenchError(dead)
            if time.monotonic() > end:
                raise BenchError(f"{name} never said {words!r}: {log.read_text(errors='replace')[-1500:]}")
            time.sleep(0.05)

    def usage(self) -> dict[str, Usage]:
        """What each role has used so far."""
        found: dict[str, Usage] = {}
        for root, role in self.roots.items():
            for pid, what in [(root, role), *((below, f"{role}>") for below in descendants(root))]:
                found[what] = found.get(what, Usage()) + usage_of(pid)
        return found

    def stop(self, role: str) -> None:
        """Ask the processes of a role to end."""
        for process, _, _, _ in self._started:
            if self.roots.get(process.pid) == role and process.poll() is None:
                process.terminate()

    def end(self, patience: float = 20.0) -> None:
        """See that everything has ended."""
        below = [pid for root in self.roots for pid in descendants(root)]
        end = time.monotonic() + patience
        for process, _, _, _ in self._started:
            if process.poll() is None and process.pid in self.passing:
                process.terminate()
        for process, _, _, stream in self._started:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            stream.close()
        _wait_gone(below)


def _wait_gone(pids: Sequence[int]) -> None:
    end = time.monotonic() + 10.0
    while any((Path("/proc") / str(pid)).exists() for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)


def measure(
    engine: str,
    plan: Plan,
    federation: Federation,
    marks: Marks,
    begun: float,
    carried: Callable[[], int] = loopback_bytes,
    during: Callable[[Federation, float], Callable[[], None]] | None = None,
) -> list[Series]:
    """Follow the app through its series of rounds.

    Parameters
    ----------
    begun : float
        When the processes were started, by `time.monotonic`.
    carried : callable
        Bytes that the engine has moved so far.
    during : callable, optional
        Called when the warm rounds of a size begin; what it returns is called when they have ended.
    """
    sampler = Sampler(federation.roots, interval=0.1 if engine == "flower" else 0.5)
    results: list[Series] = []
    try:
        series, before, moved = Series(engine, plan.owners, 0), federation.usage(), 0
        ready, stop = 0.0, None
        while (mark := marks.next(plan.patience))["mark"] != "over":
            if mark["mark"] == "begin":
                ready = time.monotonic() - begun
                marks.answer()
            elif mark["mark"] == "round":
                if mark["number"] == 1:
                    series = Series(engine, plan.owners, mark["size"], plan.app, plan.changed)
                    series.ready = round(ready, 3)
                    results.append(series)
                series.seconds.append(mark["seconds"])
                series.aggregation.append(mark["aggregation"])
                if mark["number"] == 1:
                    time.sleep(REST)
                    if plan.rounds > 1:
                        before, moved = federation.usage(), carried()
                    stop = during(federation, mark["size"]) if during is not None else None
                    marks.answer()
            elif mark["mark"] == "end":
                if stop is not None:
                    stop()
                time.sleep(REST)
                _note(series, before, federation.usage(), carried() - moved, sampler)
                marks.answer()
    finally:
        sampler.close()
    return results


def _note(
    series: Series, before: Mapping[str, Usage], after: Mapping[str, Usage], moved: int, sampler: Sampler
) -> None:
    count = len(series.warm)
    series.carried = moved / count
    for role, usage in after.items():
        used = usage - before.get(role, Usage())
        series.cpu[role] = round(used.cpu / count, 4)
        series.written[role] = used.written / count
        series.read[role] = used.read / count
    series.peak = sampler.peaks
    series.taken = sampler.taken
    sampler.forget()
