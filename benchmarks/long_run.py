"""A long run on a plain folder: what a round takes, and what it leaves, from the beginning to the end.

Run as ``python -m benchmarks.long_run [--rounds 5000]``. Real processes run the ``numpy`` template (a small
model, two phases a round) with three data owners; at every tenth of the rounds, files and bytes in the shared
folder and in the homes and the memory of each process (owners first) are looked at. Flat means: nothing of it
grows with the number of rounds but what is kept on purpose. The homes are shown apart: the audit log and
tombstones, of which at most 4 kB a message stay, and all else; at the aggregator that holds each reply once until
the run ends.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

AGGREGATOR = "agg@bench.example"
OWNERS = tuple(f"do{number}@bench.example" for number in (1, 2, 3))
LOGS = ("audit.jsonl", "tombstones.jsonl")


@dataclass(frozen=True, slots=True)
class Look:
    """What there is when so many messages have been answered; sizes in bytes, times in seconds."""

    messages: int
    seconds: float
    files: int
    shared: int
    logs: dict[str, int]
    homes: dict[str, int]
    memory: dict[str, int]


class LongRun:
    """A federation below ``place``."""

    def __init__(self, place: Path, rounds: int) -> None:
        self.place, self.rounds = place, rounds
        self.root = place / "root"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._begun = time.monotonic()

    def command(self, who: str, *words: str) -> subprocess.Popen[bytes]:
        """Start ``syft-flwr WORDS`` as ``who``, what it says goes to a file."""
        environment = {
            **os.environ,
            "SYFT_FLWR_HOME": str(self.place / "homes" / who),
            "FLWR_TELEMETRY_ENABLED": "0",
            "OPENBLAS_NUM_THREADS": "1",
        }
        said = (self.place / f"{who}.{words[0]}.log").open("wb")
        return subprocess.Popen(
            [sys.executable, "-m", "syft_flwr_cli", *words],
            env=environment,
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )

    def finish(self, who: str, *words: str) -> None:
        """As `command`, and wait for a good end."""
        if (code := self.command(who, *words).wait()) != 0:
            said = (self.place / f"{who}.{words[0]}.log").read_text(errors="replace")
            raise SystemExit(f"syft-flwr {words[0]} of {who} ended with {code}:\n{said[-2000:]}")

    def start(self) -> None:
        """Make the project, have it approved, start everybody."""
        self.root.mkdir(parents=True)
        people = ("--aggregator", AGGREGATOR, "--datasites", ",".join(OWNERS))
        self.finish(AGGREGATOR, "init", "study", "--template", "numpy", *people)
        # What an owner approves is the run config, too.
        project = self.place / "study" / "pyproject.toml"
        rounds = re.sub(
            r"(?m)^num-server-rounds = .*", f"num-server-rounds = {self.rounds}", project.read_text()
        )
        project.write_text(rounds)
        where = ("--transport", "local", "--root", str(self.root))
        for owner in OWNERS:
            (self.place / "homes" / owner).mkdir(parents=True, mode=0o700, exist_ok=True)
            self.finish(owner, "review", "study", "--email", owner, "--approve")
            data = self.place / "data" / owner
            shutil.copytree(next((self.place / "study").glob("*/mock_data")), data)
            self.processes[owner] = self.command(
                owner, "run-client", "study", "--email", owner, *where, "--data", str(data)
            )
        self.processes[AGGREGATOR] = self.command(
            AGGREGATOR, "run-server", "study", "--email", AGGREGATOR, *where
        )
        self._begun = time.monotonic()

    def answered(self) -> int:
        """How many messages were answered so far."""
        from syft_flwr_cli.storage.journal_reader import look_at_journal

        found = list((self.place / "homes" / AGGREGATOR).rglob("journal.sqlite3"))
        runs = look_at_journal(found[0]).runs if found else ()
        return runs[0].messages.get("answered", 0) if runs else 0

    def look(self, messages: int) -> Look:
        """Look at everything."""
        shared = sizes(self.root)
        homes = {who: sizes(self.place / "homes" / who) for who in (AGGREGATOR, *OWNERS)}
        return Look(
            messages=messages,
            seconds=round(time.monotonic() - self._begun, 3),
            files=len(shared),
            shared=sum(shared.values()),
            logs={who: sum(s for p, s in found.items() if p.name in LOGS) for who, found in homes.items()},
            homes={
                who: sum(s for p, s in found.items() if p.name not in LOGS and not p.name.endswith("-shm"))
                for who, found in homes.items()
            },
            memory={who: resident(process.pid) for who, process in self.processes.items()},
        )

    def run(self, looks: int) -> list[Look]:
        """The whole run; what was found on the way, and last when it was over."""
        total = 2 * self.rounds * len(OWNERS)
        found: list[Look] = []
        while any(process.poll() is None for process in self.processes.values()):
            if (done := self.answered()) >= (len(found) + 1) * total // looks and len(found) < looks - 1:
                found.append(self.look(done))
                print(line(found[-1], found[-2] if len(found) > 1 else None), flush=True)
            time.sleep(max(0.2, self.rounds / 2000))
        codes = {who: process.returncode for who, process in self.processes.items()}
        if any(codes.values()):
            raise SystemExit(f"not everybody ended well: {codes}; see {self.place}")
        found.append(self.look(total))
        print(line(found[-1], None), flush=True)
        return found


def sizes(top: Path) -> dict[Path, int]:
    """Every file below ``top``; what vanishes meanwhile is not counted."""
    found = {}
    for path in top.rglob("*"):
        try:
            if path.is_file() and not path.name.startswith("."):
                found[path] = path.stat().st_size
        except FileNotFoundError:
            continue
    return found


def resident(pid: int) -> int:
    """Resident memory of a process, in bytes; 0 where that cannot be told."""
    try:
        for text in Path(f"/proc/{pid}/status").read_text().splitlines():
            if text.startswith("VmRSS:"):
                return int(text.split()[1]) * 1024
    except OSError:
        pass
    return 0


def line(now: Look, before: Look | None) -> str:
    """One line of the table."""
    rate = ""
    if before is not None and now.messages > before.messages:
        phases = (now.messages - before.messages) / len(OWNERS)
        rate = f", {1000 * (now.seconds - before.seconds) / phases:.1f} ms a phase"
    owners = max(now.homes[who] for who in OWNERS)
    each = max(1, now.messages / len(OWNERS))
    logs = max(now.logs[AGGREGATOR] / max(1, now.messages), *(now.logs[who] / each for who in OWNERS))
    memory = " ".join(f"{size >> 20}" for size in now.memory.values())
    return (
        f"{now.messages:7d} messages, {now.files:4d} files, {now.shared / 1e6:6.2f} MB shared; homes: owners "
        f"{owners / 1e6:.2f} MB, aggregator {now.homes[AGGREGATOR] / 1e6:.2f} MB, logs {logs:.0f} bytes a "
        f"request and its response; memory {memory} MB{rate}"
    )


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="A long run on a plain folder.")
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--looks", type=int, default=10)
    parser.add_argument("--place", type=Path, default=None, help="a folder to work in")
    parser.add_argument("--json", type=Path, default=None, help="where the results go")
    options = parser.parse_args(words)
    place = Path(tempfile.mkdtemp(prefix="syft-flwr-long-", dir=options.place))
    run = LongRun(place, options.rounds)
    try:
        run.start()
        found = run.run(options.looks)
    finally:
        for process in run.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n")
    shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
