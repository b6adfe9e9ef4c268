"""A data owner that is not there yet, or goes away in the middle of its work, is waited for."""

import time
from collections.abc import Callable

import pytest

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation
from fault.waiting import until
from syft_flwr_cli.storage.journal_reader import Awaited, look_at_journal
from syft_flwr_cli.storage.paths import app_dir

Make = Callable[..., Federation]
SHORT, REAL = 1.5, 90.0
PATIENT = {"SYFT_FLWR_MSG_TIMEOUT": "600"}


def awaited(run: Federation) -> tuple[Awaited, ...]:
    """Whom the server says that it waits for."""
    view = look_at_journal(app_dir(run.home(SERVER), run.email(SERVER), run.app) / "journal.sqlite3")
    return view.runs[0].awaited if view.runs else ()


def absent_at_first(run: Federation, seconds: float) -> None:
    first, second = OWNERS
    run.start(SERVER)
    run.start(first)
    until(lambda: bool(run.calls(first)), "the work of the one who is there")
    until(lambda: [who.email for who in awaited(run)] == [second], "only the other to be waited for")
    (absent,) = awaited(run)
    assert absent.no_key and absent.since <= time.time()
    time.sleep(seconds)
    run.start(second)
    run.finish()
    assert_perfect(run)


def gone_in_the_middle(run: Federation, seconds: float) -> None:
    second = OWNERS[1]
    run.start_all()
    until(lambda: len(run.calls(second)) == 3, "the second round's training")
    run.lives[second][-1].kill()
    run.lives[second][-1].wait()
    time.sleep(seconds)
    assert not run.lives[SERVER][-1].ended.is_set(), "the server waits"
    assert [who.email for who in awaited(run)] == [second]
    run.finish()
    calls = run.calls(second)
    assert calls[2] == calls[3], "what was begun is done again, from the same state"
    assert_perfect(run)


def test_an_owner_that_comes_later_takes_part_from_the_first_round(federation: Make) -> None:
    absent_at_first(federation(environment=PATIENT), SHORT)


@pytest.mark.full
def test_an_owner_that_goes_away_while_training_comes_back_to_it(federation: Make) -> None:
    gone_in_the_middle(federation(config={"pause": 0.3}, environment=PATIENT), SHORT)


@pytest.mark.full
@pytest.mark.timeout(400)
def test_an_owner_that_comes_after_ninety_seconds_takes_part_from_the_first_round(federation: Make) -> None:
    absent_at_first(federation(environment=PATIENT), REAL)


@pytest.mark.full
@pytest.mark.timeout(400)
def test_an_owner_that_is_away_for_ninety_seconds_in_the_middle_of_training_comes_back(
    federation: Make,
) -> None:
    gone_in_the_middle(federation(config={"pause": 2.0}, environment=PATIENT), REAL)
