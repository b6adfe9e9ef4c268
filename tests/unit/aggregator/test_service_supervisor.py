"""The service's loop: who is started when, and when a run has come to its end."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syft_flwr_cli.aggregator.service.states import State
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore
from syft_flwr_cli.aggregator.service.supervisor import RunActions, Supervisor

ENDS_WELL, FAILS = ["version", "--json"], ["no-such-command", "--json"]


class World:
    """Runs that wait, are open, and are ended as a test says; the clock is the test's."""

    def __init__(self, place: Path, at_once: int = 2) -> None:
        self.store = ServiceStore(place)
        self.now = 1000.0
        self.waiting: dict[int, str] = {}
        self.open: set[int] = set()
        self.asked: list[int] = []
        self.start, self.end = ENDS_WELL, FAILS
        self.started: list[int] = []
        actions = RunActions(
            waits=lambda run: self.waiting.get(run.run_id, ""),
            start=self._start,
            end=lambda run, reason: self.end,
            is_open=lambda run: run.run_id in self.open,
            ask=lambda run, reason: self.asked.append(run.run_id),
            ask_no_more=lambda run: None,
        )
        environment = {**os.environ, "SYFT_FLWR_HOME": str(place / "home")}
        self.supervisor = Supervisor(self.store, place, actions, at_once, environment, lambda: self.now)

    def _start(self, run: RunRecord) -> list[str]:
        self.started.append(run.run_id)
        return self.start

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.store.add(
                RunRecord(
                    *(number, 0, Path("/p"), "app", "lab/app", "1", "ab", "cd", "@ds/files", "ada"),
                    run_config={},
                    priority=0,
                    state=State.QUEUED,
                    detail="",
                    submitted=1.0,
                )
            )

    def state(self, number: int) -> State:
        found = self.store.run(number)
        assert found is not None
        return found.state

    def detail(self, number: int) -> str:
        found = self.store.run(number)
        assert found is not None
        return found.detail

    def until(self, look: Callable[[], bool], tick: float = 0.0) -> None:
        deadline = time.monotonic() + 60
        while not look():
            assert time.monotonic() < deadline, self.store.runs()
            self.now += tick
            self.supervisor.step()
            time.sleep(0.02)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_run_that_waits_keeps_nobody_from_running_and_runs_of_a_project_go_on_at_once(world: World) -> None:
    world.add(11, 12, 13, 14)
    world.waiting[11] = "waiting for the decision of do1@a.example"
    world.supervisor.step()
    assert world.started == [12, 13]
    assert world.state(11) is State.QUEUED
    assert "do1@a.example" in world.detail(11)
    world.until(lambda: world.started == [12, 13, 14])
    world.waiting.clear()
    world.until(lambda: world.state(11) is State.COMPLETED)
    log = world.supervisor.folder(11).log.read_text()
    assert log.startswith("[service] waiting for the decision of do1@a.example\n")
    assert log.endswith("[service] completed\n")


def test_a_run_is_stopped_only_once_its_data_owners_were_told(world: World) -> None:
    world.add(11)
    world.start = ["serve", "--email", "a@b.example"]  # ends with an error that is no result
    world.open.add(11)
    world.supervisor.step()
    world.supervisor.stop(11)
    world.until(lambda: "could not be told" in world.detail(11), tick=0.1)
    assert world.state(11) is State.STOPPING
    world.open.clear()
    world.until(lambda: world.state(11) is State.STOPPED, tick=0.1)


def test_a_run_that_fails_is_ended_at_its_data_owners_first(world: World) -> None:
    world.add(11)
    world.start = FAILS
    world.open.add(11)
    world.until(lambda: "could not be told" in world.detail(11), tick=0.1)
    assert world.state(11) is State.RUNNING
    world.open.clear()
    world.until(lambda: world.state(11) is State.FAILED, tick=0.1)
