"""Ten rounds, five kills, the same commands again: the result of an undisturbed run, and no work done twice."""

import time
from collections.abc import Callable

import pytest

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation, Shell
from fault.waiting import until

SERVER_DIES_IN, OWNERS_DIE_IN = (2, 5, 9), (3, 7)
PATIENCE = 120.0


def in_round(run: Federation, number: int) -> None:
    """Wait until the ServerApp is in this round."""
    until(lambda: f"[ROUND {number}/10]" in run.lives[SERVER][-1].said(), f"round {number}", PATIENCE)


@pytest.mark.full
def test_ten_rounds_with_the_server_and_the_owners_killed(
    federation: Callable[..., Federation], record_property: Callable[[str, object], None]
) -> None:
    run = federation(
        config={"num-server-rounds": 10, "pause": 0.2}, client_options=("--isolation", "subprocess")
    )
    run.zygote = Shell()
    run.start_all()
    replays = []
    for number in range(1, 11):
        in_round(run, number)
        if number in SERVER_DIES_IN:
            run.lives[SERVER][-1].kill()
            run.lives[SERVER][-1].wait()
            run.start(SERVER)
            until(lambda: "Taking up run" in run.lives[SERVER][-1].said(), "the server", PATIENCE, 0.001)
            begun = time.monotonic()
            until(
                lambda n=number: f"[ROUND {n}/10]" in run.lives[SERVER][-1].said(), "replay", PATIENCE, 0.001
            )
            replays.append(time.monotonic() - begun)
        if number in OWNERS_DIE_IN:
            for owner in OWNERS:
                run.lives[owner][-1].kill()
                run.lives[owner][-1].wait()
                run.start(owner)
    run.finish(PATIENCE)
    assert (run.killed(SERVER), run.killed(OWNERS[0]), run.killed(OWNERS[1])) == (3, 2, 2)
    assert_perfect(run)
    record_property("replay_seconds", [round(seconds, 3) for seconds in replays])
    print(f"Replay up to rounds {SERVER_DIES_IN}: {[f'{seconds:.2f} s' for seconds in replays]}")
    for owner in OWNERS:
        calls = [line.split()[1] for line in run.calls(owner)]
        twice = len(calls) - len(set(calls))
        assert len(set(calls)) == 20
        assert twice <= len(OWNERS_DIE_IN), (
            "only what the owner itself was at when it was killed is done again"
        )


def test_the_death_of_the_server_costs_the_owners_no_work_at_all(
    federation: Callable[..., Federation],
) -> None:
    run = federation(config={"num-server-rounds": 4})
    run.start_all({SERVER: "journal.push.after-commit:2"})
    run.finish(again={SERVER: "journal.push.after-commit:3"})
    assert run.killed(SERVER) >= 2
    for owner in OWNERS:
        calls = [line.split()[1] for line in run.calls(owner)]
        assert len(calls) == len(set(calls)) == 8
    assert_perfect(run)


pytestmark = pytest.mark.slow
