"""The aggregator's service with a real node: an unmodified ``flwr`` submits, the service is killed, the run ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DS, OWNER = "ds@lab.example", "do1@a.example"
ME = [sys.executable, "-m", "syft_flwr_cli"]
FLWR = str(Path(sys.executable).with_name("flwr"))
PATIENCE = 120.0


class Desk:
    """The scientist's and the owner's homes, the shared folder, and every process that was started."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root = place / "shared"
        self.root.mkdir()
        self.started: list[subprocess.Popen[bytes]] = []
        self._say("mk", "init", "study", "--template", "numpy", "--aggregator", DS, "--datasites", OWNER)

    def environment(self, who: str) -> dict[str, str]:
        return {
            **os.environ,
            "SYFT_FLWR_HOME": str(self.place / who),
            "FLWR_HOME": str(self.place / "flwr"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "COLUMNS": "200",
        }

    def _say(self, who: str, *words: str) -> str:
        done = subprocess.run(
            [*ME, *words],
            cwd=self.place,
            env=self.environment(who),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def flwr(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [FLWR, *words],
            cwd=self.place,
            env=self.environment("flwr"),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def background(self, who: str, *words: str) -> "subprocess.Popen[bytes]":
        log = (self.place / f"{who}.{len(self.started)}.log").open("wb")
        process = subprocess.Popen(
            [*ME, *words], cwd=self.place, env=self.environment(who), stdout=log, stderr=log
        )
        self.started.append(process)
        return process

    def serve(self) -> "subprocess.Popen[bytes]":
        process = self.background(
            *("ds", "serve", "--email", DS, "--datasites", OWNER, "--root", str(self.root)),
            *("--port", "0", "--write-config"),
        )
        log = Path(self.place / f"ds.{len(self.started) - 1}.log")
        self.eventually(lambda: "Serving on" in log.read_text(), log.read_text)
        return process

    def join(self) -> None:
        self._say(
            *("do1", "join", DS, "--email", OWNER, "--root", str(self.root), "--approve", "--no-run"),
            *("--data", str(self.place / "study" / "study" / "mock_data")),
        )

    def runs(self) -> list[dict[str, Any]]:
        found = self.flwr("list", "--format", "json")
        assert found.returncode == 0, found.stderr
        runs: list[dict[str, Any]] = json.loads(found.stdout)["runs"]
        return runs

    def eventually(self, look: Callable[[], Any], about: Callable[[], object]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < deadline, about()
            time.sleep(0.2)
        return found

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
        subprocess.run(["pkill", "-9", "-f", str(self.root)], check=False)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


def test_a_run_waits_for_an_approval_outlives_the_service_and_is_not_asked_for_twice(desk: Desk) -> None:
    service = desk.serve()
    submitted = desk.flwr("run", "study")
    assert submitted.returncode == 0, submitted.stderr
    assert desk.eventually(lambda: desk.runs()[0]["status-details"] != "N/A", desk.runs)
    (run,) = desk.runs()
    assert run["status"] == "pending"
    assert OWNER in run["status-details"]

    service.send_signal(signal.SIGKILL)
    service.wait()
    desk.serve()
    desk.join()
    desk.background("do1", "node", "--email", OWNER, "--root", str(desk.root))
    desk.eventually(lambda: desk.runs()[0]["status"] == "finished:completed", desk.runs)
    assert "[ROUND 3/3]" in desk.flwr("log", run["run-id"]).stdout

    again = desk.flwr("run", "study", "--stream")
    assert again.returncode == 0, again.stderr
    assert "offered" not in again.stdout + again.stderr
    assert [found["status"] for found in desk.runs()] == ["finished:completed"] * 2, desk.runs()


def test_a_run_is_stopped_in_the_middle(desk: Desk) -> None:
    desk.serve()
    assert desk.flwr("run", "study", "--run-config", "num-server-rounds=100000").returncode == 0
    desk.join()
    desk.background("do1", "node", "--email", OWNER, "--root", str(desk.root))
    (run,) = desk.eventually(lambda: desk.runs(), desk.runs)
    log = next((desk.place / "ds").glob("participants/*/service/runs/*/log.txt"))
    desk.eventually(lambda: "[ROUND 2/" in log.read_text(), log.read_text)
    assert desk.flwr("stop", run["run-id"]).returncode == 0
    desk.eventually(lambda: desk.runs()[0]["status"] == "finished:stopped", desk.runs)
    refused = desk.flwr("stop", run["run-id"])
    assert refused.returncode == 1
    assert "already finished" in refused.stderr + refused.stdout
