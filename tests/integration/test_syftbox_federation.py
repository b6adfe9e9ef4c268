"""A run over SyftBox's layout: three machines, three ``config.json``, a daemon's stand-in between them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from doubles.syftbox_daemon import RULES, SyftBoxDaemon
from participants import Federate, Federation, bits, reference, run_config


@pytest.fixture
def datasites(federated: Federate) -> Iterator[Federation]:
    """A federation whose participants are logged in to SyftBox, and whose folders are kept in sync."""
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
    # SyftBox scans every five seconds; payloads travel with these scans.
    daemon.start_full_scans(0.25)
    yield federation
    daemon.close()


def machine(federation: Federation, email: str) -> Path:
    return federation.place / "machines" / email / "SyftBox" / "datasites"


def test_a_run_over_syftbox_gives_the_same_bits(datasites: Federation, tmp_path: Path) -> None:
    result = tmp_path / "result.npz"
    server = datasites.complete(*run_config(result))
    assert server.data["transport"] == "syftbox"
    assert bits(result) == bits(reference(datasites, result))
    aggregator, app = datasites.aggregator, datasites.app_name
    for owner in datasites.owners:
        for sender, recipient, suffix in ((aggregator, owner, "request"), (owner, aggregator, "response")):
            space = machine(datasites, sender) / sender / "app_data" / "flwr"
            outbox = space / f"syft_outbox_inbox_{sender}_to_{recipient}"
            sent = sorted((outbox / app / "rpc" / "messages").glob(f"*.{suffix}"))
            assert len(sent) == (8 if suffix == "request" else 7)
            rules = yaml.safe_load((outbox / RULES).read_text())
            assert rules["terminal"] is True
            assert rules["rules"][0]["access"] == {"admin": [], "read": [recipient], "write": []}
            for path in sent:
                header = json.loads(path.read_bytes().split(b"\n", 1)[0])
                assert (header["sender"], header["recipient"]) == (sender, recipient)


@pytest.mark.full
def test_nobody_gets_what_is_for_another(datasites: Federation, tmp_path: Path) -> None:
    datasites.complete(*run_config(tmp_path / "result.npz", num_server_rounds=1))
    first, second = datasites.owners
    for owner, other in ((first, second), (second, first)):
        found = [path for path in machine(datasites, owner).rglob("*") if path.is_file()]
        assert [path for path in found if path.suffix == ".request"]
        assert not [path for path in found if f"_to_{other}" in str(path)]
        assert not [path for path in found if "rejected" in path.name or "conflict" in path.name]
