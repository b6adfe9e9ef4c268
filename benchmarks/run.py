"""Run the benchmarks: ``python -m benchmarks.run``, all in about twenty minutes, or a part of them by flags.

Results go to ``benchmarks/results/`` as JSON; with ``--write``, the tables and the plot of docs/benchmarks.md
are renewed, too. Other programs on the machine disturb it: it says how busy the machine was.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import floor, flower, plot, report, startup, syft
from benchmarks.criteria import check
from benchmarks.marks import BenchError
from benchmarks.processes import available_memory
from benchmarks.profiling import Profile, find_py_spy
from benchmarks.rounds import Plan, Series

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PARTS = ("rounds", "many", "legacy", "layers", "big", "huge", "startup", "profile")
ENGINES = ("syft-flwr", "flower", "floor")
HUGE_NEEDS = 15_000_000_000


class Bench:
    """One run of the benchmarks.

    Parameters
    ----------
    options : argparse.Namespace
        The command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.series: list[Series] = []
        self.skipped: list[str] = []
        self.startup: dict[str, float] | None = None
        self.profile: dict[str, list[tuple[str, float]]] = {}

    def run(self) -> None:
        """Run the chosen parts."""
        parts: dict[str, Callable[[], None]] = {
            "rounds": self._rounds,
            "many": lambda: self._syft(Plan([0, 1], self.options.rounds, 50)),
            "legacy": lambda: self._syft(Plan([1], 3, 3, app="legacy_api")),
            "layers": lambda: self._syft(Plan([10], 3, 3, changed=1)),
            "big": lambda: self._syft(Plan([500], 2, 3)),
            "huge": self._huge,
            "startup": self._startup,
            "profile": self._profile,
        }
        for part in self.options.only:
            say(f"{part} …")
            try:
                parts[part]()
            except BenchError as error:
                self.skipped.append(f"{part}: {str(error)[:300]}")
                say(f"  {error}")

    def _rounds(self) -> None:
        options = self.options
        for owners in options.owners:
            if "floor" in options.engines:
                for size in options.sizes:
                    with self._place() as place:
                        self._add([floor.run(size, owners, options.rounds + 2, place)])
            if "syft-flwr" in options.engines:
                self._syft(Plan(options.sizes, options.rounds, owners))
            if "flower" in options.engines:
                with self._place() as place:
                    self._add(flower.run(Plan(options.sizes, options.flower_rounds, owners), place))

    def _syft(self, plan: Plan) -> None:
        with self._place() as place:
            self._add(syft.run(plan, place))

    def _huge(self) -> None:
        free, room = available_memory(), shutil.disk_usage(self.options.place or tempfile.gettempdir()).free
        if free < HUGE_NEEDS or room < HUGE_NEEDS:
            what = f"{free / 1e9:.0f} GB of memory and {room / 1e9:.0f} GB of disk are free"
            self.skipped.append(f"A model of 2.5 GB: {what}; both should be {HUGE_NEEDS / 1e9:.0f} GB.")
            return
        self._syft(Plan([2500], 1, 2, patience=1200.0))

    def _startup(self) -> None:
        with self._place() as place:
            self.startup = startup.run(place, 3 if self.options.quick else 7).as_json()

    def _profile(self) -> None:
        if find_py_spy() is None:
            self.skipped.append("The profile: py-spy is not installed (pip install 'syft-flwr-cli[bench]').")
            return
        size, rounds = (1.0, 6) if self.options.quick else (50.0, 9)
        with self._place() as place:
            profile = Profile(place, size)
            syft.run(Plan([size], rounds, 3), place, profile)
            self.profile = profile.tables(rounds - 1)

    def _add(self, found: Sequence[Series]) -> None:
        self.series += found
        for s in found:
            api = "" if s.app == "message_api" else f", {s.app}"
            ratio = f", bytes {s.carried / s.ideal:.3f}" if s.model > 1000 else ""
            say(
                f"  {s.engine:9} {s.owners:3} owners {s.size:6g} MB{api}: {report.duration(s.median)} "
                f"(first {report.duration(s.first)}){ratio}"
            )

    @contextmanager
    def _place(self) -> Iterator[Path]:
        place = Path(tempfile.mkdtemp(prefix="syft-flwr-bench-", dir=self.options.place))
        try:
            yield place
        finally:
            if not self.options.keep:
                shutil.rmtree(place, ignore_errors=True)
            # What the last part wrote must not be written back while the next is measured.
            os.sync()

    def results(self, machine: dict[str, Any]) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "command": " ".join(["python -m benchmarks.run", *sys.argv[1:]]),
            "machine": machine,
            "series": [s.as_json() for s in self.series],
            "startup": self.startup,
            "profile": self.profile,
            "criteria": check(self.series, self.startup),
            "skipped": self.skipped,
        }


def say(text: str) -> None:
    """To people."""
    print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """On what it was measured."""
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu": model[0] if model else platform.machine(),
        "memory": pages,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "flwr": version("flwr"),
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)

    def several(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
        return lambda text: [kind(word) for word in text.split(",")]

    parser.add_argument("--quick", action="store_true", help="a small subset, to see that it works")
    parser.add_argument("--only", type=several(str), help=f"parts, of: {','.join(PARTS)}")
    parser.add_argument("--engines", type=several(str), help=f"of: {','.join(ENGINES)}")
    parser.add_argument("--sizes", type=several(float), help="MB (10^6 bytes), such as 0,1,10,50")
    parser.add_argument("--owners", type=several(int), help="such as 3,10")
    parser.add_argument("--rounds", type=int, help="rounds of each size, the first one cold")
    parser.add_argument("--flower-rounds", type=int, help="the same for Flower's engine")
    parser.add_argument("--place", help="where to work: a folder on the disk to measure")
    parser.add_argument("--keep", action="store_true", help="keep what was written there")
    parser.add_argument("--write", action="store_true", help="renew the tables and the plot in docs/")
    options = parser.parse_args(arguments)
    quick = options.quick
    options.only = options.only or (
        ["rounds", "legacy", "layers", "startup", "profile"] if quick else list(PARTS)
    )
    options.engines = options.engines or list(ENGINES)
    options.sizes = options.sizes or ([0.0, 1.0] if quick else [0.0, 1.0, 10.0, 50.0])
    options.owners = options.owners or ([2] if quick else [3, 10])
    options.rounds = options.rounds or (4 if quick else 11)
    options.flower_rounds = options.flower_rounds or (2 if quick else 4)
    for name, known in (("only", PARTS), ("engines", ENGINES)):
        if unknown := set(getattr(options, name)) - set(known):
            parser.error(f"--{name}: unknown {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    """Run, save, and say what was promised and what came of it."""
    options = parse()
    if not Path("/proc/self/io").exists():
        say("The benchmarks read /proc: they need Linux.")
        return 2
    found = machine()
    bench = Bench(options)
    begun = time.monotonic()
    bench.run()
    results = bench.results(found)
    place = HERE / "results"
    place.mkdir(exist_ok=True)
    file = place / f"{time.strftime('%Y%m%dT%H%M%S')}.json"
    file.write_text(json.dumps(results, indent=1) + "\n")
    measured = report.render(results, bench.series)
    (place / "latest.md").write_text(measured + "\n")
    image = plot.draw(bench.series)
    (place / "latest.svg").write_text(image)
    if options.write:
        page = DOCS / "benchmarks.md"
        page.write_text(report.insert(page.read_text(), measured))
        (DOCS / "benchmarks.svg").write_text(image)
    for number, promise, what, kept in results["criteria"]:
        say(f"{kept.strip('*'):7} {number}. {promise}: {what}")
    say(f"{time.monotonic() - begun:.0f} s; all of it: {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
