"""When a run goes wrong: everybody hears of it, exit codes tell what it was, and nobody waits for ever."""

import json
import shutil
from pathlib import Path

import pytest
from doubles.sampling import sample
from participants import Federate, interrupt, run_config, until


def test_a_server_app_that_raises_in_round_2_ends_the_run_for_all(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("failing")
    clients = federation.start_clients("--json")
    words = run_config(tmp_path / "result.json", how="no", server_fails_in=2)
    server = federation.start_server("--json", "--debug", *words).wait(1)
    assert server.document["status"] == "error"
    assert "cannot add up round 2" in server.data["error"]
    assert server.data["exit_code"] == 1
    assert [entry["round"] for entry in server.data["rounds"]] == [1, 2]
    assert "Traceback (most recent call last)" in server.err
    assert "ArithmeticError: cannot add up round 2" in server.err
    for client in clients:
        client.wait(0)
        assert "cannot add up round 2" in client.wait_for("is over")
        assert client.data["runs"][0]["answered"] == 3
    again = federation.start_server("--json", "--debug", *words)
    assert "Starting run" in again.wait_for("run "), "a failed run is over; the next command begins a new one"


def test_without_debug_a_failed_server_app_is_one_sentence_and_a_remedy(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("failing")
    clients = federation.start_clients()
    server = federation.start_server(*run_config(tmp_path / "r", how="no", server_fails_in=1)).wait(1)
    for client in clients:
        client.wait(0)
    assert "error: The ServerApp failed: ArithmeticError: cannot add up round 1" in server.err
    assert "hint: " in server.err.splitlines()[-1]
    assert "Traceback" not in server.err
    assert server.out == ""


def test_a_data_owner_that_is_missing_is_named_and_the_exit_code_is_3(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("memory")
    there, missing = federation.owners
    client = federation.start_client(there)
    client.wait_for("is ready")
    result = tmp_path / "result.json"
    server = federation.start_server("--json", *run_config(result, rounds=1), timeout="8s").wait(3)
    client.wait(0)
    assert server.document["status"] == "incomplete"
    assert server.data["missing"] == [missing]
    assert f"Finished, but without {missing}." in server.err
    train = server.data["rounds"][0]["phases"]["train"]
    assert (train["asked"], train["answered"]) == (2, 1)
    (told,) = json.loads(result.read_text())["told"]
    assert [isinstance(reply, dict) for reply in told] == [True], (
        "the app got the replies that came, as in Flower"
    )


def test_too_few_answers_end_the_run_with_exit_code_15(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    client = federation.start_client(federation.owners[0])
    client.wait_for("is ready")
    server = federation.start_server("--enough", "2", "--json", timeout="3s").wait(15)
    client.wait(0)
    assert server.document["status"] == "error"
    assert federation.owners[1] in server.data["error"]


@pytest.mark.parametrize("app", sample(["averaging", "veteran"], "averaging"))
def test_nobody_there_at_all_is_said_alike_in_both_apis(
    federated: Federate, tmp_path: Path, app: str
) -> None:
    federation = federated(app)
    words = run_config(tmp_path / "result", num_server_rounds=1)
    server = federation.start_server("--json", *words, timeout="2s").wait(3)
    assert server.data["missing"]
    for email in server.data["missing"]:
        assert f"{email} has not answered" in server.err


@pytest.mark.full
def test_the_round_timeout_of_the_legacy_api_ends_the_wait_for_who_is_missing(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("veteran")
    there, missing = federation.owners
    client = federation.start_client(there)
    client.wait_for("is ready")
    words = run_config(tmp_path / "rounds.jsonl", own_start=True, num_server_rounds=1, round_timeout=6.0)
    server = federation.start_server("--json", *words, timeout=None).wait(3)
    client.wait(0)
    assert "received 1 results and 1 failures" in server.err
    assert server.data["missing"] == [missing]
    phases = server.data["rounds"][0]["phases"]
    assert [(phases[one]["asked"], phases[one]["answered"]) for one in ("train", "evaluate")] == [(2, 1)] * 2


def test_a_folder_that_is_gone_for_a_while_is_waited_for(federated: Federate, tmp_path: Path) -> None:
    federation = federated("memory")
    result, gate = tmp_path / "result.json", tmp_path / "gate"
    gate.mkdir()
    clients = federation.start_clients()
    server = federation.start_server("--json", *run_config(result, gate=str(gate)))
    until((gate / "before-2").exists, "the end of round 1")
    # What comes back is another folder with the same content, as after mounting again.
    away = federation.place / "unplugged"
    shutil.copytree(federation.root, away)
    shutil.rmtree(federation.root)
    (gate / "go-2").touch()
    server.wait_for("Trying again")
    away.rename(federation.root)
    (gate / "go-3").touch()
    server.wait(0)
    for client in clients:
        client.wait(0)
    told = json.loads(result.read_text())["told"]
    assert [entry["count"] for entry in told[-1]] == [3, 3]


def test_a_client_app_that_cannot_be_imported_is_told_to_the_aggregator(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("averaging")
    module = federation.project / "averaging" / "client_app.py"
    module.write_text("import a_library_that_nobody_has\n" + module.read_text())
    clients = federation.start_clients()
    server = federation.start_server("--json", "--run-config", "num-server-rounds=1").wait(18)
    assert "a_library_that_nobody_has" in server.data["error"]
    train = server.data["rounds"][0]["phases"]["train"]
    assert train["answered"] == 0
    for email, client in zip(federation.owners, clients, strict=True):
        assert "a_library_that_nobody_has" in train["failed"][email]
        client.wait(0)
        assert "a_library_that_nobody_has" in client.err


def test_a_second_server_of_the_same_run_is_refused(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    first = federation.start_server()
    first.wait_for("Waiting for ")
    second = federation.start_server("--json").wait(11)
    assert second.document["status"] == "error"
    assert federation.aggregator in second.data["error"]
    interrupt(first).wait(130)


def test_code_that_was_not_approved_does_not_run(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    client = federation.start_approved_client(federation.owners[0], "--json").wait(14)
    assert client.document["status"] == "error"
    assert "review" in client.data["hint"]
    federation.approve(federation.owners[0])
    module = federation.project / "averaging" / "task.py"
    module.write_text(module.read_text() + "# changed\n")
    federation.start_approved_client(federation.owners[0]).wait(14)


@pytest.mark.full
def test_an_app_that_waits_for_more_data_owners_than_there_are_is_told_so(
    federated: Federate, tmp_path: Path
) -> None:
    federation = federated("memory")
    server = federation.start_server(*run_config(tmp_path / "r", least=3))
    said = server.wait_for("goes on asking who takes part")
    assert "This run has 2 data owners, and there will not be more" in said
    interrupt(server)
    server.wait(130)
