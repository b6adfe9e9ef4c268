"""How a run begins, or is taken up again: which unfinished run is meant, and the lock that says it is ours.

An app has one run at a time, unless more are asked for (``another``): such a run goes on beside the others, is marked
so in the journal, and is taken up by asking for another again with the same settings. Whoever knows the id that a run
has, or is to have, says it (``run``): that very run is meant, whatever others go on. Each run has a lock of its own.
"""

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.aggregator.app_run import AppInProject
from syft_flwr_cli.aggregator.ending import end_run
from syft_flwr_cli.errors import BusyError, DivergenceError
from syft_flwr_cli.session.session import Session
from syft_flwr_cli.storage.journal import Run
from syft_flwr_cli.storage.locks import FileLock

__all__ = ["Begun", "RunOptions", "begin", "run_lock"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is run.

    Parameters
    ----------
    run_config : mapping
        What was given with ``--run-config``.
    fresh : bool
        Withdraw an unfinished run and begin a new one.
    accept_divergence : bool
        Go on live where the ServerApp does something else than before.
    code : str, optional
        Digest of the project.
    dependencies : sequence of str
        What the project depends on.
    members : callable, optional
        Which data owners take part at the moment; all of them, always, if None.
    another : bool
        Go on beside the runs of this app that go on.
    run : str, optional
        The id of the run that is meant, begun with this id where there is none yet; it goes on beside others.
    app : AppInProject, optional
        The app, where it runs in a process of its own.
    """

    run_config: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    accept_divergence: bool = False
    code: str | None = None
    dependencies: Sequence[str] = ()
    members: Callable[[], Sequence[str]] | None = None
    another: bool = False
    run: str | None = None
    app: AppInProject | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that is ours: whether it was taken up, and its lock."""

    run: Run
    resumed: bool
    lock: FileLock


_CALLED = {"run_config": "the run config", "datasites": "the data owners", "code": "the project's files"}


def run_lock(directory: Path, run: str) -> FileLock:
    """The lock of a run below a participant's directory of an app."""
    return FileLock(directory / "runs" / f"{run}.lock", passing=True)


def begin(session: Session, options: RunOptions) -> Begun:
    """Begin a run, or take up the unfinished one that is meant.

    Raises
    ------
    DivergenceError
        If that was begun with other settings.
    BusyError
        If another process holds it.
    """
    wanted: dict[str, Any] = {
        "run_config": dict(options.run_config),
        "datasites": sorted(session.settings.datasites),
    }
    if options.code is not None:
        wanted["code"] = options.code
    if options.run is not None:
        found = _named(session, options, wanted)
    elif options.another:
        found = _another(session, options, wanted)
    else:
        found = _unfinished(session, options, wanted)
    if found is not None:
        return found
    run = options.run or str(secrets.randbits(63) or 1)
    lock = _locked(session, run)
    journal, now = session.journal, session.channel.clock()
    facts = {**wanted, "seed": secrets.token_hex(16), "code": options.code}
    if options.another or options.run is not None:
        facts["another"] = True
    entry: dict[str, Any] = {
        "event": "run-started",
        "time": now,
        "run": run,
        "datasites": " ".join(session.settings.datasites),
    }
    if options.code:
        entry["code"] = options.code
    journal.begin_run(run, "aggregator", now, facts, entry)
    session.channel.audit.flush()
    begun = journal.run(run)
    assert begun is not None
    return Begun(begun, False, lock)


def _open_runs(session: Session, *, another: bool) -> list[Run]:
    """The unfinished runs of this app, the newest first."""
    return [
        run
        for run in session.journal.runs()
        if run.role == "aggregator" and run.ended is None and bool(run.facts.get("another")) == another
    ]


def _unfinished(session: Session, options: RunOptions, wanted: Mapping[str, Any]) -> Begun | None:
    found = next(iter(_open_runs(session, another=False)), None)
    if found is None:
        return None
    if options.fresh or found.facts.get("ending"):
        _end(session, found, "withdrawn: a new run takes its place")
        return None
    _check_settings(found, options, wanted)
    return Begun(found, True, _locked(session, found.run))


def _named(session: Session, options: RunOptions, wanted: Mapping[str, Any]) -> Begun | None:
    found = session.journal.run(options.run or "")
    if found is None:
        return None
    _check_settings(found, options, wanted)
    return Begun(found, True, _locked(session, found.run))


def _check_settings(found: Run, options: RunOptions, wanted: Mapping[str, Any]) -> None:
    before = {key: found.facts.get(key) for key in wanted}
    if before != wanted and not options.accept_divergence:
        changed = next(key for key in wanted if before[key] != wanted[key])
        raise DivergenceError(
            f"Run {found.run} is not finished, and was begun with {_CALLED[changed]} "
            f"{before[changed]!r}; now it is {wanted[changed]!r}.",
            hint="Repeat the command as it was to go on, begin anew with --fresh, or go on all the same "
            "with --accept-divergence.",
        )


def _another(session: Session, options: RunOptions, wanted: Mapping[str, Any]) -> Begun | None:
    """One that nobody works on, begun as this one is to be."""
    for found in _open_runs(session, another=True):
        if {key: found.facts.get(key) for key in wanted} != wanted:
            continue
        lock = run_lock(session.channel.directory, found.run)
        if not lock.try_acquire(_note(session, found.run)):
            continue
        if options.fresh or found.facts.get("ending"):
            try:
                _end(session, found, "withdrawn: a new run takes its place")
            finally:
                lock.release()
            continue
        return Begun(found, True, lock)
    return None


def _end(session: Session, run: Run, reason: str) -> None:
    state, why = run.facts.get("ending") or ("stopped", reason)
    end_run(session, run.run, why, state)


def _locked(session: Session, run: str) -> FileLock:
    lock = run_lock(session.channel.directory, run)
    if not lock.try_acquire(_note(session, run)):
        raise BusyError(
            f"Another process works on run {run}: {lock.holder()}.",
            hint="Wait until it ends, or end the run with: syft-flwr stop",
        )
    return lock


def _note(session: Session, run: str) -> str:
    settings = session.settings
    return json.dumps({"email": settings.email, "app": settings.app_name, "run": run})
