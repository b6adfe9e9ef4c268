"""The aggregator's service with a real node: an unmodified ``flwr`` submits, the service is killed, the run ends."""

import json
import os
import signal
import socket
import ssl
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

    def flwr(
        self, *words: str, user: str = "flwr", program: str = FLWR
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [program, *words],
            cwd=self.place,
            env={**self.environment("flwr"), "FLWR_HOME": str(self.place / user)},
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

    def serve(self, *options: str) -> "subprocess.Popen[bytes]":
        process = self.background(
            *("ds", "serve", "--email", DS, "--datasites", OWNER, "--root", str(self.root)),
            *("--port", "0", "--write-config", *options),
        )
        log = Path(self.place / f"ds.{len(self.started) - 1}.log")
        self.eventually(lambda: "Serving on" in log.read_text(), log.read_text)
        return process

    def add_user(self, user: str, address: str, certificate: Path) -> None:
        words = ("serve", "token", "add", user, "--email", DS, "--address", address, "--write-config")
        done = subprocess.run(
            [*ME, *words, "--certificate", str(certificate)],
            env={**self.environment("ds"), "FLWR_HOME": str(self.place / user)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def join(self) -> None:
        self._say(
            *("do1", "join", DS, "--email", OWNER, "--root", str(self.root), "--approve", "--no-run"),
            *("--data", str(self.place / "study" / "study" / "mock_data")),
        )
        policy = self.place / "do1" / "participants" / OWNER / "policy.toml"
        policy.write_text("[tool.syft_flwr.policy]\nrun_config = { num-server-rounds = { min = 5 } }\n")
        policy.chmod(0o600)

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


@pytest.mark.full
def test_a_folder_is_submitted_while_the_service_is_away_and_runs_when_it_is_back(desk: Desk) -> None:
    service = desk.serve()
    service.send_signal(signal.SIGKILL)
    service.wait()
    words = ("submit", "study", "--user", "ada", "--root", str(desk.root), "--json")
    submitted = json.loads(desk._say("ds", *words))["data"]
    assert submitted["is_served"] is False
    assert submitted["asked"] == [OWNER]
    desk.serve()
    desk.join()
    desk.background("do1", "node", "--email", OWNER, "--root", str(desk.root))
    desk.eventually(lambda: desk.runs()[0]["status"] == "finished:completed", desk.runs)
    (run,) = desk.runs()
    assert run["run-id"] == submitted["run_id"]
    listed = json.loads(desk._say("ds", "runs", "list", "--json"))["data"]
    assert submitted["run_id"] in json.dumps(listed)


@pytest.mark.full
def test_a_named_federation_is_offered_the_project_and_nobody_else_is(desk: Desk) -> None:
    everybody = f"{OWNER},do2@b.example"
    desk.serve("--datasites", everybody, "--federation", f"north={OWNER}")
    submitted = desk.flwr("run", "study", "north")
    assert submitted.returncode == 0, submitted.stderr
    assert f"offered to {OWNER}\n" in submitted.stdout + submitted.stderr
    (run,) = desk.runs()
    assert run["federation-id"] == "@ds/north"
    listed = desk.flwr("federation", "list").stdout
    assert "@ds/files" in listed
    assert "@ds/north" in listed
    shown = desk.flwr("federation", "list", "--federation", "@ds/north").stdout
    assert OWNER in shown
    assert "do2@b.example" not in shown
    refused = desk.flwr("run", "study", "--federation", "@ds/south")
    assert refused.returncode == 1
    everyone = desk.flwr("run", "study")
    assert f"offered to {OWNER}, do2@b.example" in everyone.stdout + everyone.stderr


@pytest.mark.full
def test_a_run_config_that_was_not_approved_waits_for_the_owner(desk: Desk) -> None:
    desk.serve()
    assert desk.flwr("run", "study", "--run-config", "num-server-rounds=2").returncode == 0
    desk.join()
    desk.background("do1", "node", "--email", OWNER, "--root", str(desk.root))
    desk.eventually(lambda: "num-server-rounds = 2" in desk.runs()[0]["status-details"], desk.runs)
    (run,) = desk.runs()
    assert run["status"] == "pending"
    listed = json.loads(desk._say("do1", "projects", "list", "--email", OWNER, "--json"))
    (asked,) = listed["data"]["received"][0]["runs_asked_for"]
    assert (asked["run_id"], asked["values"]) == (run["run-id"], {"num-server-rounds": 2})
    desk._say("do1", "review", "study", "--email", OWNER, "--allow-run", run["run-id"])
    desk.eventually(lambda: desk.runs()[0]["status"] == "finished:completed", desk.runs)
    assert "[ROUND 2/2]" in desk.flwr("log", run["run-id"]).stdout


def refusal(request: str, address: str, certificate: Path) -> int:
    """The status that a raw request over TLS is answered with."""
    host, port = address.split(":")
    context = ssl.create_default_context(cafile=str(certificate))
    with (
        socket.create_connection((host, int(port)), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        connection.sendall(request.replace("\n", "\r\n").encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.full
def test_two_users_over_tls_and_what_others_try(desk: Desk) -> None:
    service = desk.serve("--make-certificate")
    (certificate,) = (desk.place / "ds").glob("participants/*/service/tls-certificate.pem")
    log = (desk.place / "ds.0.log").read_text()
    address = log.split("Serving on ")[1].split()[0]
    desk.add_user("ada", address, certificate)
    desk.add_user("bob", address, certificate)
    submitted = desk.flwr("run", "study", user="ada")
    assert submitted.returncode == 0, submitted.stderr + submitted.stdout
    (run,) = desk.runs()  # the operator sees everybody's

    assert json.loads(desk.flwr("list", "--format", "json", user="bob").stdout)["runs"] == []
    refused = desk.flwr("stop", run["run-id"], user="bob")
    assert refused.returncode == 1
    assert "does not belong" in refused.stdout + refused.stderr

    call = f"POST /v1/control/stop-run HTTP/1.1\nContent-Length: 0\nHost: {address}\n"
    assert refusal(f"{call}\n", address, certificate) == 401
    assert refusal(f"{call}Authorization: Bearer x\n\n", address, certificate) == 401
    assert refusal(f"{call}Origin: https://evil.example\n\n", address, certificate) == 403
    assert refusal(f"{call.replace(address, 'evil.example')}\n", address, certificate) == 403

    subprocess.run(
        [*ME, "serve", "token", "withdraw", "ada", "--email", DS], env=desk.environment("ds"), check=True
    )
    refused = desk.flwr("list", user="ada")
    assert refused.returncode == 1
    assert "Authentication failed" in refused.stdout + refused.stderr
    assert [one["status"] for one in desk.runs()] == ["pending"]
    assert service.poll() is None


@pytest.mark.full
@pytest.mark.parametrize("program", os.environ.get("SYFT_FLWR_TEST_FLWR", "").split(os.pathsep))
def test_every_supported_flwr_drives_it(desk: Desk, program: str) -> None:
    """``SYFT_FLWR_TEST_FLWR``: the ``flwr`` programs of other environments, separated as in ``PATH``."""
    if not program:
        pytest.skip("SYFT_FLWR_TEST_FLWR names no flwr program")
    desk.serve()
    submitted = desk.flwr("run", "study", program=program)
    assert submitted.returncode == 0, submitted.stderr + submitted.stdout
    desk.join()
    desk.background("do1", "node", "--email", OWNER, "--root", str(desk.root))
    (run,) = desk.runs()
    followed = desk.flwr("log", run["run-id"], program=program)
    assert "[ROUND 3/3]" in followed.stdout + followed.stderr
    for words in (["list", "--format", "json"], ["supernode", "list"], ["pull", run["run-id"]]):
        done = desk.flwr(*words, program=program)
        assert done.returncode == 0, done.stderr + done.stdout
    refused = desk.flwr("stop", run["run-id"], program=program)
    assert refused.returncode == 1
    assert "already finished" in refused.stderr + refused.stdout
