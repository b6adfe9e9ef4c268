"""The service is killed twenty times, while runs wait, train and end: none is lost, doubled or out of order."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_flwr_cli.aggregator.service.states import State
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore

DS, OWNER = "ds@lab.example", "do1@a.example"
ME = [sys.executable, "-m", "syft_flwr_cli"]
KILLS, ROUNDS, PATIENCE = 20, 60, 240.0


class Machine:
    """The homes of both, a shared folder, and the processes that were started."""

    def __init__(self, place: Path) -> None:
        self.place, self.root = place, place / "shared"
        self.root.mkdir()
        self.started: list[subprocess.Popen[bytes]] = []
        self.directory = place / "ds" / "participants" / DS / "service"

    def say(self, who: str, *words: str) -> None:
        done = subprocess.run(
            [*ME, *words],
            cwd=self.place,
            env=self._environment(who),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def start(self, who: str, *words: str) -> "subprocess.Popen[bytes]":
        with (self.place / f"{who}.log").open("ab") as log:
            process = subprocess.Popen(
                [*ME, *words], cwd=self.place, env=self._environment(who), stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def serve(self) -> "subprocess.Popen[bytes]":
        words = ("serve", "--email", DS, "--datasites", OWNER, "--root", str(self.root), "--port", "0")
        return self.start("ds", *words)

    def project(self, name: str) -> None:
        self.say("mk", "init", name, "--template", "numpy", "--aggregator", DS, "--datasites", OWNER)
        config = self.place / name / "pyproject.toml"
        config.write_text(
            re.sub(r"num-server-rounds = \d+", f"num-server-rounds = {ROUNDS}", config.read_text())
        )

    def join(self, name: str) -> None:
        self.say(
            *("do1", "join", DS, "--email", OWNER, "--root", str(self.root), "--approve", "--no-run"),
            *("--project", name, "--data", str(self.place / name / name / "mock_data")),
        )

    def runs(self) -> list[RunRecord]:
        store = ServiceStore(self.directory)
        try:
            return store.runs()
        finally:
            store.close()

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        for run in (self.directory / "runs").glob("*/process.lock"):
            number = run.read_text().strip()
            if number.isdecimal() and self._is_ours(number):
                os.kill(int(number), signal.SIGKILL)

    def _is_ours(self, number: str) -> bool:
        line = Path(f"/proc/{number}/cmdline")
        return line.exists() and str(self.place).encode() in line.read_bytes()

    def _environment(self, who: str) -> dict[str, str]:
        return {**os.environ, "SYFT_FLWR_HOME": str(self.place / who)}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.close()


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_twenty_kills_lose_no_run_double_none_and_leave_logs_in_order(machine: Machine, seed: int) -> None:
    chance = random.Random(seed)
    for name in ("study", "other"):
        machine.project(name)
    service = machine.serve()
    deadline = time.monotonic() + PATIENCE
    while not (machine.directory / "service.sqlite3").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    # Two users' runs of one project at once, and one of another project that waits for its approval.
    for name, user in (("study", "ada"), ("study", "bob"), ("other", "ada")):
        machine.say("ds", "submit", name, "--user", user, "--root", str(machine.root))
    machine.join("study")
    machine.start("do1", "node", "--email", OWNER, "--root", str(machine.root))
    for kill in range(KILLS):
        time.sleep(chance.uniform(0.0, 3.0))
        service.send_signal(signal.SIGKILL)
        service.wait()
        service = machine.serve()
        if kill == KILLS // 2:
            machine.join("other")
    deadline = time.monotonic() + PATIENCE
    while any(run.state is not State.COMPLETED for run in machine.runs()):
        assert time.monotonic() < deadline, machine.runs()
        assert all(run.state not in (State.FAILED, State.STOPPED) for run in machine.runs()), machine.runs()
        time.sleep(0.2)
    runs = machine.runs()
    assert sorted(run.user for run in runs) == ["ada", "ada", "bob"]
    for run in runs:
        log = (machine.directory / "runs" / str(run.run_id) / "log.txt").read_text()
        rounds = [int(number) for number in re.findall(rf"\[ROUND (\d+)/{ROUNDS}\]", log)]
        assert rounds == list(range(1, ROUNDS + 1))
        said = Counter(line for line in log.splitlines() if line.startswith("[service] completed"))
        assert said == {"[service] completed": 1}
        assert log.endswith("[service] completed\n")
        assert len(re.findall(r"^Starting run", log, re.MULTILINE)) == 1
