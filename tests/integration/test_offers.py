"""A project reaches its data owners through the shared folder, and runs with those who approve it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from participants import AGGREGATOR, OWNERS, Federation, Process, federate, until

from syft_flwr_cli.protocol import names

DO1, DO2 = OWNERS

GATED = """
import json, time
from pathlib import Path
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    place, counts = Path(str(context.run_config["save-to"])), []
    for number in range(3):
        nodes = sorted(grid.get_node_ids())
        question = RecordDict({"config": ConfigRecord({"number": number})})
        asked = [Message(question, node, "query", group_id=str(number)) for node in nodes]
        replies = [reply for reply in grid.send_and_receive(asked) if reply.has_content()]
        counts.append([len(nodes), len(replies)])
        place.write_text(json.dumps(counts))
        while not place.with_name(f"go-{number}").exists():
            time.sleep(0.05)
"""


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[Federation]:
    made = federate(tmp_path, "averaging")
    made.root.mkdir(exist_ok=True)
    made.variables["SYFT_FLWR_POLL_INTERVAL"] = "0.3"
    yield made
    made.close()


def gated(federation: Federation) -> Path:
    """Have the ServerApp ask everybody three times, and wait for the file ``go-N`` after time N; where it counts."""
    (federation.project / "averaging" / "server_app.py").write_text(GATED)
    counts, file = federation.place / "counts.json", federation.project / "pyproject.toml"
    file.write_text(file.read_text().replace('save-to = ""', f'save-to = "{counts}"'))
    return counts


def share(federation: Federation, *words: str, code: int = 0) -> Process:
    given = ["share", str(federation.project), "--root", str(federation.root), *words]
    return federation.run(*given, "--json", email=AGGREGATOR, code=code)


def join(federation: Federation, email: str, *words: str) -> Process:
    # Without an aggregator: whoever offers something in the shared folder is found.
    given = ["join", "--email", email, "--root", str(federation.root), "--wait", "80s"]
    return federation.command(*given, *words, email=email)


def approving(federation: Federation, email: str, *words: str) -> Process:
    data = str(federation.data(email))
    return join(federation, email, "--approve", "--data", data, "--run", *words)


def decisions(federation: Federation) -> dict[str, str | None]:
    listed = federation.run("projects", "list", "--json", "--email", AGGREGATOR, email=AGGREGATOR).data
    return {one["email"]: one["decision"] for one in listed["offered"][0]["asked"]}


def test_a_shared_project_runs_without_a_folder_being_copied(federation: Federation) -> None:
    shared = share(federation, "--message", "three rounds").data
    assert shared["waiting"] == list(OWNERS)
    owners = [approving(federation, email) for email in OWNERS]
    server = federation.start_server("--json").wait(0)
    for owner in owners:
        owner.wait(0)
        assert f"{AGGREGATOR} says: three rounds" in owner.out
    assert server.data["missing"] == []
    assert decisions(federation) == {DO1: "approve", DO2: "approve"}
    listed = federation.run("projects", "list", "--json", email=DO1).data["received"]
    assert [one["decision"] for one in listed] == ["approve"]
    assert share(federation).data["new"] is False


def test_a_run_waits_until_all_have_decided_and_goes_on_without_who_rejects(federation: Federation) -> None:
    (federation.project / "averaging" / "server_app.py").write_text(
        (federation.project / "averaging" / "server_app.py")
        .read_text()
        .replace("min_available_nodes=2", "min_available_nodes=1, min_train_nodes=1, min_evaluate_nodes=1")
    )
    share(federation)
    first = approving(federation, DO1)
    server = federation.start_server("--json")
    server.wait_for(f"Pending: {DO2} has not decided")
    join(federation, DO2, "--reject", "--message", "not our data").wait(0)
    server.wait(3)
    first.wait(0)
    assert f"{DO2} has rejected averaging: not our data" in server.err
    assert server.data["missing"] == [DO2]
    assert decisions(federation) == {DO1: "approve", DO2: "reject"}
    logged = federation.run("runs", "logs", str(server.data["run_id"]), email=AGGREGATOR).out
    assert logged.count(f"Pending: {DO2} has not decided") == 1


def test_a_run_that_nobody_approves_ends_in_a_sentence(federation: Federation) -> None:
    share(federation)
    rejecting = [join(federation, email, "--reject") for email in OWNERS]
    server = federation.start_server().wait(3)
    for one in rejecting:
        one.wait(0)
    assert "Nobody has approved averaging" in server.err


def test_who_approves_later_takes_part_from_the_next_round_also_after_a_kill(federation: Federation) -> None:
    counts = gated(federation)
    share(federation)
    owners = [approving(federation, DO1)]
    words = ("--start-with", "1")
    server = federation.start_server("--json", *words)
    until(counts.exists, "the first round")
    owners.append(approving(federation, DO2))
    server.wait_for(f"{DO2} has approved")
    (federation.place / "go-0").touch()
    until(lambda: len(json.loads(counts.read_text() or "[]")) == 2, "the second round")
    server.signal(9).wait(None)
    again = federation.start_server("--json", *words)
    again.wait_for("Taking up run")
    (federation.place / "go-1").touch()
    (federation.place / "go-2").touch()
    again.wait(0)
    for owner in owners:
        owner.wait(0)
    assert json.loads(counts.read_text()) == [[1, 1], [2, 2], [2, 2]]


def test_a_new_version_reaches_an_owner_as_a_difference(federation: Federation) -> None:
    share(federation)
    owner = join(federation, DO1, "--approve")
    federation.start_server("--json")
    owner.wait(0)
    task = federation.project / "averaging" / "task.py"
    task.write_text(task.read_text() + "\n# a remark that came later\n")
    server = federation.start_server().wait(11)
    assert "already works on" in server.err
    paused = federation.processes[-2].signal(15).wait(130)
    assert paused.document["status"] == "interrupted"
    refused = federation.start_server().wait(2)
    assert "changed since they were shared" in refused.err
    shared = share(federation).data
    assert shared["new"] is True and shared["revision"] == 2
    assert decisions(federation) == {DO1: None, DO2: None}
    looked = join(federation, DO1).wait(2)
    assert "--approve or --reject is missing" in looked.err
    assert "+# a remark that came later" in looked.out
    join(federation, DO1, "--approve").wait(0)


def test_review_works_on_an_offer_by_its_name_and_tells_the_aggregator(federation: Federation) -> None:
    share(federation)
    owner = join(federation, DO1, "--approve")
    server = federation.start_server("--json", "--start-with", "2")
    server.wait_for(f"{DO1} has approved")
    owner.wait(0)
    home = federation.home(DO1)  # where no folder is called so
    shown = federation.run("review", "averaging", "--json", email=DO1, folder=home).data
    assert shown["state"] == "approved"
    said = federation.run("review", "averaging", "--reject", email=DO1, folder=home).err
    assert f"A newer version is received with: syft-flwr join {AGGREGATOR}" in said
    server.wait_for(f"{DO1} has rejected")
    federation.run("review", str(federation.project), "--approve", email=DO1)
    server.wait_for(f"{DO1} has approved", times=2)
    unknown = federation.run("review", "nothing", "--email", DO1, email=DO1, code=2)
    assert "No project called 'nothing' is offered" in unknown.err
    lost = federation.run("run-client", email=DO1, folder=home, code=10)
    assert "Name a project that you have received (averaging)" in lost.err
    foreign = federation.run("stop", "averaging", email=DO1, folder=home, code=2)
    assert "its aggregator ends its runs" in foreign.err


def test_a_withdrawn_offer_is_gone(federation: Federation) -> None:
    share(federation)
    owner = join(federation, DO1, "--approve")
    federation.start_server("--json").wait_for(f"{DO1} has approved")
    owner.wait(0)
    federation.processes[-1].signal(2).wait(130)
    federation.run("projects", "withdraw", "averaging", "--root", str(federation.root), email=AGGREGATOR)
    assert federation.run("projects", "list", "--json", email=AGGREGATOR).data["offered"] == []
    given = ["join", AGGREGATOR, "--email", DO1, "--wait", "1s"]
    assert "has not offered a project" in federation.run(*given, email=DO1, code=13).err
    assert federation.run("projects", "list", "--json", email=DO1).data["received"] == []


def test_an_altered_bundle_is_refused_and_nothing_is_unpacked(federation: Federation) -> None:
    share(federation)
    server = federation.start_server()
    waiting = join(federation, DO1)
    waiting.wait_for("asks. Its key")
    waiting.wait(2)
    home = federation.home(DO1) / "participants" / DO1
    for tree in (home / "projects").iterdir():
        for folder in [tree, *tree.rglob("*")]:
            folder.chmod(0o700)
        shutil.rmtree(tree)
    place = federation.root / AGGREGATOR / names.payload_folder(AGGREGATOR, "federation")
    (payload,) = place.iterdir()
    altered = bytearray(payload.read_bytes())
    altered[100] ^= 1
    payload.chmod(0o600)
    payload.write_bytes(altered)
    refused = join(federation, DO1, "--approve").wait(12)
    assert "altered" in refused.err
    assert not list((home / "projects").iterdir())
    server.signal(2)


def test_without_a_terminal_join_names_what_is_missing(federation: Federation) -> None:
    unknown = federation.run("join", "--email", DO1, email=DO1, code=2)
    assert "join ds@lab.example" in unknown.err
    nowhere = federation.run("join", AGGREGATOR, "--email", DO1, email=DO1, code=2)
    assert "--root DIR" in nowhere.err
    mistyped = str(federation.root) + "x"
    absent = federation.run("join", AGGREGATOR, "--email", DO1, "--root", mistyped, email=DO1, code=13)
    assert "There is no folder" in absent.err
    assert not Path(mistyped).exists()


@pytest.mark.full
def test_a_node_announces_an_offer_that_waits_for_a_decision(federation: Federation) -> None:
    share(federation)
    server = federation.start_server("--json")
    home = federation.home(DO1)
    join(federation, DO1, "--approve", "--no-data").wait(0)
    server.wait_for(f"{DO1} has approved")
    server.signal(2).wait(130)
    task = federation.project / "averaging" / "task.py"
    task.write_text(task.read_text() + "\n# later\n")
    share(federation)
    waiting = federation.run("node", "--once", "--email", DO1, email=DO1, code=19, folder=home)
    assert f"{AGGREGATOR} offers averaging, version 2" in waiting.err
    federation.run("review", "averaging", "--approve", "--email", DO1, email=DO1, folder=home)
    federation.run("node", "--once", "--email", DO1, email=DO1, folder=home)


def test_who_leaves_runs_nothing_of_the_aggregator_any_more(federation: Federation) -> None:
    share(federation)
    server = federation.start_server("--json")
    join(federation, DO1, "--approve", "--no-data").wait(0)
    server.wait_for(f"{DO1} has approved")
    home = federation.home(DO1)
    unasked = federation.run("leave", AGGREGATOR, email=DO1, folder=home, code=2)
    assert "--yes" in unasked.err
    left = federation.run("leave", AGGREGATOR, "--yes", "-m", "over", "--json", email=DO1, folder=home)
    assert [one["project"] for one in left.data["projects"]] == ["averaging"]
    server.wait_for(f"{DO1} has rejected averaging: left: over")
    refused = federation.run("run-client", "averaging", "--email", DO1, email=DO1, folder=home, code=14)
    assert "rejected this version" in refused.err


def test_an_approval_ends_by_its_date(federation: Federation) -> None:
    share(federation)
    server = federation.start_server("--json")
    join(federation, DO1, "--approve", "--no-data", "--until", "2s").wait(0)
    server.wait_for(f"{DO1} has approved")
    home, given = federation.home(DO1), ["run-client", "averaging", "--email", DO1]
    over = until(
        lambda: _ended(federation.command(*given, email=DO1, folder=home)), "the end of the approval"
    )
    assert "ended on" in over.err
    past = federation.run(
        "review", "averaging", "--approve", "--until", "2020-01-01", email=DO1, folder=home, code=2
    )
    assert "is over" in past.err


def _ended(process: Process) -> Process | None:
    until(lambda: not process.running or "is ready" in process.err, "run-client to begin or to refuse")
    if process.running:
        process.signal(2)
    process.wait(None)
    return process if process.code == 14 else None
