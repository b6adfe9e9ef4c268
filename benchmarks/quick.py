"""A quick look at the speed, in about a minute: start-up, and rounds of 0, 1 and 50 MB with three data owners.

Everything is done through the command line of an interpreter that can be another checkout's, so that two versions are
measured by the same program. ``python -m benchmarks.quick --json`` prints one document.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.marks import BenchError, Marks
from benchmarks.rounds import Federation, Plan, Series, measure
from benchmarks.syft import AGGREGATOR, APPS, emails, environment

__all__ = ["LINES", "quick"]

SIZES = (0.0, 1.0, 50.0)
ROUNDS = {0.0: 9, 1.0: 7, 50.0: 4}
OWNERS = 3
LINES = ("help", "round 0 MB", "round 1 MB", "round 50 MB", "cpu 0 MB", "cpu 50 MB")
"""The lines of the result: seconds of wall time, or of CPU time of all processes per round."""


def quick(python: Path, place: Path, *, live: bool = False) -> dict[str, float]:
    """Measure the version that an interpreter has installed; seconds by line.

    Parameters
    ----------
    python : Path
        The interpreter.
    place : Path
        An empty folder.
    live : bool
        With the live view of every participant on, each on a terminal of its own.

    Raises
    ------
    BenchError
        If a process ends that should not.
    """
    found = {"help": _help(python)}
    for size in SIZES:
        here = place / f"{size:g}"
        here.mkdir()
        series = _rounds(python, here, size, live=live)
        found[f"round {size:g} MB"] = series.median
        if size != 1.0:
            found[f"cpu {size:g} MB"] = sum(series.cpu.values())
    return found


def _help(python: Path) -> float:
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        _run(python, ["--help"], dict(os.environ))
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def _rounds(python: Path, place: Path, size: float, *, live: bool) -> Series:
    owners, root, project = emails(OWNERS), place / "root", place / "project"
    root.mkdir()
    federation = Federation(place, live=live)
    marks = Marks(place, federation.dead)
    plan = Plan([size], ROUNDS[size], OWNERS)
    shutil.copytree(APPS / "message_api", project, ignore=shutil.ignore_patterns("__pycache__"))
    _configure(project / "pyproject.toml", plan, marks)
    _run(
        python,
        ["bootstrap", str(project), "--aggregator", AGGREGATOR, "--datasites", ",".join(owners)],
        environment(place, AGGREGATOR),
    )
    no_data = ["--no-data"] if "--no-data" in _run(python, ["run-client", "--help"], dict(os.environ)) else []
    begun = time.monotonic()
    try:
        for email in owners:
            home = environment(place, email)
            _run(python, ["review", str(project), "--email", email, "--approve"], home)
            words = ["run-client", str(project), "--email", email, "--root", str(root), *no_data]
            federation.start("node", email, [str(python), "-m", "syft_flwr_cli", *words], home)
        for email in owners:
            federation.wait_for(email, "is ready and waits")
        words = ["run-server", str(project), "--email", AGGREGATOR, "--root", str(root), "--timeout", "1h"]
        home = environment(place, AGGREGATOR)
        federation.start("server", "server", [str(python), "-m", "syft_flwr_cli", *words], home)
        (series,) = measure("syft-flwr", plan, federation, marks, begun)
        return series
    finally:
        federation.end()
        marks.close()


def _configure(file: Path, plan: Plan, marks: Marks) -> None:
    """The run config in the project itself: overrides would need a rule at each data owner."""
    values = {
        "sizes": f'"{",".join(f"{size:g}" for size in plan.sizes)}"',
        "rounds": plan.rounds,
        "owners": plan.owners,
        "changed": plan.changed,
        "marks": f'"{marks.marks}"',
        "go-on": f'"{marks.go_on}"',
    }
    lines = []
    for line in file.read_text().splitlines():
        key = line.partition(" = ")[0]
        lines.append(f"{key} = {values[key]}" if key in values and " = " in line else line)
    file.write_text("\n".join(lines) + "\n")


def _run(python: Path, words: list[str], environ: dict[str, str]) -> str:
    done = subprocess.run(
        [str(python), "-m", "syft_flwr_cli", *words],
        env=environ,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{' '.join(words)} ended with exit code {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


def add_to_trend(file: Path, found: dict[str, float], now: float) -> None:
    """Add a measurement of this checkout to a file of one JSON object a line: commit, time, load, seconds by line."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    commit = described.stdout.strip() or "unknown"
    entry = {"commit": commit, "time": round(now), "load": round(os.getloadavg()[0], 2), "seconds": found}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    parser.add_argument("--trend", type=Path, metavar="FILE", help="add a line of JSON with the result")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = quick(Path(sys.executable), Path(place))
    if asked.trend is not None:
        add_to_trend(asked.trend, found, time.time())
    if asked.json:
        print(json.dumps(found))
    else:
        for line in LINES:
            print(f"{line:<12} {found[line] * 1000:9.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
