"""A ServerApp logs to a real MLflow server, with the user's own environment; the ClientApps do not even see it."""

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.participants import federate, until

MLFLOW = os.environ.get("SYFT_FLWR_MLFLOW") or shutil.which("mlflow")
"""The program ``mlflow``, which may lie in an environment of its own."""

STARTS = 240.0
"""Seconds in which the server has to answer: it migrates its store first."""

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(MLFLOW is None, reason="no mlflow on the PATH or in SYFT_FLWR_MLFLOW"),
]


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[str]:
    """The address of a server with a store in SQLite, on loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert MLFLOW is not None
    words = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"]
    artifacts = ["--default-artifact-root", str(tmp_path / "artifacts")]
    log = (tmp_path / "mlflow.log").open("wb")
    with subprocess.Popen(
        [MLFLOW, *words, *store, *artifacts], stdout=log, stderr=log, cwd=tmp_path, start_new_session=True
    ) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            until(lambda: answers(address), "the MLflow server", STARTS)
            yield address
        finally:
            os.killpg(server.pid, 15)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, 9)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def asked(address: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def test_a_server_app_logs_to_mlflow_and_no_client_app_reaches_it(tmp_path: Path, tracking: str) -> None:
    federation = federate(tmp_path / "federation", "tracked")
    federation.variables["SYFT_FLWR_SANDBOX"] = "auto"
    clients = federation.start_clients()
    federation.start_server(MLFLOW_TRACKING_URI=tracking).wait(0)
    for client in clients:
        client.wait(0)
    (run,) = asked(tracking, "runs/search", {"experiment_ids": ["1"]})["runs"]
    assert run["info"]["status"] == "FINISHED"
    last = {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}
    assert last["loss"] == pytest.approx(1 / 3)
    assert last["reached"] == last["named"] == 0
