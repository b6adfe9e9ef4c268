"""Runs on this machine, on either side: listed, looked at, read about, stopped. Asks and prints nothing.

Looking takes no lock. A run that is stopped is ended by the process that holds it, if there is one, and here otherwise.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import BusyError, UsageError
from syft_flwr_cli.events import Emit, nobody
from syft_flwr_cli.project.settings import Settings
from syft_flwr_cli.services.shared_root import check_root
from syft_flwr_cli.services.status import apps_of, participants
from syft_flwr_cli.storage.journal_reader import RunView, look_at_journal, read_egress
from syft_flwr_cli.storage.locks import Holder, who_holds
from syft_flwr_cli.storage.paths import app_dir

__all__ = ["LocalRun", "StoppedRun", "egress_of", "find_run", "local_runs", "stop_run"]

WAIT = 60.0
"""Seconds for which a server that holds a run may take to end it."""

_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class LocalRun:
    """A run that a participant of this machine has a part in, and the process that works on it now."""

    email: str
    app_name: str
    view: RunView
    process: Holder | None


@dataclass(frozen=True, slots=True)
class StoppedRun:
    """A run that was stopped: who was told, and whether the server that held it did it."""

    run: str
    app_name: str
    told: tuple[str, ...]
    by_server: bool


def local_runs(home: Path, email: str | None = None, app_name: str | None = None) -> list[LocalRun]:
    """The runs in this home, the newest first; of one participant, of one app, if these are given."""
    found = []
    for who in participants(home) if email is None else [email]:
        for app in apps_of(home, who):
            if app_name is not None and app != app_name:
                continue
            directory = app_dir(home, who, app)
            holder = who_holds(directory / "lock")
            for view in look_at_journal(directory / "journal.sqlite3").runs:
                own = who_holds(directory / "runs" / f"{view.run}.lock")
                process = own or (holder if view.role != "aggregator" else None)
                found.append(LocalRun(who, app, view, process if view.ended is None else None))
    return sorted(found, key=lambda one: one.view.began, reverse=True)


def find_run(home: Path, run: str, email: str | None = None) -> LocalRun:
    """The run with this id, or the one id that begins so; the aggregator's part of it, if both sides are here.

    Raises
    ------
    UsageError
        If there is none, or several.
    """
    found = (
        [one for one in local_runs(home, email) if one.view.run.startswith(run)] if run.isdecimal() else []
    )
    exact = [one for one in found if one.view.run == run]
    found = exact or found
    ids = {one.view.run for one in found}
    if len(ids) > 1:
        raise UsageError(f"Several runs begin with {run}.", hint="Give more digits: syft-flwr runs list")
    if not found:
        raise UsageError(f"There is no run {run[:40]!r} on this machine.", hint="See: syft-flwr runs list")
    return min(found, key=lambda one: one.view.role)  # aggregator before data owner


def egress_of(home: Path, one: LocalRun) -> list[dict[str, Any]]:
    """What left a data owner in a run, one record a reply; nothing at an aggregator."""
    if one.view.role == "aggregator":
        return []
    return read_egress(app_dir(home, one.email, one.app_name) / "journal.sqlite3", one.view.run)


def stop_run(
    settings: Settings,
    home: Path,
    run: str | None,
    reason: str,
    *,
    fingerprints: Mapping[str, str] | None = None,
    emit: Emit = nobody,
    wait: float = WAIT,
) -> StoppedRun:
    """End a run of the aggregator's: the one with this id, or the unfinished one of the app.

    Raises
    ------
    UsageError
        If there is no such run, or it is over.
    BusyError
        If the process that holds it does not end it in time.
    """
    from syft_flwr_cli.aggregator.runs import end_run
    from syft_flwr_cli.aggregator.starting import run_lock
    from syft_flwr_cli.session.session import open_session

    check_root(settings.root)
    directory = app_dir(home, settings.email, settings.app_name)
    run = run or _unfinished(directory, settings)
    lock = run_lock(directory, run)
    deadline = time.monotonic() + wait
    while not lock.try_acquire(f"stop of run {run}"):
        told = _ask_server(directory, run, reason, deadline)
        if told:
            return StoppedRun(run, settings.app_name, settings.datasites, True)
        if time.monotonic() >= deadline:
            raise BusyError(
                f"The process that works on run {run} did not end it within {wait:g} s: {lock.holder()}.",
                hint="It ends the run as soon as its ServerApp lets it; or end that process, and stop the run again.",
            )
    try:
        opened = open_session(settings, home, emit=emit, fingerprints=fingerprints, exclusive=False)
        try:
            told_owners = end_run(opened, run, reason, "stopped")
        finally:
            opened.close()
    finally:
        lock.release()
    return StoppedRun(run, settings.app_name, tuple(told_owners), False)


def _unfinished(directory: Path, settings: Settings) -> str:
    views = look_at_journal(directory / "journal.sqlite3").runs
    found = [view.run for view in views if view.role == "aggregator" and view.ended is None]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{settings.app_name} has {len(found)} runs that go on: {', '.join(found)}.",
            hint="Say which: syft-flwr runs stop RUN",
        )
    raise UsageError(f"{settings.app_name} has no run to stop.", hint="Begin one with: syft-flwr run-server")


def _ask_server(directory: Path, run: str, reason: str, deadline: float) -> bool:
    """Ask the process that holds the run; whether it has ended it. False when it is gone, or time is up."""
    from syft_flwr_cli.aggregator.stopping import ask_to_stop, withdraw_request

    ask_to_stop(directory, run, reason)
    try:
        while time.monotonic() < deadline:
            ended = {view.run for view in look_at_journal(directory / "journal.sqlite3").runs if view.ended}
            if run in ended:
                return True
            if who_holds(directory / "runs" / f"{run}.lock") is None:
                return False
            time.sleep(_PAUSE)
        return False
    finally:
        withdraw_request(directory, run)
