"""A participant is killed at a write, started again by the same command, and nothing shows at the end."""

from collections.abc import Callable

import pytest

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation
from fault.points import CLIENT_POINTS, RUNNER_POINTS, SAMPLE, SERVER_POINTS, WORKER_POINTS, kills

Make = Callable[..., Federation]
SUBPROCESS = ("--isolation", "subprocess")


def kill_and_go_on(run: Federation, who: str, point: str) -> None:
    run.start_all({who: point})
    run.finish()
    assert run.killed(who) == 1, f"{who} did not pass {point}"
    assert_perfect(run)


def test_an_undisturbed_run_is_perfect_and_passes_no_point_that_is_not_in_the_table(federation: Make) -> None:
    run = federation(client_options=SUBPROCESS)
    for who in (*OWNERS, SERVER):
        run.start(who, log=run.place / f"{who}.points")
    run.finish()
    assert_perfect(run)
    passed = {who: set((run.place / f"{who}.points").read_text().split()) for who in (*OWNERS, SERVER)}
    # Passed only where a request was pushed before its recipient had published a key.
    late_key = {"journal.seal.before-commit", "journal.seal.after-commit"}
    assert passed[SERVER] - late_key == set(SERVER_POINTS)
    assert passed[OWNERS[0]] == set(CLIENT_POINTS) | set(RUNNER_POINTS) | set(WORKER_POINTS)


@pytest.mark.parametrize("point", SAMPLE["server"])
def test_the_server_is_killed_and_goes_on(federation: Make, point: str) -> None:
    kill_and_go_on(federation(), SERVER, point)


@pytest.mark.parametrize("point", SAMPLE["owner"])
def test_an_owner_is_killed_and_goes_on(federation: Make, point: str) -> None:
    kill_and_go_on(federation(), OWNERS[0], point)


def test_a_server_killed_after_the_end_tells_the_result_once_and_then_begins_anew(federation: Make) -> None:
    run = federation()
    run.start_all({SERVER: "journal.end.after-commit:1"})
    run.finish()
    told = run.lives[SERVER][-1].document()["data"]
    assert told["earlier"] and len(told["rounds"]) == 3
    for owner in OWNERS:
        run.start(owner)
    process = run.start(SERVER)
    assert process.wait() == 0
    assert process.document()["data"]["run_id"] != told["run_id"]
    assert not process.document()["data"]["earlier"]
    run.finish()


@pytest.mark.full
@pytest.mark.parametrize("point", kills(SERVER_POINTS))
def test_the_server_killed_at_any_write_comes_to_the_same_end(federation: Make, point: str) -> None:
    kill_and_go_on(federation(), SERVER, point)


@pytest.mark.full
@pytest.mark.parametrize("point", kills(CLIENT_POINTS))
def test_an_owner_killed_at_any_write_comes_to_the_same_end(federation: Make, point: str) -> None:
    kill_and_go_on(federation(), OWNERS[0], point)


@pytest.mark.full
@pytest.mark.parametrize("point", kills(RUNNER_POINTS))
def test_an_owner_killed_while_its_app_is_at_work_comes_to_the_same_end(federation: Make, point: str) -> None:
    kill_and_go_on(federation(client_options=SUBPROCESS), OWNERS[0], point)


@pytest.mark.parametrize(
    "server, owner",
    [
        ("*:70", "*:45"),
        pytest.param("*:50", "*:40", marks=pytest.mark.full),
        pytest.param("*:55", "", marks=pytest.mark.full),
        pytest.param("", "*:42", marks=pytest.mark.full),
    ],
)
def test_everybody_is_killed_again_and_again_in_every_life(federation: Make, server: str, owner: str) -> None:
    run = federation()
    again = {SERVER: server, **dict.fromkeys(OWNERS, owner)}
    run.start_all(again)
    run.finish(again=again)
    assert run.killed(SERVER) + run.killed(OWNERS[0]) + run.killed(OWNERS[1]) >= 4
    assert_perfect(run)
