"""The life of a submitted run: the table in the module's docstring is the table that is used."""

import re
from pathlib import Path

import pytest

from syft_flwr_cli.aggregator.service import states
from syft_flwr_cli.aggregator.service.states import Action, Event, NoSuchStepError, State, decide
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore
from syft_flwr_cli.errors import UsageError


def documented() -> dict[tuple[str, str], tuple[str, str]]:
    rows = re.findall(r"^([a-z]+) +([a-z]+) +([a-z]+) +([a-z]+|\\-)$", states.__doc__ or "", re.MULTILINE)
    return {(before, event): (after, action) for before, event, after, action in rows if before != "state"}


def test_the_documented_table_is_the_one_that_is_used() -> None:
    used = {}
    for state in State:
        for event in Event:
            try:
                after, actions = decide(state, event)
            except NoSuchStepError:
                continue
            used[str(state), str(event)] = (str(after), " ".join(actions) or r"\-")
    assert used == documented()


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.STOPPED])
@pytest.mark.parametrize("event", list(Event))
def test_nothing_follows_an_end(state: State, event: Event) -> None:
    assert state.is_final
    with pytest.raises(NoSuchStepError):
        decide(state, event)


def test_a_run_that_is_stopped_before_it_began_never_starts() -> None:
    assert decide(State.QUEUED, Event.STOP) == (State.STOPPED, (Action.END,))


def record(number: int, app: str = "app", priority: int = 0) -> RunRecord:
    return RunRecord(
        *(number, 0, Path("/p"), app, "lab/app", "1", "ab", "cd", "@ds/files", "ada"),
        run_config={"rounds": 3, "name": "x"},
        priority=priority,
        state=State.QUEUED,
        detail="",
        submitted=1.0,
    )


@pytest.fixture
def store(tmp_path: Path) -> ServiceStore:
    return ServiceStore(tmp_path)


def test_runs_are_served_by_priority_and_then_in_order(store: ServiceStore) -> None:
    for number, priority in ((11, 0), (12, 5), (13, 0)):
        store.add(record(number, priority=priority))
    assert [run.run_id for run in store.open_runs()] == [12, 11, 13]
    assert [run.run_id for run in store.runs(limit=2)] == [13, 12]
    assert [run.run_id for run in store.runs(limit=2, skip=2)] == [11]
    assert store.runs(user="bob") == []


def test_a_state_that_cannot_follow_is_not_written(store: ServiceStore) -> None:
    store.add(record(11))
    with pytest.raises(NoSuchStepError):
        store.apply(11, Event.COMPLETED, 2.0)
    found = store.run(11)
    assert found is not None
    assert (found.state, found.ended) == (State.QUEUED, None)
    assert store.apply(12, Event.SLOT, 2.0) is None


def test_a_record_comes_back_as_it_was_written(store: ServiceStore) -> None:
    added = store.add(record(11))
    assert added.run_config == {"rounds": 3, "name": "x"}
    store.set_started(11, 3.0)
    store.set_started(11, 9.0)
    store.apply(11, Event.SLOT, 4.0, "starting")
    store.set_detail(11, "later")
    ended = store.apply(11, Event.FAILED, 8.0, "why")
    assert ended is not None
    assert (ended.started, ended.began, ended.ended, ended.messages_run) == (3.0, 3.0, 8.0, "11")
    assert (ended.state, ended.detail) == (State.FAILED, "why")


def test_a_token_is_its_users_until_it_is_replaced_or_withdrawn(store: ServiceStore, tmp_path: Path) -> None:
    first = store.add_token("ada", False, 1.0)
    second = store.add_token("ada", True, 2.0)
    assert store.user_of(first) is None
    found = store.user_of(second)
    assert found is not None
    assert (found.user, found.is_admin) == ("ada", True)
    store.withdraw_token("ada", 3.0)
    assert store.user_of(second) is None
    assert [one.withdrawn for one in store.tokens()] == [3.0]
    with pytest.raises(UsageError):
        store.withdraw_token("ada", 4.0)
    assert second.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\x1b[31m"])
def test_a_users_name_is_short_and_printable(store: ServiceStore, name: str) -> None:
    with pytest.raises(UsageError):
        store.add_token(name, False, 1.0)
