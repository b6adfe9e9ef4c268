"""A participant is killed at a write, started again by the same command, and nothing shows at the end."""

from collections.abc import Callable

import pytest

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation
from fault.points import CLIENT_POINTS, SERVER_POINTS, kills

Make = Callable[..., Federation]


def kill_and_go_on(federation: Make, who: str, point: str) -> None:
    run = federation()
    run.start_all({who: point})
    run.finish()
    assert run.killed(who) == 1, f"{who} did not pass {point}"
    assert_perfect(run)


@pytest.mark.full
@pytest.mark.parametrize("point", kills(SERVER_POINTS))
def test_the_server_killed_at_any_write_comes_to_the_same_end(federation: Make, point: str) -> None:
    kill_and_go_on(federation, SERVER, point)


@pytest.mark.full
@pytest.mark.parametrize("point", kills(CLIENT_POINTS))
def test_an_owner_killed_at_any_write_comes_to_the_same_end(federation: Make, point: str) -> None:
    kill_and_go_on(federation, OWNERS[0], point)
