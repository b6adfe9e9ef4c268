"""One run, one process on a machine; the dead hold nothing."""

import time
from collections.abc import Callable

import pytest

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation
from fault.waiting import until
from syft_flwr_cli.errors import EXIT_BUSY

Make = Callable[..., Federation]


@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_a_second_process_is_told_who_holds_the_run_and_disturbs_nothing(federation: Make, who: str) -> None:
    run = federation(config={"pause": 0.1})
    begun = time.time()
    run.start_all()
    first = run.lives[who][-1]
    until(lambda: "Starting run" in first.said() or "is ready" in first.said(), "the first")
    second = run.start(who)
    assert second.wait() == EXIT_BUSY
    sentence = second.document()["data"]["error"]
    assert f"process {first.pid} on " in sentence and run.email(who) in sentence
    assert f"since {time.strftime('%Y-%m-%d', time.gmtime(begun))}" in sentence
    assert second.document()["data"]["hint"]
    run.lives[who].pop()
    run.finish()
    assert_perfect(run)


@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_a_lock_of_the_dead_is_taken_over_without_a_word(federation: Make, who: str) -> None:
    run = federation(config={"pause": 0.05})
    run.start_all()
    first = run.lives[who][-1]
    until(lambda: "Starting run" in first.said() or "is ready" in first.said(), "the first")
    first.kill()
    first.wait()
    second = run.start(who)
    until(lambda: "Taking up run" in second.said() or "is ready" in second.said(), "the second")
    assert "already works" not in second.said()
    run.finish()
    assert_perfect(run)
