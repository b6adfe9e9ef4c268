"""A federation whose participants share nothing but a bucket: five rounds, real processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles.s3 import ACCESS, SECRET, s3_server
from doubles.sampling import sample
from doubles.unreliable_http import UnreliableProxy


@pytest.fixture
def store() -> Iterator[UnreliableProxy]:
    proxy = UnreliableProxy(s3_server())
    yield proxy
    proxy.close()


def simulate(tmp_path: Path, endpoint: str, *more: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "SYFT_FLWR_HOME": str(tmp_path / "home"),
        "SYFT_FLWR_BUCKET": f"s3://federation/{tmp_path.parent.name}/{tmp_path.name}?endpoint={endpoint}",
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
    }
    owners = ["--datasites", "do1@a.example,do2@b.example"]
    for words in (
        ["init", "study", "--template", "numpy", "--aggregator", "ds@lab.example", *owners],
        ["simulate", "study", "--json", *more],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "syft_flwr_cli", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def metrics(document: dict[str, Any]) -> list[Any]:
    """What the rounds came to, without what differs from run to run."""
    return [
        {name: phase["metrics"] for name, phase in found["phases"].items()}
        for found in document["data"]["rounds"]
    ]


@pytest.mark.parametrize("rate", sample([0.0, 0.2], 0.2))
def test_five_rounds_over_a_bucket_come_to_the_result_of_a_folder(
    store: UnreliableProxy, tmp_path: Path, rate: float
) -> None:
    store.rate = rate
    over = {}
    for transport in ("local", "s3"):
        place = tmp_path / transport
        place.mkdir()
        rounds = ("--run-config", "num-server-rounds=5")
        over[transport] = metrics(simulate(place, store.address, "--transport", transport, *rounds))
    assert len(over["local"]) == 5
    assert over["s3"] == over["local"]
    assert any(".request" in path for _, path in store.requests)
    assert (store.failed > 0) == (rate > 0)


def test_a_store_that_ignores_conditions_is_found_out(
    store: UnreliableProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from obstore.store import S3Store

    from syft_flwr_cli.transports.object_store.probe import ignored_conditions

    bucket = S3Store(
        "federation",
        endpoint=store.address,
        access_key_id=ACCESS,
        secret_access_key=SECRET,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    store.dropped = {"if-match", "if-none-match"}
    lies = ignored_conditions(bucket, "s3://federation", "probed")
    assert len(lies) == 2
    assert "If-None-Match" in lies[0]
    assert not [item for page in bucket.list("probed") for item in page]


def test_doctor_names_a_store_that_lies_and_one_that_cannot_be_written(
    store: UnreliableProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from syft_flwr_cli.project.settings import resolve
    from syft_flwr_cli.services.doctor.store import check_store

    for name, value in (("ACCESS_KEY_ID", ACCESS), ("SECRET_ACCESS_KEY", SECRET), ("REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)

    def found(bucket: str) -> tuple[str, str]:
        address = f"s3://{bucket}/doctor?endpoint={store.address}"
        settings = resolve(
            None,
            home=tmp_path,
            environ={"SYFT_FLWR_BUCKET": address},
            email="do1@a.example",
            app_name="ds@lab.example_study_1",
            aggregator="ds@lab.example",
            datasites=["do1@a.example"],
            transport="gcs",
        )
        (row,) = [one for one in check_store(settings) if one.check == "bucket"]
        return row.state, row.sentence

    level, said = found("federation")
    assert level == "ok" and "can be written" in said
    store.dropped = {"if-match", "if-none-match"}
    level, said = found("federation")
    assert level == "warning" and "If-None-Match" in said and "If-Match" in said
    assert found("no-such-bucket")[0] == "failure"
