"""Federations of real processes that are killed and started again by plain repetition, and what must hold at the end.

`Zygote` starts participants quickly (see ``zygote.py``); `Federation` knows the commands of one federation,
repeats those of whoever was killed, and checks the end: no participant may end in another way than a kill or
success. What the run should have come to is worked out by `oracle` in memory, without files and processes.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.consent.gate import approve
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.storage.crash_points import FAULT_LOG, FAULT_POINT
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.paths import app_dir, participant_dir

HERE = Path(__file__).parent
STEADY = HERE / "steady"
AGGREGATOR = "agg@fault.example"
OWNERS = ("do1@fault.example", "do2@fault.example")
SERVER = "server"
DEADLINE = 90.0


@dataclass
class Process:
    """A participant's process."""

    pid: int
    name: str
    stdout: Path
    stderr: Path
    code: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def kill(self) -> None:
        """End it as the system does: without a word."""
        if not self.ended.is_set():
            os.kill(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """End it as a person does."""
        if not self.ended.is_set():
            os.kill(self.pid, signal.SIGINT)

    def wait(self, seconds: float = DEADLINE) -> int:
        """Its exit code, negative for a signal."""
        assert self.ended.wait(seconds), f"{self.name} goes on and on:\n{self.said()}"
        assert self.code is not None
        return self.code

    def said(self) -> str:
        """What it said on stderr."""
        return self.stderr.read_text(errors="replace") if self.stderr.exists() else ""

    def document(self) -> dict[str, Any]:
        """The JSON document that it printed."""
        found: dict[str, Any] = json.loads(self.stdout.read_text())
        return found


class Zygote:
    """Our end of the process that forks participants."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "FLWR_TELEMETRY_ENABLED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._started: queue.Queue[int] = queue.Queue()
        self._ends: dict[int, Process] = {}
        self._early: dict[int, int] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            fact = json.loads(line)
            if "started" in fact:
                self._started.put(fact["started"])
            elif "ended" in fact:
                with self._lock:
                    process = self._ends.pop(fact["ended"], None)
                    if process is None:
                        self._early[fact["ended"]] = fact["code"]
                    else:
                        process.code = fact["code"]
                        process.ended.set()

    def start(
        self, name: str, words: Sequence[str], environment: Mapping[str, str], out: Path, err: Path
    ) -> Process:
        """Start ``syft-flwr WORDS``."""
        wish = {
            "words": list(words),
            "environment": dict(environment),
            "directory": str(out.parent),
            "stdout": str(out),
            "stderr": str(err),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        self._process.stdin.flush()
        process = Process(self._started.get(timeout=60), name, out, err)
        with self._lock:
            if process.pid in self._early:
                process.code = self._early.pop(process.pid)
                process.ended.set()
            else:
                self._ends[process.pid] = process
        return process

    def close(self) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


@dataclass(frozen=True)
class Shell:
    """Starts participants as a person does: every time a new Python, of this environment or another."""

    python: str = sys.executable

    def start(
        self, name: str, words: Sequence[str], environment: Mapping[str, str], out: Path, err: Path
    ) -> Process:
        """Start ``syft-flwr WORDS``."""
        with out.open("wb") as stdout, err.open("wb") as stderr:
            child = subprocess.Popen(
                [self.python, "-m", "syft_flwr_cli", *words],
                env={**environment, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
                cwd=out.parent,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        process = Process(child.pid, name, out, err)

        def wait() -> None:
            process.code = child.wait()
            process.ended.set()

        threading.Thread(target=wait, daemon=True).start()
        return process


@dataclass
class Federation:
    """One federation below ``place``.

    Parameters
    ----------
    place : Path
        Gets ``root`` (the shared folder), ``homes``, ``data``, ``said``.
    project : Path
        The federated project.
    rounds, options : int, sequence of str
        How the server is run.
    client_options : sequence of str
        How every client is run.
    approved : bool
        Whether the data owners have approved the project already.
    """

    zygote: Zygote | Shell
    place: Path
    project: Path = STEADY
    owners: Sequence[str] = OWNERS
    config: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    client_options: Sequence[str] = ("--isolation", "inline")
    environment: Mapping[str, str] = field(default_factory=dict)
    approved: bool = False
    lives: dict[str, list[Process]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("root", "said", *(f"data/{owner}" for owner in self.owners)):
            (self.place / name).mkdir(parents=True, exist_ok=True)

    @property
    def root(self) -> Path:
        """The shared folder."""
        return self.place / "root"

    @property
    def out(self) -> Path:
        """Where the ServerApp writes its model."""
        return self.place / "model.npz"

    def email(self, who: str) -> str:
        """The e-mail of a participant."""
        return AGGREGATOR if who == SERVER else who

    def home(self, who: str) -> Path:
        """The home of a participant."""
        return self.place / "homes" / self.email(who)

    def space(self, who: str) -> Path:
        """Where a participant itself writes."""
        return self.root / self.email(who)

    def words(self, who: str) -> list[str]:
        """The command of a participant: the same each time."""
        command = "run-server" if who == SERVER else "run-client"
        words = [command, str(self.project), "--email", self.email(who)]
        words += ["--transport", "local", "--root", str(self.root), "--json"]
        if who != SERVER:
            return [*words, "--data", str(self.place / "data" / who), *self.client_options]
        if self.config:
            words += ["--run-config", " ".join(f"{key}={value!r}" for key, value in self.config.items())]
        return [*words, "--datasites", ",".join(self.owners), *self.options]

    def start(
        self, who: str, *, fault: str = "", log: Path | None = None, options: Sequence[str] = ()
    ) -> Process:
        """Start a participant, or start it again."""
        environment = {
            "PATH": os.environ["PATH"],
            "SYFT_FLWR_SANDBOX": os.environ.get("SYFT_FLWR_SANDBOX", "none"),
            "HOME": str(self.place),
            "SYFT_FLWR_HOME": str(self.home(who)),
            "SYFT_FLWR_POLL_INTERVAL": "0.5",
            "SYFT_FLWR_MSG_TIMEOUT": "60",
            "FLWR_TELEMETRY_ENABLED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "STEADY_OUT": str(self.out),
            **self.environment,
        }
        if fault:
            environment[FAULT_POINT] = fault
        if log is not None:
            environment[FAULT_LOG] = str(log)
        lives = self.lives.setdefault(who, [])
        if who != SERVER and not lives and not self.approved:
            approve(self.home(who), who, load_project(self.project))
        stem = self.place / "said" / f"{self.email(who)}.{len(lives) + 1}"
        process = self.zygote.start(
            who, [*self.words(who), *options], environment, Path(f"{stem}.out"), Path(f"{stem}.err")
        )
        lives.append(process)
        return process

    def start_all(self, faults: Mapping[str, str] = {}) -> None:
        """Start everybody who does not run."""
        for who in (*self.owners, SERVER):
            if who not in self.lives:
                self.start(who, fault=faults.get(who, ""))

    def finish(self, seconds: float = DEADLINE, again: Mapping[str, str] = {}) -> None:
        """Repeat the command of everybody who was killed until all are done, and done well.

        ``again`` gives who is started again with a fault point each time.
        """
        deadline = time.monotonic() + seconds
        while True:
            running = False
            for who, lives in self.lives.items():
                last = lives[-1]
                if not last.ended.is_set():
                    running = True
                elif last.code == -signal.SIGKILL:
                    self.start(who, fault=again.get(who, ""))
                    running = True
                else:
                    assert last.code == 0, f"{who} ended with {last.code}:\n{self.report()}"
            if not running:
                return
            assert time.monotonic() < deadline, f"not done after {seconds} s:\n{self.report()}"
            time.sleep(0.01)

    def kill_all(self) -> None:
        """Leave nobody behind."""
        for lives in self.lives.values():
            for process in lives:
                process.kill()
        for lives in self.lives.values():
            for process in lives:
                process.ended.wait(10)

    def report(self) -> str:
        """What everybody said, for a test that failed."""
        parts = []
        for who, lives in self.lives.items():
            for number, process in enumerate(lives, 1):
                parts.append(f"--- {who}, life {number}, exit {process.code}\n{process.said()[-3000:]}")
        return "\n".join(parts)

    def killed(self, who: str) -> int:
        """How often a participant was killed."""
        return sum(process.code == -signal.SIGKILL for process in self.lives[who])

    def journal(self, who: str) -> Journal:
        """The journal of a participant whose process has ended; the caller closes it."""
        return Journal(app_dir(self.home(who), self.email(who), self.app) / "journal.sqlite3")

    @property
    def app(self) -> str:
        """The app's name."""
        return str(load_project(self.project).app_name)

    def audit(self, who: str) -> Path:
        """The audit log of a participant."""
        return participant_dir(self.home(who), self.email(who)) / "audit.jsonl"

    def calls(self, owner: str) -> list[str]:
        """A line for every call of the ClientApp, whatever came of it."""
        log = self.place / "data" / owner / "calls.log"
        return log.read_text().splitlines() if log.exists() else []

    def files(self) -> Iterator[Path]:
        """Every file of the federation: what lies in the shared folder and in the homes."""
        for top in (self.root, self.place / "homes"):
            for path in top.rglob("*"):
                if path.is_file():
                    yield path
