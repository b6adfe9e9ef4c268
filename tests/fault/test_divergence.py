"""A ServerApp that does not repeat itself after a kill is stopped, and told apart from one that does."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fault.federation import SERVER, Federation
from fault.projects import make_project, owners
from fault.waiting import until
from syft_flwr_cli.errors import EXIT_DIVERGED

Make = Callable[..., Federation]
PEOPLE = owners(3)


@pytest.fixture
def diverge(federation: Make, place: Path) -> Callable[[str], Federation]:
    """A federation whose server was killed with answers in its journal, and started again to the end."""

    def make(kind: str) -> Federation:
        project = make_project(place, "dice", PEOPLE, {"dice": kind, "pause": 0.0}, client="steady")
        run = federation(project=project, owners=PEOPLE, environment={"STEADY_OWNER": "0"})
        run.start_all({SERVER: "journal.push.after-commit:2"})
        run.lives[SERVER][-1].wait()
        run.environment = {"STEADY_OWNER": "1", "STEADY_ENDS": "yes"}
        return run

    return make


def stopped(run: Federation) -> str:
    process = run.start(SERVER)
    assert process.wait() == EXIT_DIVERGED
    assert process.document()["status"] == "error"
    assert "--accept-divergence" in process.said() and "--fresh" in process.said()
    return str(process.document()["data"]["error"])


def test_a_model_from_nowhere_is_named_with_the_call_and_what_differs(
    diverge: Callable[[str], Federation],
) -> None:
    run = diverge("model")
    sentence = stopped(run)
    assert "Request 1 to do" in sentence and "(train, round 1)" in sentence
    assert "arrays/w was 'float64[50] " in sentence and "and is 'float64[50] " in sentence
    # Nothing was sent: the same command says the same again.
    assert stopped(run) != ""
    process = run.start(SERVER, options=["--accept-divergence"])
    assert process.wait() == 0, process.said()
    assert "is not the one that was sent" in process.said()
    assert run.out.exists()
    run.finish()


def test_other_owners_than_before_are_noticed_before_anything_is_sent(
    diverge: Callable[[str], Federation],
) -> None:
    run = diverge("owners")
    sentence = stopped(run)
    assert " is new, but request 1 to do" in sentence and "is not sent again" in sentence
    process = run.start(SERVER, options=["--accept-divergence"])
    assert process.wait() == 0, process.said()
    run.finish()


def test_an_end_before_all_is_repeated_is_noticed(diverge: Callable[[str], Federation]) -> None:
    run = diverge("ends")
    assert "ended without sending request 2 to do" in stopped(run)
    run.environment = {}
    process = run.start(SERVER)
    assert process.wait() == 0, "once it repeats itself, the run goes on"
    run.finish()


def test_fresh_withdraws_the_run_and_begins_another(diverge: Callable[[str], Federation]) -> None:
    run = diverge("model")
    stopped(run)
    process = run.start(SERVER, options=["--fresh"])
    for owner in PEOPLE:
        assert run.lives[owner][-1].wait() == 0, "the owners were told that the first run is over"
        run.start(owner)
    assert process.wait() == 0, process.said()
    run.finish()
    journal = run.journal(SERVER)
    try:
        second, first = journal.runs()
        assert (first.state, second.state) == ("stopped", "finished")
        assert journal.open_sent(first.run) == []
    finally:
        journal.close()


def test_other_options_than_before_are_named(diverge: Callable[[str], Federation]) -> None:
    run = diverge("none")
    process = run.start(SERVER, options=["--run-config", "pause=1.0"])
    assert process.wait() == EXIT_DIVERGED
    assert "begun with the run config {}" in process.said() and "{'pause': 1.0}" in process.said()


def test_a_run_that_repeats_itself_goes_on(diverge: Callable[[str], Federation]) -> None:
    run = diverge("none")
    run.environment = {}
    process = run.start(SERVER)
    assert process.wait() == 0, process.said()
    run.finish()
    for owner in PEOPLE:
        calls = run.calls(owner)
        assert len(calls) == len(set(calls)) == 3


def test_a_run_withdrawn_halfway_is_not_gone_on_with(diverge: Callable[[str], Federation]) -> None:
    run = diverge("model")
    process = run.start(SERVER, fault="outbox.before-stop:2", options=["--fresh"])
    assert process.wait() == -9
    told = run.lives[PEOPLE[0]][-1]
    assert told.wait() == 0
    until(lambda: all(not run.lives[owner][-1].ended.is_set() for owner in PEOPLE[1:]), "the others", 1.0)
    process = run.start(SERVER)
    for owner in PEOPLE:
        assert run.lives[owner][-1].wait() == 0, "all are told in the end"
        run.start(owner)
    assert process.wait() == 0, process.said()
    run.finish()
