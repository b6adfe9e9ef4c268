"""Ctrl-C pauses a run and the data owners stay; the same command goes on; ``stop`` ends it for everybody."""

import json
import shlex
import signal
from pathlib import Path

import pytest
from doubles.sampling import sample
from participants import Federate, bits, interrupt, reference, run_config, until


def test_a_paused_run_goes_on_with_the_same_command(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    first, late = federation.owners
    clients = [federation.start_client(first)]
    result = tmp_path / "result.npz"
    words = run_config(result)
    server = federation.start_server("--json", *words)
    until(lambda: federation.messages(first, "response"), "the answer of the one that is there")
    interrupt(server).wait(130)
    lines = server.err.splitlines()
    assert lines[-2] == "Paused; the data owners stay."
    project = federation.project
    going_on, ending = lines[-1].removeprefix("Go on: ").split(" · End it: ")
    assert going_on == shlex.join(["syft-flwr", *server.words[3:]]), "the command as it was typed"
    assert ending == f"syft-flwr stop {project} --email {federation.aggregator}"
    assert server.document["status"] == "interrupted" and server.data["next"] == going_on
    assert "Traceback" not in server.err
    assert clients[0].running
    clients.append(federation.start_client(late))
    again = federation.start_server("--json", *words)
    assert "Taking up run" in again.wait_for("run ")
    again.wait(0)
    for client in clients:
        client.wait(0)
    assert again.data["resumed"] is True
    assert bits(result) == bits(reference(federation, result))
    executed = [client.wait_for("is over") for client in clients]
    assert all("Answered 7 requests" in line for line in executed), "what was answered is not asked again"


@pytest.mark.parametrize("app", sample(["averaging", "veteran"], "averaging"))
def test_a_paused_run_is_ended_by_stop(federated: Federate, app: str) -> None:
    federation = federated(app)
    clients = federation.start_clients()
    clients[1].signal(9).wait(-9)
    words = "num-server-rounds=1" + (" own-start=true" if app == "veteran" else "")
    server = federation.start_server("--run-config", words, timeout="300s")
    there = federation.owners[0]
    until(lambda: federation.messages(there, "response"), "an answer of the one that is there")
    interrupt(server).wait(130)
    assert "End it: syft-flwr stop" in server.err.splitlines()[-1]
    assert "Traceback" not in server.err
    assert clients[0].running
    place = ["--email", federation.aggregator, "--root", str(federation.root)]
    stop = federation.run(
        "stop",
        str(federation.project),
        *place,
        "--reason",
        "enough for today",
        "--json",
        email=federation.aggregator,
    )
    assert stop.data["told"] == list(federation.owners)
    assert "enough for today" in clients[0].wait(0).wait_for("is over")
    gone = federation.start_approved_client(federation.owners[1])
    said = gone.wait_for("ended before this node joined")
    assert "enough for today" in said and "waits for the next one" in said, (
        "who comes back later hears of it, too"
    )
    interrupt(gone).wait(130)
    again = federation.run(
        "stop", str(federation.project), *place, "--json", email=federation.aggregator, code=2
    )
    assert "no run to stop" in again.data["error"]


def test_a_run_is_stopped_by_its_number_from_anywhere(federated: Federate) -> None:
    federation = federated("averaging")
    server = federation.start_server()
    number = server.wait_for("Starting run").split()[2]
    server.wait_for("Waiting for ", times=2)
    interrupt(server).wait(130)
    words = ["--email", federation.aggregator, "--root", str(federation.root), "--json"]
    other = federation.run("stop", "x123", *words, email=federation.aggregator, code=10)
    assert "x123" in other.data["error"]
    stop = federation.run("stop", number, *words, email=federation.aggregator)
    assert stop.data["run_id"] == number
    again = federation.run("runs", "stop", number, *words, email=federation.aggregator, code=2)
    assert f"{number} is not open" in again.data["error"]


def test_a_server_that_runs_is_stopped_by_a_command(federated: Federate) -> None:
    federation = federated("averaging")
    first, _ = federation.owners
    client = federation.start_client(first)
    server = federation.start_server("--json")
    number = server.wait_for("Starting run").split()[2]
    until(lambda: federation.messages(first, "response"), "the answer of the one that is there")
    (listed,) = federation.run("runs", "list", "--json", email=federation.aggregator).data["runs"]
    assert (listed["run"], listed["process"]["pid"]) == (number, server.pid)
    words = ["--email", federation.aggregator, "--root", str(federation.root), "--json"]
    stop = federation.run(
        "runs", "stop", number[:9], *words, "--reason", "no more", email=federation.aggregator
    )
    assert stop.data["run_id"] == number and first in stop.data["told"]
    server.wait(21)
    assert server.data["error"] == "The run was stopped: no more"
    client.wait_for("is over: no more")
    client.wait(0)
    (over,) = federation.run("runs", "list", "--json", email=federation.aggregator).data["runs"]
    assert (over["state"], over["reason"]) == ("stopped", "no more")
    said = federation.run("runs", "logs", number, email=first).out
    assert f"Run {number} has begun." in said and "is over: no more" in said


def test_another_run_goes_on_beside_one_that_waits(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    result = tmp_path / "result.npz"
    waiting = federation.start_server()
    first = waiting.wait_for("Starting run").split()[2]
    waiting.wait_for("Waiting for ", times=2)
    busy = federation.start_server("--json").wait(11)
    assert str(waiting.pid) in busy.data["error"]
    clients = federation.start_clients("--keep-alive")
    until(lambda: federation.messages(federation.owners[0], "response"), "an answer to the first run")
    other = federation.start_server("--another", "--json", *run_config(result, num_server_rounds=2))
    assert other.wait(0).data["run_id"] != first
    waiting.wait(0)
    assert bits(result) == bits(reference(federation, result, **{"num-server-rounds": 2}))
    for client in clients:
        client.wait_for("is over", times=2)
        interrupt(client).wait(130)


@pytest.mark.full
def test_fresh_withdraws_the_unfinished_run(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    first, late = federation.owners
    clients = [federation.start_client(first, "--keep-alive", "--json")]
    words = run_config(tmp_path / "result.npz", num_server_rounds=1)
    server = federation.start_server(*words)
    until(lambda: federation.messages(first, "response"), "the answer of the one that is there")
    old = server.wait_for("Starting run").split()[2]
    interrupt(server).wait(130)
    clients.append(federation.start_client(late, "--keep-alive", "--json"))
    again = federation.start_server("--fresh", "--json", *words).wait(0)
    assert again.data["run_id"] != old
    assert again.data["resumed"] is False
    for client in clients:
        client.wait_for(f"Run {again.data['run_id']} is over")
        interrupt(client).wait(130)
    assert [run["run_id"] for run in clients[0].data["runs"]] == [old, again.data["run_id"]]


def test_another_run_config_is_not_mixed_into_an_unfinished_run(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    server = federation.start_server("--run-config", "num-server-rounds=1")
    server.wait_for("Waiting for ", times=2)
    interrupt(server).wait(130)
    other = federation.start_server("--run-config", "num-server-rounds=2", "--json").wait(17)
    assert "not finished" in other.data["error"]
    assert "--fresh" in other.data["hint"]


@pytest.mark.full
def test_the_aggregators_last_words_reach_a_data_owner_that_sleeps(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("memory")
    result, gate = tmp_path / "result.json", tmp_path / "gate"
    gate.mkdir()
    clients = federation.start_clients()
    server = federation.start_server("--json", *run_config(result, gate=str(gate), rounds=2))
    until((gate / "before-2").exists, "the end of round 1")
    interrupt(clients[0]).wait(130)
    interrupt(server).wait(130)
    words = ["--email", federation.aggregator, "--root", str(federation.root)]
    federation.run("stop", str(federation.project), *words, email=federation.aggregator)
    clients[1].wait(0)
    client = federation.start_approved_client(federation.owners[0], "--json").wait(0)
    assert client.data["runs"][0]["reason"] == "stopped by the aggregator"
    assert json.loads(json.dumps(client.data))["email"] == federation.owners[0]


@pytest.mark.parametrize("how", sample([signal.SIGINT, signal.SIGTERM], signal.SIGINT))
def test_a_simulation_that_is_ended_takes_everybody_with_it(federated: Federate, how: signal.Signals) -> None:
    federation = federated("averaging")
    # The strategy waits for a second data owner, for ever.
    words = ["simulate", str(federation.project), "--datasites", "1", "--verbose"]
    simulation = federation.command(*words, TMPDIR=str(federation.place))
    simulation.wait_for("Waiting for nodes to connect")
    simulation.wait_for("is ready")
    simulation.signal(how).wait(130)
    assert "Paused" in simulation.err, "the server has ended"
    assert "nothing is lost" in simulation.err, "and the data owner"
    assert "Traceback" not in simulation.err
    assert not list(federation.place.glob("syft-flwr-*")), "and their folder is gone"
