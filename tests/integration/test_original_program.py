"""A program with the shape of the original's complete example moves over by its import line.

A FedAvg subclass that aggregates fit and evaluate metrics, ``server_fn``, ten rounds, three data owners, and
``syftbox_flwr_server`` called from a script with a context made by hand.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from participants import Federate, Federation, Process

PROGRAMS = Path(__file__).with_name("programs")
OWNERS = ("do1@a.example", "do2@b.example", "do3@c.example")


@pytest.fixture
def clinics(federated: Federate) -> Federation:
    """Three clinics with patients, and a project whose app has the name that the program gives."""
    federation = federated("diabetes", OWNERS)
    about = federation.project / "pyproject.toml"
    named = re.sub(r'^app_name = ".*"$', 'app_name = "diabetes_prediction"', about.read_text(), flags=re.M)
    about.write_text(named)
    for number, email in enumerate(OWNERS):
        rng = np.random.default_rng(number)
        features = rng.normal(size=(50 + 10 * number, 4))
        outcome = (features @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.3 > 0).astype(float)
        rows = np.column_stack([features, outcome])
        place = federation.data(email) / "patients.csv"
        np.savetxt(place, rows, delimiter=",", header="glucose,age,bmi,pressure,outcome", comments="")
    return federation


def program(federation: Federation, name: str, email: str, *words: str) -> Process:
    """Start one of the programs as this participant; the environment says the rest, as with the original."""
    return federation.start(
        [sys.executable, str(PROGRAMS / name), str(federation.project), *words],
        email,
        SYFTBOX_EMAIL=email,
        SYFT_FLWR_ROOT=str(federation.root),
        SYFT_FLWR_MSG_TIMEOUT="60",
        **({"DATA_DIR": str(federation.data(email))} if email in OWNERS else {}),
    )


def test_the_complete_example_runs_with_clients_of_both_kinds(clinics: Federation) -> None:
    clinics.approve(*OWNERS)
    clients = [
        program(clinics, "diabetes_client.py", OWNERS[0]),
        clinics.start_approved_client(OWNERS[1]),
        clinics.start_approved_client(OWNERS[2]),
    ]
    server = program(clinics, "diabetes_server.py", clinics.aggregator).wait(0)
    for client in clients:
        client.wait(0)
    assert "the run is over" in clients[0].out
    fits = re.findall(r"fit (\d+): (\d) clients, (\d+) examples, (\d) failures", server.out)
    assert fits == [(str(number), "3", "180", "0") for number in range(1, 11)]
    evaluations = re.findall(r"evaluate (\d+): loss ([\d.]+), accuracy ([\d.]+)", server.out)
    assert [int(number) for number, _, _ in evaluations] == list(range(1, 11))
    losses = [float(loss) for _, loss, _ in evaluations]
    assert losses == sorted(losses, reverse=True)
    assert float(evaluations[-1][2]) > 0.9
    told = re.search(r"the context that was given: True, run id (\d+)", server.out)
    assert told is not None and int(told[1]) > 1000
    requests = clinics.messages(clinics.aggregator, "request")
    assert requests
    assert {path.parents[2].name for path in requests} == {"diabetes_prediction"}


def test_a_program_may_use_the_grid_itself(federated: Federate) -> None:
    federation = federated("by-hand")
    clients = federation.start_clients("--json")
    words = [
        sys.executable,
        str(PROGRAMS / "grid_by_hand.py"),
        federation.app_name,
        ",".join(federation.owners),
    ]
    program = federation.start(
        words,
        federation.aggregator,
        SYFTBOX_EMAIL=federation.aggregator,
        SYFT_FLWR_ROOT=str(federation.root),
    ).wait(0)
    assert json.loads(program.out) == {
        "run": 12345,
        "nodes": 2,
        "large": True,
        "together": [42, 42],
        "by hand": [8, 8],
        "told": list(federation.owners),
    }
    for client in clients:
        client.wait(0)
        assert client.data["runs"] == [{"run_id": "12345", "reason": "that was all", "answered": 2}]


def test_a_server_app_that_raises_gives_back_the_context_and_stops_the_clients(clinics: Federation) -> None:
    clinics.approve(*OWNERS)
    clients = [clinics.start_approved_client(email) for email in OWNERS[:2]]
    clients.append(program(clinics, "diabetes_client.py", OWNERS[2]))
    server = program(clinics, "diabetes_server.py", clinics.aggregator, "--fail").wait(0)
    assert re.search(r"the context that was given: True", server.out)
    assert "Traceback (most recent call last)" in server.err
    assert "RuntimeError: the strategy is not ready" in server.err
    for client in clients:
        client.wait(0)
    assert "the strategy is not ready" in clients[0].wait_for("is over"), "the data owner is told why"
