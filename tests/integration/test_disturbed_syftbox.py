"""A federation of ten rounds over a SyftBox that does everything wrong that the real one was seen to do.

Each seed is another course of events; it prints what happened, and one in which too little happened fails, because
it shows nothing. ``SYFT_FLWR_SEEDS`` says how many seeds there are: five in ``make test-fault``, fifty in
``make nightly``.
"""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from doubles.syftbox_daemon import EVERYTHING, SyftBoxDaemon
from participants import Federate, Federation, bits, reference, run_config

SEEDS = range(int(os.environ.get("SYFT_FLWR_SEEDS", "5")))

ROUNDS = 10

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(300)]


def over_syftbox(federation: Federation) -> dict[str, str]:
    machines = {}
    for email in (federation.aggregator, *federation.owners):
        machine = federation.place / "machines" / email
        machines[email] = machine / "SyftBox"
        machines[email].mkdir(parents=True)
        config = machine / "config.json"
        config.write_text(json.dumps({"email": email, "data_dir": str(machines[email]), "server_url": ""}))
        federation.own[email] = {"SYFTBOX_CLIENT_CONFIG_PATH": str(config), "SYFT_FLWR_POLL_INTERVAL": "0.5"}
    return machines


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_rounds_over_a_disturbed_syftbox_end_as_undisturbed(federated: Federate, seed: int) -> None:
    federation = federated("averaging", transport="syftbox")
    machines = over_syftbox(federation)
    daemon = SyftBoxDaemon(machines, replace(EVERYTHING, seed=seed))
    daemon.start_full_scans(0.5)
    result = federation.place / "result.npz"
    try:
        federation.complete(*run_config(result, num_server_rounds=ROUNDS))
    finally:
        daemon.close()
    print(f"seed {seed}: {dict(sorted(daemon.counts.items()))}")
    assert bits(result) == bits(reference(federation, result, **{"num-server-rounds": ROUNDS}))
    assert np.load(result)["secret_table"].shape == (96, 96)
    assert daemon.counts["deleted"] >= 3, "false conflicts with deletion"
    assert daemon.counts["dropped"] >= 1 and daemon.counts["overtaken"] >= 1
    for email, machine in machines.items():
        own = machine / "datasites" / email / "app_data" / "flwr"
        assert [path.name for path in own.rglob("*.conflict.*")] == []
