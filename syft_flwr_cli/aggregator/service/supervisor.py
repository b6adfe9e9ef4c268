"""The service's one loop: starts queued runs, watches their processes, takes up what a crash left behind.

It decides nothing itself: what an event makes of a run is the table in ``states``, and every state is written before
what follows from it is done, so that the loop may be killed at any moment and begins where it was. A run stays in the
queue, without a process, for as long as it waits for somebody; runs that can go on do so at the same time, also those
of one project. A run that has failed or is stopped has come to its end only when its data owners were told.
"""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syft_flwr_cli.aggregator.service.processes import Outcome, RunFolder, interrupt, start_process
from syft_flwr_cli.aggregator.service.states import Event, NoSuchStepError, State
from syft_flwr_cli.aggregator.service.store import RunRecord, ServiceStore
from syft_flwr_cli.errors import EXIT_TRANSPORT, SyftFlwrError

__all__ = ["RunActions", "Supervisor"]

TICK = 0.2
"""Seconds between two looks at the processes."""

AGAIN = 5.0
"""Seconds after which something is tried again that needs a store which could not be reached."""

PATIENCE = 20.0
"""Seconds after which a process that was asked to end its run is interrupted."""

STOPPED = "stopped by its user"
"""What data owners are told of a run that was stopped."""

MAX_DEATHS = 5
"""Deaths of a run's process in a row, each within `YOUNG` seconds, after which the run has failed."""

YOUNG = 10.0

_log = logging.getLogger("syft_flwr.service")


@dataclass(frozen=True, slots=True)
class RunActions:
    """What a run is to the loop.

    Parameters
    ----------
    waits : callable
        What a queued run waits for, in a sentence; empty if for nothing.
    start, end : callable
        The words that follow ``syft-flwr`` to begin or go on with a run, and to end it and tell its data owners.
    is_open : callable
        Whether a run has begun, and data owners have not been told that it has ended.
    ask, ask_no_more : callable
        Ask the process that works on a run to end it; take that back.
    """

    waits: Callable[[RunRecord], str]
    start: Callable[[RunRecord], list[str]]
    end: Callable[[RunRecord, str], list[str]]
    is_open: Callable[[RunRecord], bool]
    ask: Callable[[RunRecord, str], None]
    ask_no_more: Callable[[RunRecord], None]


@dataclass(slots=True)
class _Seen:
    """What this process knows of a run besides what is written down."""

    child: "subprocess.Popen[bytes] | None" = None
    ender: "subprocess.Popen[bytes] | None" = None
    asked: float | None = None
    interrupted: bool = False
    not_before: float = 0.0
    deaths: list[float] = field(default_factory=list)


class Supervisor:
    """See the module's first paragraph.

    Parameters
    ----------
    store : ServiceStore
        What is remembered.
    directory : Path
        Where runs have their folders.
    actions : RunActions
        What is done with a run.
    at_once : int
        Runs that go on at the same time.
    environment : mapping
        The environment of the runs' processes.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        store: ServiceStore,
        directory: Path,
        actions: RunActions,
        at_once: int,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._directory, self._actions, self._at_once = store, directory, actions, at_once
        self._clock = clock
        self._environment = dict(os.environ if environment is None else environment)
        self._seen: dict[int, _Seen] = {}
        self._changed = threading.Condition()
        self._notified = False
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
            with self._changed:
                if not self._notified:
                    self._changed.wait(TICK)
                self._notified = False

    def close(self) -> None:
        """End the loop; the runs' processes go on."""
        self._closing = True
        self.notify()

    def notify(self) -> None:
        """Look now."""
        with self._changed:
            self._notified = True
            self._changed.notify_all()

    def step(self) -> None:
        """Look at every open run once."""
        open_runs = self._store.open_runs()
        active = [run for run in open_runs if run.state is not State.QUEUED]
        for run in active:
            self._watch(run)
        free = self._at_once - len(active)
        for run in open_runs:
            if run.state is State.QUEUED and not self._waits(run) and free > 0:
                self._start(run)
                free -= 1
        for gone in set(self._seen) - {run.run_id for run in open_runs}:
            del self._seen[gone]

    def stop(self, run_id: int) -> RunRecord | None:
        """Have a run end; None if there is none. `NoSuchStepError` if it has ended."""
        after = self._store.apply(run_id, Event.STOP, self._clock(), "stopping")
        if after is not None and after.state is State.STOPPED:
            folder = self.folder(run_id)
            folder.say("[service] stopped before it began")
            folder.note_growth(self._clock())
        if seen := self._seen.get(run_id):
            seen.asked, seen.interrupted, seen.not_before = None, False, 0.0
        self.notify()
        return after

    def _of(self, run: RunRecord) -> _Seen:
        return self._seen.setdefault(run.run_id, _Seen())

    def _waits(self, run: RunRecord) -> bool:
        if self._clock() < self._of(run).not_before:
            return True
        sentence = self._actions.waits(run)
        if sentence != run.detail:
            folder = self.folder(run.run_id)
            if sentence:
                folder.say(f"[service] {sentence}")
                folder.note_growth(self._clock())
            self._store.set_detail(run.run_id, sentence)
        return bool(sentence)

    def _start(self, run: RunRecord) -> None:
        # The state is written before the process is there: a crash between the two leaves a running run without a
        # process, which is what a death looks like, and it is started again.
        words = self._actions.start(run)
        try:
            self._store.apply(run.run_id, Event.SLOT, self._clock())
        except NoSuchStepError:
            return
        self._of(run).child = start_process(self.folder(run.run_id), words, self._environment)
        self._store.set_started(run.run_id, self._clock())

    def _watch(self, run: RunRecord) -> None:
        folder, seen = self.folder(run.run_id), self._of(run)
        for process in (seen.child, seen.ender):
            if process is not None:
                process.poll()
        folder.note_growth(self._clock())
        if folder.is_alive():
            if run.state is State.STOPPING:
                self._have_it_end(run, folder)
            return
        self._after(run, folder, folder.outcome())

    def _have_it_end(self, run: RunRecord, folder: RunFolder) -> None:
        """Have the process that works on a run end it; one that has not begun, or does not listen, is interrupted."""
        seen, now = self._of(run), self._clock()
        if seen.asked is None and self._actions.is_open(run):
            self._actions.ask(run, STOPPED)
            seen.asked = now
        heard = seen.asked is not None and now - seen.asked < PATIENCE
        pid = folder.pid()
        if not heard and not seen.interrupted and pid is not None:
            interrupt(pid)
            seen.interrupted = True

    def _after(self, run: RunRecord, folder: RunFolder, outcome: Outcome | None) -> None:
        """Go on with a run whose process is gone."""
        now, seen = self._clock(), self._of(run)
        stopping = run.state is State.STOPPING
        event, detail = self._what_happened(run, outcome, now)
        is_over = event in (Event.COMPLETED, Event.FAILED) or stopping
        if is_over and event is not Event.COMPLETED and self._actions.is_open(run):
            self._end(run, folder, STOPPED if stopping else detail or "it failed", now)
            return
        if stopping:
            self._actions.ask_no_more(run)
        if stopping and event is not Event.COMPLETED:
            said, detail = "stopped", "stopped"
        else:
            said = f"{event.value}{f': {detail}' if detail else ''}"
        folder.say(f"[service] {said}")
        folder.note_growth(now)
        seen.child = None
        self._store.apply(run.run_id, event, now, detail)

    def _what_happened(self, run: RunRecord, outcome: Outcome | None, now: float) -> tuple[Event, str]:
        if outcome is not None and (outcome.is_good or outcome.exit_code != EXIT_TRANSPORT):
            return (Event.COMPLETED if outcome.is_good else Event.FAILED), outcome.sentence
        if run.state is State.STOPPING:
            return Event.DIED, ""
        seen = self._of(run)
        if outcome is not None:
            seen.not_before = now + AGAIN
            return Event.DIED, f"{outcome.sentence} It is tried again."
        seen.deaths = [one for one in seen.deaths if now - one < YOUNG * MAX_DEATHS] + [now]
        if len(seen.deaths) >= MAX_DEATHS:
            return Event.FAILED, "its process died again and again: see the log"
        return Event.DIED, "its process died; it is started again"

    def _end(self, run: RunRecord, folder: RunFolder, reason: str, now: float) -> None:
        """End a run at its data owners, in a process of its own; tried again for as long as that does not succeed."""
        seen, ending = self._of(run), RunFolder(folder.path / "stop")
        if ending.is_alive() or now < seen.not_before:
            return
        if seen.ender is not None:
            seen.ender, seen.not_before = None, now + AGAIN
            failed = ending.outcome()
            why = failed.sentence if failed is not None else "the process that was to do it died."
            detail = f"its data owners could not be told that it has ended: {why} It is tried again."
            if detail != run.detail:
                folder.say(f"[service] {detail}")
                self._store.set_detail(run.run_id, detail)
            return
        seen.ender = start_process(ending, self._actions.end(run, reason), self._environment)
