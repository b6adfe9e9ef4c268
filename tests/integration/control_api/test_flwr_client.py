"""The unmodified ``flwr`` command line against the Control API, with a backend that only remembers."""

import base64
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml

from syft_flwr_cli.flower.control_api.backend import (
    ControlError,
    Failure,
    FederationSummary,
    LogChunk,
    NodeSummary,
    RunSummary,
    Submission,
    User,
)
from syft_flwr_cli.flower.control_api.fab import FabError, read_fab, unknown_keys
from syft_flwr_cli.flower.control_api.server import make_app
from syft_flwr_cli.services.bounded_http import BACKLOG, MAX_CONNECTIONS, BoundedHttp, BoundedListener
from syft_flwr_cli.services.certificate import make_certificate

TOKEN = "a-token-of-ada"
NODE = NodeSummary(7, "do1@a.example", "online", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")


class RememberingBackend:
    """One user, Ada; runs that are finished as soon as they are stopped."""

    def __init__(self, place: Path) -> None:
        self.submitted: list[Submission] = []
        self.stopped: list[int] = []
        self.archive = place / "results.zip"
        self.archive.write_bytes(b"PK results")

    def authenticate(self, token: str | None) -> User | None:
        return User("ada") if token == TOKEN else None

    def start_run(self, user: User, submission: Submission) -> tuple[int, str]:
        try:
            fab = read_fab(submission.fab)
        except FabError as error:
            raise ControlError(Failure.FAILED_TO_CREATE_RUN, str(error)) from error
        if unknown := unknown_keys(fab, submission.run_config):
            raise ControlError(Failure.INVALID_RUN_CONFIG, f"The run config has no {unknown[0]}.")
        self.submitted.append(submission)
        return 41 + len(self.submitted), "waiting for do2@b.example"

    def summary(self, number: int) -> RunSummary:
        stopped = number in self.stopped
        return RunSummary(
            *(number, "lab/app", "1.0.0", "ab" * 32, "@ada/files", "ada"),
            status="finished" if stopped else "running",
            sub_status="stopped" if stopped else "",
            pending_at="2026-01-01T00:00:00+00:00",
            finished_at="2026-01-01T00:01:00+00:00" if stopped else "",
        )

    def list_runs(self, user: User, run_id: int | None, limit: int | None, skip: int) -> Sequence[RunSummary]:
        return [self.summary(42 + number) for number in range(len(self.submitted))]

    def stop_run(self, user: User, run_id: int) -> None:
        if run_id != 42:
            raise ControlError(Failure.RUN_NOT_FOUND, f"There is no run {run_id}.")
        self.stopped.append(run_id)

    def stream_log(self, user: User, run_id: int, after: float) -> Iterator[LogChunk]:
        if run_id != 42:
            raise ControlError(Failure.RUN_NOT_FOUND, f"There is no run {run_id}.")
        yield LogChunk("round 1 of 1\n", 1.0)
        yield LogChunk("", 1.0)
        yield LogChunk("done\n", 2.0)

    def artifacts(self, user: User, run_id: int) -> str:
        return "ticket"

    def open_artifacts(self, ticket: str) -> Path | None:
        return self.archive if ticket == "ticket" else None

    def nodes(self, user: User) -> Sequence[NodeSummary]:
        return [NODE]

    def federations(self, user: User) -> Sequence[FederationSummary]:
        return [FederationSummary("@ada/files", "two hospitals", [NODE])]


class Service:
    """The Control API in a thread of the test."""

    def __init__(self, place: Path, certificate: tuple[Path, Path] | None = None) -> None:
        self.backend = RememberingBackend(place)
        self._socket = BoundedListener(socket.AF_INET)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        app = make_app(self.backend, {self.address}, f"http://{self.address}")
        self._socket.listen(BACKLOG)
        config = uvicorn.Config(
            app,
            log_level="critical",
            ws="none",
            loop="asyncio",
            http=BoundedHttp.of(self._socket),
            backlog=BACKLOG,
            ssl_certfile=certificate[0] if certificate else None,
            ssl_keyfile=certificate[1] if certificate else None,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    service.close()


def flwr(service: Service, place: Path, *words: str, token: str | None = TOKEN) -> Any:
    home = place / "flwr-home"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "files"\n\n[superlink.files]\naddress = "{service.address}"\ninsecure = true\n'
    )
    if token is not None:
        key = f"flower.account-auth.{service.address}"
        values = {"authn-type": "oidc", "oidc-access-token": token, "oidc-refresh-token": token}
        encoded = {f"{key}.{name}": base64.b64encode(v.encode()).decode() for name, v in values.items()}
        (home / "credentials.yaml").write_text(yaml.safe_dump(encoded))
    program = Path(sys.executable).with_name("flwr")
    environment = {**os.environ, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "COLUMNS": "200"}
    return subprocess.run(
        [str(program), *words], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def app(tmp_path: Path) -> Path:
    place = tmp_path / "app"
    (place / "demo").mkdir(parents=True)
    (place / "demo" / "__init__.py").write_text("")
    (place / "demo" / "client_app.py").write_text("from flwr.clientapp import ClientApp\napp = ClientApp()\n")
    (place / "demo" / "server_app.py").write_text("from flwr.serverapp import ServerApp\napp = ServerApp()\n")
    (place / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "demo"\nversion = "1.0.0"\ndescription = ""\nlicense = "Apache-2.0"\n'
        'dependencies = ["flwr>=1.40"]\n[tool.hatch.build.targets.wheel]\npackages = ["."]\n'
        '[tool.flwr.app]\npublisher = "lab"\n[tool.flwr.app.components]\n'
        'serverapp = "demo.server_app:app"\nclientapp = "demo.client_app:app"\n'
        "[tool.flwr.app.config]\nnum-server-rounds = 3\n"
    )
    return place


def test_run_with_stream_list_log_stop_pull_and_the_lists(
    service: Service, app: Path, tmp_path: Path
) -> None:
    run = flwr(service, tmp_path, "run", str(app), "--run-config", "num-server-rounds=1", "--stream")
    assert run.returncode == 0, run.stderr
    assert "round 1 of 1\ndone" in run.stdout
    assert dict(service.backend.submitted[0].run_config) == {"num-server-rounds": 1}
    listed = json.loads(flwr(service, tmp_path, "list", "--format", "json").stdout)
    assert [(found["run-id"], found["status"]) for found in listed["runs"]] == [("42", "running")]
    assert "round 1 of 1\n" in flwr(service, tmp_path, "log", "42", "--show").stdout
    assert flwr(service, tmp_path, "stop", "42").returncode == 0
    listed = json.loads(flwr(service, tmp_path, "list", "--format", "json").stdout)
    assert listed["runs"][0]["status"] == "finished:stopped"
    pulled = flwr(service, tmp_path, "pull", "42")
    assert pulled.returncode == 0
    url = f"http://{service.address}/results/ticket"
    assert url in pulled.stdout
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"PK results"
    nodes = flwr(service, tmp_path, "supernode", "list")
    assert nodes.returncode == 0
    assert "do1@a.example" in nodes.stdout
    federations = flwr(service, tmp_path, "federation", "list")
    assert federations.returncode == 0
    assert "two hospitals" in federations.stdout


@pytest.mark.parametrize("token", [None, "of somebody else"])
def test_who_has_no_valid_token_is_refused_in_flowers_terms(
    service: Service, app: Path, tmp_path: Path, token: str | None
) -> None:
    run = flwr(service, tmp_path, "run", str(app), token=token)
    assert run.returncode == 1
    assert "uthentication" in run.stderr + run.stdout
    assert service.backend.submitted == []


def test_a_key_that_the_run_config_lacks_is_refused(service: Service, app: Path, tmp_path: Path) -> None:
    run = flwr(service, tmp_path, "run", str(app), "--run-config", "no-such-key=1")
    assert run.returncode == 1
    assert "nvalid run configuration" in run.stderr + run.stdout


def test_what_is_not_offered_is_answered_as_flower_does(service: Service, tmp_path: Path) -> None:
    made = flwr(service, tmp_path, "federation", "create", "new-one")
    assert made.returncode != 0
    assert "does not support federation management" in made.stderr + made.stdout


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_a_web_page_is_refused(service: Service, headers: dict[str, str]) -> None:
    request = urllib.request.Request(
        f"http://{service.address}/v1/control/list-runs",
        data=b"",
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/protobuf", **headers},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 403
    refused.value.close()


def test_a_bundle_that_is_not_the_one_that_was_announced_is_refused(service: Service) -> None:
    from flwr.proto.control_pb2 import StartRunRequest
    from flwr.proto.fab_pb2 import Fab

    body = StartRunRequest(
        fab=Fab(hash_str="0" * 64, content=b"PK"), federation="@ada/files"
    ).SerializeToString()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/protobuf"}
    request = urllib.request.Request(f"http://{service.address}/v1/control/start-run", body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert "announced" in answer.read().decode()
    assert service.backend.submitted == []


@pytest.mark.full
def test_connections_that_say_nothing_are_bounded_and_ended(service: Service) -> None:
    host, _, port = service.address.partition(":")
    held = [socket.create_connection((host, int(port))) for _ in range(MAX_CONNECTIONS + 200)]
    deadline = time.monotonic() + 60
    for connection in held:
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""  # the service ends it, without a word
        connection.close()
    with urllib.request.urlopen(f"http://{service.address}/health") as answer:
        assert answer.status == 200
    assert service.backend.submitted == []


def test_handshakes_that_never_end_keep_nobody_from_being_answered(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, ["127.0.0.1"])
    service = Service(tmp_path, certificate)
    host, _, port = service.address.partition(":")
    try:
        held = [socket.create_connection((host, int(port))) for _ in range(2 * MAX_CONNECTIONS)]
        for one in held[::2]:
            with contextlib.suppress(OSError):
                one.sendall(b"\x16\x03\x01")  # the beginning of a handshake
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        with urllib.request.urlopen(f"https://{service.address}/health", context=trusting) as answer:
            assert answer.status == 200
        for one in held:
            one.settimeout(60)
            with contextlib.suppress(ConnectionError):
                while one.recv(100):
                    pass
            one.close()
    finally:
        service.close()


def test_a_bundle_that_is_too_large_is_refused_before_it_is_read(service: Service) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/protobuf"}
    request = urllib.request.Request(
        f"http://{service.address}/v1/control/start-run", bytes(11 << 20) + b"1", headers
    )
    with pytest.raises((urllib.error.HTTPError, urllib.error.URLError)) as refused:
        urllib.request.urlopen(request)
    if isinstance(refused.value, urllib.error.HTTPError):
        assert refused.value.code == 400
        refused.value.close()
    assert service.backend.submitted == []
