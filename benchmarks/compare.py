"""This checkout against another commit: the quick benchmark of both in turn, and the median ratio of each line.

``python -m benchmarks.compare BASE`` installs the other commit in an environment of its own below ``build/``
(kept for the next time), then measures both alternately, so that whatever else the machine does meets both
alike. With ``--live`` this checkout is measured with its live view on, each process on a terminal, and the other
without. A line is kept if the median of its paired ratios is at most 1.05; the exit code is 1 if one is not.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.quick import LINES, quick

MOST = 1.05
REPOSITORY = Path(__file__).resolve().parents[1]


def interpreter_of(commit: str) -> Path:
    """The interpreter of an environment that has a commit of this repository installed."""
    exact = _git("rev-parse", "--verify", f"{commit}^{{commit}}")
    place = REPOSITORY / "build" / "base" / exact[:12]
    python = place / "venv" / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        archive = place / "tree.tar"
        _git("archive", "--output", str(archive), exact)
        (place / "tree").mkdir()
        subprocess.run(["tar", "-xf", str(archive), "-C", str(place / "tree")], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", str(place / "tree")], check=True)
        (place / "ready").touch()
    return python


def compare(base: Path, times: int, *, live: bool = False) -> dict[str, list[float]]:
    """Paired ratios of this version to the other, by line; above 1 is slower than it was."""
    ratios: dict[str, list[float]] = {line: [] for line in LINES}
    for turn in range(times):
        measured = {}
        # Who goes first changes each time: a machine that grows slower would favour the first.
        pair = [("now", Path(sys.executable)), ("base", base)]
        for name, python in pair if turn % 2 else reversed(pair):
            with tempfile.TemporaryDirectory() as place:
                measured[name] = quick(python, Path(place), live=live and name == "now")
        for line in LINES:
            ratios[line].append(measured["now"][line] / measured["base"][line])
        print(f"turn {turn + 1} of {times}: " + _lines(measured), flush=True)
    return ratios


def _lines(measured: dict[str, dict[str, float]]) -> str:
    return "  ".join(
        f"{line} {measured['now'][line] * 1000:.0f}/{measured['base'][line] * 1000:.0f} ms" for line in LINES
    )


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="a commit of this repository")
    parser.add_argument("--times", type=int, default=5, help="how often each is measured")
    parser.add_argument("--live", action="store_true", help="with the live view here, and without it there")
    asked = parser.parse_args()
    ratios = compare(interpreter_of(asked.base), asked.times, live=asked.live)
    missed = 0
    for line, values in ratios.items():
        median = statistics.median(values)
        kept = median <= MOST
        missed += not kept
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{line:<12} {median:5.2f}  ({spread})  {'kept' if kept else 'MISSED'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
