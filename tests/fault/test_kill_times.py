"""A participant is killed whenever it happens to be, started again, and nothing shows at the end."""

import random
import time
from collections.abc import Callable

import pytest

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation

Make = Callable[..., Federation]


def kill_sometime(run: Federation, who: str, seed: int, within: float) -> None:
    """One kill, after a time that is drawn; at which write that is, the machine decides."""
    run.start_all()
    time.sleep(random.Random(f"{who} {seed}").uniform(0.05, within))
    run.lives[who][-1].kill()
    run.finish()
    assert_perfect(run)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_a_kill_at_a_random_time(federation: Make, who: str, seed: int) -> None:
    kill_sometime(federation(config={"pause": 0.02}), who, seed, 1.5)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3, 33))
@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_many_kills_at_random_times(federation: Make, who: str, seed: int) -> None:
    kill_sometime(federation(config={"pause": 0.02}), who, seed, 2.0)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(10))
def test_a_kill_at_a_random_time_while_apps_run_in_processes_of_their_own(
    federation: Make, seed: int
) -> None:
    run = federation(config={"pause": 0.05}, client_options=("--isolation", "subprocess"))
    kill_sometime(run, OWNERS[seed % 2], seed, 4.0)
