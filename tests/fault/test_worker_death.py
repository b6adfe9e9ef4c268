"""An app that dies, eats all memory or never stops talking is an error reply; its owner's node serves the next."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fault.ending import assert_no_orphans, assert_nothing_open
from fault.federation import SERVER, Federation
from fault.points import WORKER_POINTS
from fault.projects import make_project, owners
from fault.waiting import until
from syft_flwr_cli.storage.paths import app_dir

Make = Callable[..., Federation]
CRASHED, RAISED = 8, 2
LIMIT = "1500M"
MAX_LOGS = 9 << 20


@pytest.fixture
def one_owner(federation: Make, place: Path) -> Callable[..., Federation]:
    def make(wishes: str, *options: str) -> Federation:
        people = owners(1)
        project = make_project(place, "dying", people, {"wishes": wishes})
        how = ("--isolation", "subprocess", "--memory-limit", LIMIT, *options)
        return federation(project=project, owners=people, client_options=how)

    return make


def heard(run: Federation) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(run.out.read_text())
    return found


def test_each_death_of_the_app_is_told_with_its_cause_and_the_next_message_is_served(
    one_owner: Callable[..., Federation],
) -> None:
    run = one_owner("well abort well kill well exit well memory well")
    run.start_all()
    run.finish()
    answers = heard(run)
    wells = [answer for answer in answers if answer[0] == "well"]
    assert [calls for _, calls, _ in wells] == [1, 2, 3, 4, 5], "the state is that of the last answer"
    assert len({pid for _, _, pid in wells}) == 4, "a new process after each death; an exception is no death"
    told = {wish: (code, reason) for wish, code, reason in answers if wish != "well"}
    assert told["abort"][0] == CRASHED and "SIGABRT" in told["abort"][1]
    assert told["kill"][0] == CRASHED and "SIGKILL" in told["kill"][1]
    assert told["exit"][0] == CRASHED and "exit code 3" in told["exit"][1]
    assert told["memory"][0] == RAISED and "MemoryError" in told["memory"][1]
    assert_nothing_open(run)
    assert_no_orphans(run)


@pytest.mark.full
def test_a_gigabyte_of_output_is_kept_in_bounds_and_hides_no_answer(
    one_owner: Callable[..., Federation],
) -> None:
    run = one_owner("print well")
    run.start_all()
    run.finish()
    assert [answer[:2] for answer in heard(run)] == [["print", 1], ["well", 2]]
    logs = app_dir(run.home(run.owners[0]), run.owners[0], run.app) / "logs"
    assert 0 < sum(path.stat().st_size for path in logs.iterdir()) < MAX_LOGS


def test_what_a_dying_app_said_last_is_in_the_error_reply(one_owner: Callable[..., Federation]) -> None:
    run = one_owner("abort well")
    client = run.project / "variants" / "dying_client.py"
    client.write_text(client.read_text().replace("os.abort()", 'print("my last words"); os.abort()'))
    run.start_all()
    run.finish()
    (_, code, reason), _ = heard(run)
    assert code == CRASHED and reason.endswith("my last words")


def answered_once(one_owner: Callable[..., Federation]) -> tuple[Federation, Path, int]:
    """A run that waits for a gate before the second message, and the worker that answered the first."""
    run = one_owner("well well")
    server = run.project / "variants" / "dying_server.py"
    gate = run.place / "gate"
    text = server.read_text().replace(
        "    for wish in", f'    import pathlib, time\n    gate = pathlib.Path("{gate}")\n    for wish in'
    )
    text = text.replace(
        "        for node in",
        "        while heard and not gate.exists():\n            time.sleep(0.01)\n        for node in",
    )
    server.write_text(text)
    run.start_all()
    until(lambda: "Working on a" in run.lives[run.owners[0]][-1].said(), "the first message")
    journal = app_dir(run.home(SERVER), run.email(SERVER), run.app) / "journal.sqlite3"
    from syft_flwr_cli.storage.journal_reader import look_at_journal

    until(lambda: look_at_journal(journal).runs[0].messages == {"answered": 1}, "the first answer")
    (worker,) = workers_of(run.lives[run.owners[0]][-1].pid)
    return run, gate, worker


def test_a_worker_killed_from_outside_between_two_messages_is_replaced_unseen(
    one_owner: Callable[..., Federation],
) -> None:
    run, gate, worker = answered_once(one_owner)
    os.kill(worker, signal.SIGKILL)
    until(lambda: not workers_of(run.lives[run.owners[0]][-1].pid), "its death")
    gate.touch()
    run.finish()
    assert [answer[1] for answer in heard(run)] == [1, 2]


def test_a_worker_that_dies_before_it_takes_a_request_is_replaced_unseen(
    one_owner: Callable[..., Federation],
) -> None:
    run, gate, worker = answered_once(one_owner)
    os.kill(worker, signal.SIGSTOP)
    gate.touch()
    until(lambda: run.lives[run.owners[0]][-1].said().count("Working on a") == 2, "the second message")
    os.kill(worker, signal.SIGKILL)
    run.finish()
    assert [answer[1] for answer in heard(run)] == [1, 2]


def workers_of(node: int) -> list[int]:
    """The living children of a process."""
    children = Path(f"/proc/{node}/task/{node}/children")
    if not children.exists():
        pytest.skip("this system does not tell who a process's children are")
    return [
        int(pid)
        for pid in children.read_text().split()
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    ]


def test_the_worker_dies_with_its_node(one_owner: Callable[..., Federation]) -> None:
    run = one_owner("well")
    (owner,) = run.owners
    node = run.start(owner)
    until(lambda: bool(workers_of(node.pid)), "the worker")
    (worker,) = workers_of(node.pid)
    until(lambda: "ready" in node.said(), "the node")
    node.kill()
    node.wait()
    until(lambda: not Path(f"/proc/{worker}").exists() or zombie(worker), "the end of the worker", 10)
    run.start_all()
    run.finish()
    assert [answer[:2] for answer in heard(run)] == [["well", 1]]


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("point", [point for point in WORKER_POINTS if point != "worker.sent"])
def test_a_worker_killed_at_its_work_is_an_error_reply_and_no_state_is_lost(
    one_owner: Callable[..., Federation], point: str
) -> None:
    run = one_owner("well well well")
    (owner,) = run.owners
    # Each process counts for itself: every second message of every worker is its last.
    run.start(owner, fault=f"{point}:2")
    run.start_all()
    run.finish()
    first, second, third = heard(run)
    assert first[:2] == ["well", 1]
    assert second[1] == CRASHED and "SIGKILL" in second[2]
    assert third[:2] == ["well", 2]
