"""Unmodified Flower apps of every kind train over real processes that share nothing but a folder.

Each is run by ``run-server`` and ``run-client`` as a user types them. Where an app has no chance in it, what
comes out is compared, to the bit, with the same app run by a Grid in memory in one process.
"""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from doubles.sampling import sample
from participants import Federate, bits, interrupt, reference, run_config, until


def test_the_message_api_gives_the_same_bits_as_in_one_process(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    result = tmp_path / "result.npz"
    server = federation.complete(*run_config(result))
    assert bits(result) == bits(reference(federation, result))
    rounds = server.data["rounds"]
    assert [entry["round"] for entry in rounds] == [1, 2, 3]
    told = json.loads(str(np.load(result)["told"]))
    for entry in rounds:
        for phase in ("train", "evaluate"):
            facts = entry["phases"][phase]
            assert (facts["asked"], facts["answered"], facts["failed"]) == (2, 2, {})
            assert facts["bytes_written"] > 0
            assert facts["seconds"] > 0
            assert sorted(facts["metrics"]["datasites"]) == sorted(federation.owners)
        evaluated = entry["phases"]["evaluate"]["metrics"]["aggregated"]
        assert evaluated["loss"] == pytest.approx(told["rounds"][1][str(entry["round"])]["loss"])
        assert evaluated["num-examples"] == 40 + 57
    assert rounds[2]["phases"]["query"]["metrics"]["datasites"][federation.owners[1]]["rows"] == 57


def test_a_legacy_app_trains_with_parameters_from_a_client(federated: Federate, tmp_path: Path) -> None:
    federation = federated("veteran")
    result = tmp_path / "rounds.jsonl"
    server = federation.complete(*run_config(result))
    assert "Received initial parameters from one random client" in server.err
    lines = [json.loads(line) for line in result.read_text().splitlines()]
    assert [number for number, _ in lines] == [0, 1, 2]
    assert lines[0][1] == [[0.5] * 4, [0.25]]
    expected = [json.loads(line) for line in reference(federation, result).read_text().splitlines()]
    assert lines == expected
    train = server.data["rounds"][1]["phases"]["train"]
    assert (train["asked"], train["answered"]) == (2, 2)
    assert train["metrics"]["aggregated"]["steps"] == 2
    assert train["metrics"]["aggregated"]["num-examples"] == 70
    evaluate = server.data["rounds"][1]["phases"]["evaluate"]["metrics"]["datasites"]
    assert all(0 <= metrics["accuracy"] <= 1 for metrics in evaluate.values())
    assert "received 2 results and 0 failures" in server.err


@pytest.mark.full
def test_secure_aggregation_adds_up(federated: Federate, tmp_path: Path) -> None:
    federation = federated("secagg", ("do1@a.example", "do2@b.example", "do3@c.example"))
    result = tmp_path / "result.npz"
    server = federation.complete(*run_config(result))
    assert "Secure aggregation completed" in server.err
    assert "halted" not in server.err
    # Weights 10, 20, 30 and steps 0.5, 1.0, 1.5: each round adds their weighted mean to every parameter.
    step = (10 * 0.5 + 20 * 1.0 + 30 * 1.5) / 60
    with np.load(result) as arrays:
        np.testing.assert_allclose(arrays["arr_0"], np.full((4, 5), 2 * step), atol=1e-3)
        np.testing.assert_allclose(arrays["arr_1"], np.full(3, 1 + 2 * step), atol=1e-3)


@pytest.mark.parametrize(
    "place", sample(["server", "client-fixed", "client-adaptive", "local"], "client-adaptive")
)
def test_differential_privacy_bounds_every_update(federated: Federate, tmp_path: Path, place: str) -> None:
    federation = federated("private")
    result = tmp_path / "result.npz"
    federation.complete(*run_config(result, place=place))
    found = bits(result)
    assert found == bits(reference(federation, result, place=place))
    with np.load(result) as arrays:
        moved = np.sqrt(sum(float(np.sum(array**2)) for array in arrays.values()))
    assert 0 < moved < 2.01, "two rounds, and in each an update of length 1 at the most"


@pytest.mark.full
def test_local_noise_is_added_where_the_data_is(federated: Federate, tmp_path: Path) -> None:
    federation = federated("private")
    result = tmp_path / "result.npz"
    federation.complete(*run_config(result, place="local", noise=1.0))
    with np.load(result) as arrays:
        assert len(np.unique(arrays["weights"])) == 12, "no two noises are alike"


@pytest.mark.full
def test_analytics_with_actions_of_ones_own(federated: Federate, tmp_path: Path) -> None:
    federation = federated("census")
    result = tmp_path / "result.json"
    server = federation.complete(*run_config(result))
    told = json.loads(result.read_text())
    assert told == json.loads(reference(federation, result).read_text())
    assert sum(told["counts"]) == 400
    assert told["unknown"] == 2, "a question that an app has no answer to is an error reply"
    failed = server.data["rounds"][-1]["phases"]["query"]["failed"]
    assert all("shoe_size" in sentence for sentence in failed.values())


@pytest.mark.full
def test_an_app_that_pushes_and_pulls_by_hand(federated: Federate, tmp_path: Path) -> None:
    federation = federated("by-hand")
    result = tmp_path / "result.json"
    federation.complete(*run_config(result))
    told = json.loads(result.read_text())
    assert told == json.loads(reference(federation, result).read_text())
    for number, entry in enumerate(told):
        assert (entry["ids"], entry["came"], entry["again"], entry["nodes"]) == (6, 6, 0, 2)
        assert entry["groups"] == [f"hand-{number}"]
        assert entry["doubled"] == [2 * (100 * number + index) for index in range(3)] * 2


@pytest.mark.full
def test_pulling_by_hand_comes_to_an_end_without_a_data_owner(federated: Federate, tmp_path: Path) -> None:
    federation = federated("by-hand")
    result = tmp_path / "result.json"
    client = federation.start_client(federation.owners[0])
    client.wait_for("is ready")
    server = federation.start_server("--json", *run_config(result, rounds=1), timeout="8s").wait(3)
    client.wait(0)
    (entry,) = json.loads(result.read_text())
    assert entry["doubled"] == [0, 2, 4, None, None, None]
    assert len(entry["errors"]) == 3
    assert all(federation.owners[1] in reason for reason in entry["errors"])
    assert server.data["missing"] == [federation.owners[1]]


def test_what_came_while_nobody_was_there_is_worked_off_in_order_and_once(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("by-hand", ("do1@a.example",))
    client = federation.start_client("do1@a.example")
    client.wait_for("is ready")
    interrupt(client).wait(130)
    result = tmp_path / "result.json"
    server = federation.start_server(*run_config(result, messages=40))
    until(lambda: len(federation.messages(federation.aggregator, "request")) == 40, "all requests")
    client = federation.start_approved_client("do1@a.example")
    server.wait(0)
    client.wait(0)
    order = (federation.data("do1@a.example") / "order.txt").read_text().split()
    assert [int(number) for number in order] == [*range(40), *range(100, 140)]


@pytest.mark.full
def test_a_late_answer_does_not_surface_in_the_next_round(federated: Federate, tmp_path: Path) -> None:
    federation = federated("failing")
    late = federation.owners[0]
    clients = federation.start_clients()
    result = tmp_path / "result.json"
    words = run_config(result, how="wait", num_server_rounds=2)
    server = federation.start_server("--json", *words, timeout="8s")
    server.wait_for(f"{late} has not answered")
    (federation.data(late) / "go").touch()
    server.wait(0)
    for client in clients:
        client.wait(0)
    told = json.loads(result.read_text())
    assert told["replies"] == [1, 2], "nobody in round 1 and once in round 2"
    assert told["weights"] == [2.0] * 3
    first, second = (entry["phases"]["train"] for entry in server.data["rounds"])
    assert (first["asked"], first["answered"]) == (2, 1)
    assert (second["asked"], second["answered"]) == (2, 2)
    assert server.data["missing"] == []


@pytest.mark.parametrize("how", sample([signal.SIGINT, signal.SIGKILL], signal.SIGKILL))
def test_state_outlives_the_process_of_a_data_owner(
    federated: Federate, tmp_path: Path, how: signal.Signals
) -> None:
    federation = federated("memory")
    result, gate = tmp_path / "result.json", tmp_path / "gate"
    gate.mkdir()
    clients = dict(zip(federation.owners, federation.start_clients(), strict=True))
    server = federation.start_server("--json", *run_config(result, gate=str(gate)))
    until((gate / "before-2").exists, "the end of round 1")
    first = federation.owners[0]
    clients[first].signal(how).wait(130 if how is signal.SIGINT else -how)
    if how is signal.SIGINT:
        assert "nothing is lost" in clients[first].err
    clients[first] = federation.start_client(first)
    clients[first].wait_for(f"{first} is ready")
    for number in (2, 3):
        (gate / f"go-{number}").touch()
    server.wait(0)
    for client in clients.values():
        client.wait(0)
    told = json.loads(result.read_text())
    counts = [
        [entry["count"] if isinstance(entry, dict) else None for entry in part] for part in told["told"]
    ]
    assert counts == [[1, 1], [None, None], [2, 2], [3, 3]], "what failed left nothing behind"
    assert [part[0]["sum"] for part in told["told"] if part[0] != 2] == [1.0, 3.0, 6.0]
    assert [part[0]["small"] for part in told["told"] if part[0] != 2] == [0.0, 1.0, 3.0]


def test_lifespans_begin_and_end_on_both_sides(federated: Federate, tmp_path: Path) -> None:
    federation = federated("memory")
    result = tmp_path / "result.json"
    federation.complete(*run_config(result, rounds=1))
    told = json.loads(result.read_text())
    assert [entry["count"] for entry in told["told"][0]] == [1, 1]
    assert told["spans"] == ["begin", "end"]
    for email in federation.owners:
        lines = (federation.data(email) / "lifespan.txt").read_text().split()
        assert lines == ["begin", "train", "end"]


def test_a_node_that_is_kept_alive_begins_each_run_with_an_empty_state(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("memory", ("do1@a.example",))
    client = federation.start_client("do1@a.example", "--keep-alive", "--json")
    runs = []
    for number in (1, 2):
        result = tmp_path / f"result-{number}.json"
        server = federation.start_server("--json", *run_config(result, rounds=1)).wait(0)
        runs.append(server.data["run_id"])
        assert json.loads(result.read_text())["told"][0][0]["count"] == 1
        client.wait_for(f"Run {server.data['run_id']} is over")
    interrupt(client).wait(130)
    assert [entry["run_id"] for entry in client.data["runs"]] == runs
    assert [entry["answered"] for entry in client.data["runs"]] == [1, 1]
    assert len(set(runs)) == 2


@pytest.mark.parametrize(
    ("how", "sentence"),
    sample(
        [
            ("raise", "ValueError: the ledger of ward seven is missing"),
            ("exit", "exit code 3"),
            ("killed", "killed by SIGKILL"),
        ],
        ("killed", "killed by SIGKILL"),
    ),
)
def test_an_app_that_fails_is_an_error_reply_and_the_node_lives_on(
    federated: Federate, tmp_path: Path, how: str, sentence: str
) -> None:
    federation = federated("failing")
    result = tmp_path / "result.json"
    server = federation.complete(*run_config(result, how=how))
    told = json.loads(result.read_text())
    assert told["weights"] == [2.0] * 3, "round 1 counted one owner, round 2 both"
    (reason,) = told["errors"]
    assert sentence in reason
    if how == "raise":
        assert "Traceback (most recent call last)" in reason
        assert "in stumble" in reason
    first, second = (entry["phases"]["train"] for entry in server.data["rounds"])
    assert (first["asked"], first["answered"], list(first["failed"])) == (2, 1, [federation.owners[0]])
    assert sentence in first["failed"][federation.owners[0]]
    assert (second["asked"], second["answered"], second["failed"]) == (2, 2, {})
    assert server.data["missing"] == []


def test_every_kind_of_content_arrives_as_it_was(federated: Federate, tmp_path: Path) -> None:
    federation = federated("parcels", ("do1@a.example",))
    result = tmp_path / "result.json"
    federation.complete(*run_config(result))
    told = json.loads(result.read_text())
    assert len(told) == 3 * 14
    assert {name: verdict for name, verdict in told.items() if verdict is not True} == {}
