"""Offers, decisions and the run that follows, over SyftBox's layout and over an emulated Google Drive."""

import json
from collections.abc import Iterator

import pytest
from doubles.syftbox_daemon import SyftBoxDaemon
from participants import AGGREGATOR, OWNERS, Federate, Federation

from syft_flwr_cli.testing.drive_emulator import start


@pytest.fixture
def syftbox(federated: Federate) -> Iterator[Federation]:
    federation = federated("averaging", transport="syftbox")
    machines = {}
    for email in (federation.aggregator, *federation.owners):
        machine = federation.place / "machines" / email
        machines[email] = machine / "SyftBox"
        machines[email].mkdir(parents=True)
        config = machine / "config.json"
        config.write_text(json.dumps({"email": email, "data_dir": str(machines[email]), "server_url": ""}))
        federation.own[email] = {"SYFTBOX_CLIENT_CONFIG_PATH": str(config), "SYFT_FLWR_POLL_INTERVAL": "0.2"}
    daemon = SyftBoxDaemon(machines)
    daemon.start_full_scans(0.25)
    yield federation
    daemon.close()


@pytest.fixture
def gdrive(federated: Federate) -> Iterator[Federation]:
    with start(seed=3) as emulator:
        federation = federated("averaging", transport="gdrive")
        federation.variables |= {
            "SYFT_FLWR_DRIVE_ENDPOINT": emulator.endpoint,
            "SYFT_FLWR_POLL_INTERVAL": "0.2",
        }
        yield federation


@pytest.mark.parametrize("store", ["syftbox", "gdrive"])
def test_a_project_is_offered_approved_and_run(store: str, request: pytest.FixtureRequest) -> None:
    federation: Federation = request.getfixturevalue(store)
    shared = federation.run(
        "share", str(federation.project), "--email", AGGREGATOR, "--json", email=AGGREGATOR
    )
    assert shared.data["revision"] == 1
    owners = [
        federation.command(
            *("join", AGGREGATOR, "--email", email, "--transport", store, "--approve", "--no-data", "--run"),
            email=email,
        )
        for email in OWNERS
    ]
    server = federation.start_server("--json").wait(0)
    for owner in owners:
        owner.wait(0)
    assert server.data["transport"] == store
    assert server.data["missing"] == []
