"""The service's one loop: starts queued runs, watches their processes, takes up what a crash left behind.

It decides nothing itself: what an event makes of a run is the table in ``states``, and every state is written before
what follows from it is done, so that the loop may be killed at any moment and begins where it was. Runs of one
project are served one after the other, since they share its messages' folders; others at the same time.
"""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from syft_flwr_cli.aggregator.service.processes import (
    RunFolder,
    as_run_config,
    interrupt,
    start_process,
)
from syft_flwr_cli.aggregator.service.states import Event, NoSuchStepError, State
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore
from syft_flwr_cli.errors import SyftFlwrError

__all__ = ["Supervisor", "Waiting"]

TICK = 0.2
"""Seconds between two looks at the processes."""

MAX_DEATHS = 5
"""Deaths of a run's process in a row, each within `YOUNG` seconds, after which the run has failed."""

YOUNG = 10.0

Waiting = Callable[[RunRecord], str]
"""What a running run waits for before its first round, in a sentence; empty if for nothing."""

_log = logging.getLogger("syft_flwr.service")


class Supervisor:
    """See the module's first paragraph.

    Parameters
    ----------
    store : ServiceStore
        What is remembered.
    directory : Path
        Where runs have their folders.
    words : sequence of str
        What follows ``run-server PROJECT`` and ``stop PROJECT``: the e-mail, the shared folder.
    at_once : int
        Runs that go on at the same time.
    waiting : callable
        See `Waiting`.
    start : sequence of str, optional
        What follows ``run-server PROJECT`` instead of ``words``.
    environment : mapping
        The environment of the runs' processes.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        store: ServiceStore,
        directory: Path,
        words: Sequence[str],
        at_once: int,
        waiting: Waiting,
        start: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._directory, self._words, self._at_once = store, directory, tuple(words), at_once
        self._start_words = tuple(words if start is None else start)
        self._waiting, self._clock = waiting, clock
        self._environment = dict(os.environ if environment is None else environment)
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._interrupted: set[int] = set()
        self._stoppers: dict[int, subprocess.Popen[bytes]] = {}
        self._deaths: dict[int, list[float]] = {}
        self._changed = threading.Condition()
        self._closing = False

    def folder(self, run_id: int) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self._directory / "runs" / str(run_id))

    def run(self) -> None:
        """Serve until `close`."""
        while not self._closing:
            try:
                self.step()
            except (SyftFlwrError, OSError) as error:
                # Nothing is lost: the same step is tried again when there is room, or the store can be reached.
                _log.error("The queue stands still: %s", error)
                time.sleep(TICK)
            with self._changed:
                self._changed.wait(TICK)

    def close(self) -> None:
        """End the loop; the runs' processes go on."""
        self._closing = True
        self.notify()

    def notify(self) -> None:
        """Look now."""
        with self._changed:
            self._changed.notify_all()

    def step(self) -> None:
        """Look at every open run once."""
        open_runs = self._store.open_runs()
        active = [run for run in open_runs if run.state is not State.QUEUED]
        for run in active:
            self._watch(run)
        busy = {run.app_name for run in active}
        free = self._at_once - len(active)
        for run in open_runs:
            if run.state is State.QUEUED and free > 0 and run.app_name not in busy:
                self._start(run)
                busy.add(run.app_name)
                free -= 1

    def stop(self, run_id: int) -> RunRecord | None:
        """Have a run end; None if there is none. `NoSuchStepError` if it has ended."""
        after = self._store.apply(run_id, Event.STOP, self._clock(), "stopping")
        if after is not None and after.state is State.STOPPED:
            self.folder(run_id).say("The run was stopped before it began.")
        self.notify()
        return after

    def _start(self, run: RunRecord) -> None:
        # The state is written before the process is there: a crash between the two leaves a running run without a
        # process, which is what a death looks like, and it is started again.
        try:
            self._store.apply(run.run_id, Event.SLOT, self._clock(), "starting")
        except NoSuchStepError:
            return
        words = ["run-server", str(run.project), *self._start_words, "--json"]
        if run.run_config:
            words += ["--run-config", as_run_config(run.run_config)]
        child = start_process(self.folder(run.run_id), words, self._environment)
        self._children[run.run_id] = child
        self._store.set_started(run.run_id, self._clock())

    def _watch(self, run: RunRecord) -> None:
        folder = self.folder(run.run_id)
        if child := self._children.get(run.run_id):
            child.poll()
        if folder.is_alive():
            self._watch_alive(run, folder)
            folder.note_growth(self._clock())
            return
        outcome = folder.outcome()
        if run.state is State.STOPPING and outcome is None and not self._has_ended(run, folder):
            folder.note_growth(self._clock())
            return
        now = self._clock()
        self._children.pop(run.run_id, None)
        ended = RunFolder(folder.path / "stop").outcome() if run.state is State.STOPPING else outcome
        if ended is not None and ended.server_run:
            self._store.set_detail(run.run_id, ended.sentence, server_run=ended.server_run)
        if outcome is None:
            event, detail = Event.DIED, "its process died; it is started again"
            if run.state is State.RUNNING and self._died_too_often(run, now):
                event, detail = Event.FAILED, "its process died again and again: see the log"
        else:
            event, detail = (Event.COMPLETED if outcome.is_good else Event.FAILED), outcome.sentence
        if run.state is State.STOPPING and event is not Event.COMPLETED:
            folder.say("[service] stopped")
        else:
            folder.say(f"[service] {event.value}{f': {detail}' if detail else ''}")
        folder.note_growth(now)
        self._store.apply(run.run_id, event, now, "stopped" if run.state is State.STOPPING else detail)

    def _watch_alive(self, run: RunRecord, folder: RunFolder) -> None:
        if run.state is State.STOPPING:
            pid = folder.pid()
            if run.run_id not in self._interrupted and pid is not None:
                # The run's process pauses and leaves its run open; what ends it comes when it is gone.
                interrupt(pid)
                self._interrupted.add(run.run_id)
            return
        sentence = self._waiting(run)
        if sentence != run.detail:
            if sentence:
                folder.say(f"[service] {sentence}")
            self._store.set_detail(run.run_id, sentence, began=None if sentence else self._clock())

    def _has_ended(self, run: RunRecord, folder: RunFolder) -> bool:
        """End a run whose process has paused: whether that is done."""
        stopper = self._stoppers.get(run.run_id)
        if stopper is None:
            words = ["stop", str(run.project), *self._words, "--json"]
            self._stoppers[run.run_id] = start_process(
                RunFolder(folder.path / "stop"), words, self._environment
            )
            return False
        return stopper.poll() is not None

    def _died_too_often(self, run: RunRecord, now: float) -> bool:
        deaths = [one for one in self._deaths.get(run.run_id, []) if now - one < YOUNG * MAX_DEATHS]
        self._deaths[run.run_id] = [*deaths, now]
        return len(deaths) + 1 >= MAX_DEATHS
