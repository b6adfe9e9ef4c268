"""The aggregator's run: an unmodified ServerApp on a SyftGrid, begun, taken up again, or ended.

A run that was interrupted is taken up by starting the ServerApp again from the top: what it pushes is
answered from the journal as far as the journal goes. Stop signals go out after success and after failure
alike; a pause (Ctrl-C), a kill, or a failure of this machine leaves the run, and the data owners, waiting. A
run that was complete when the process was killed is not begun anew by repeating the command: what came of it
is told, once.
"""

import logging
import os
import secrets
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import ServerApp

from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.app_environment import APP_NAME_VARIABLE
from syft_flwr_cli.delivery import retention
from syft_flwr_cli.errors import (
    DiskError,
    DivergenceError,
    NoAnswerError,
    OnlyErrorsError,
    SyftFlwrError,
    TransportError,
    TrustError,
    UsageError,
)
from syft_flwr_cli.events import Event, RunBegun
from syft_flwr_cli.flower import runtime
from syft_flwr_cli.session.interrupts import on_interrupt
from syft_flwr_cli.session.session import Session, open_api_session
from syft_flwr_cli.storage.journal import Run

__all__ = ["RunOptions", "ServerResult", "run_server_app", "syftbox_flwr_server", "told"]

log = logging.getLogger("syft_flwr")

LEAVES_OPEN = (DivergenceError, TransportError, DiskError, TrustError)
"""What a person can mend: the run goes on when the command is repeated."""


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
    """

    run_config: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False
    accept_divergence: bool = False
    code: str | None = None
    dependencies: Sequence[str] = ()
    members: Callable[[], Sequence[str]] | None = None


@dataclass(slots=True)
class ServerResult:
    """How a run ended: everything that ``--json`` shows, and the exception if it failed."""

    run: str
    resumed: bool
    seconds: float
    missing: list[str]
    rounds: list[dict[str, Any]]
    context: Context
    error: BaseException | None = None
    earlier: bool = False
    """Whether the run was complete before this process, and nobody had been told."""
    data: dict[str, str] = field(default_factory=dict)
    """What each data owner says its app was given: ``private``, ``mock`` or ``none``."""


def new_run_id() -> int:
    """63 unpredictable bits, never 0."""
    return secrets.randbits(63) or 1


def run_server_app(
    session: Session,
    load: Callable[[], ServerApp],
    context: Context,
    options: RunOptions,
) -> ServerResult:
    """Run a ServerApp to its end, or take up an unfinished run of it.

    ``context`` gets the run's id; its run config is the app's. An exception of the ServerApp ends the run
    (stop signals go out) and is in the result; one that leaves the run open (`LEAVES_OPEN`, a pause) is
    raised. Whoever has shown the result calls `told`.
    """
    os.environ[APP_NAME_VARIABLE] = session.settings.app_name
    retention.prune_expired(session.me, session.settings.datasites, session.settings.retention)
    before = None if options.fresh else _untold(session, context)
    if before is not None:
        return before
    run, resumed = _begin(session, options)
    number = int(run.run)
    context.run_id, context.node_id = number, runtime.SERVER_NODE_ID
    runtime.seed_everything(int(run.facts["seed"], 16), options.dependencies)
    settings = session.settings
    grid = SyftGrid(
        settings.app_name,
        settings.datasites,
        session.me,
        timeout=settings.timeout,
        default_timeout=settings.default_timeout,
        enough=settings.enough,
        code=options.code,
        run_config=dict(options.run_config),
        accept_divergence=options.accept_divergence,
        spent=session.spent,
        members=options.members,
    )
    begun = time.monotonic()
    error: BaseException | None = None
    try:
        grid.set_run(number)
        try:
            with on_interrupt(lambda: grid.outbox.fail(KeyboardInterrupt()), raises=True):
                session.me.emit(RunBegun(run.run, resumed, settings.datasites))
                app = load()
                runtime.seed_everything(int(run.facts["seed"], 16), options.dependencies)
                runtime.run_server(grid, context, app)
            grid.finish()
            error = _only_errors(grid)
        except LEAVES_OPEN:
            raise
        except Exception as raised:
            error = _first_failure(grid, raised)
            if isinstance(error, LEAVES_OPEN) or not isinstance(error, Exception):
                # An app that fails while it is being interrupted has been interrupted.
                raise error from raised
            if not grid.rounds.heard() and not isinstance(error, SyftFlwrError) and grid.rounds.missing():
                error = _no_answer(grid, error)
            error.__cause__ = error.__cause__ or (raised if error is not raised else None)
            log.error("The ServerApp failed: %s\n%s", raised, traceback.format_exc())
        result = ServerResult(
            run.run,
            resumed,
            time.monotonic() - begun,
            sorted({*grid.rounds.missing(), *grid.absent_members()}),
            grid.rounds.report(),
            context,
            error,
            data=grid.rounds.data(),
        )
        _end(session, grid, result)
    finally:
        grid.close()
    retention.prune_expired(session.me, settings.datasites, settings.retention)
    return result


def told(session: Session, result: ServerResult) -> None:
    """Note that the result has been shown: repeating the command begins a new run."""
    if result.error is None:
        session.me.journal.mark_reported(result.run)


def _untold(session: Session, context: Context) -> ServerResult | None:
    """The result of a run whose process was killed after the end and before it could tell it."""
    run = session.me.journal.unreported_run("aggregator")
    if run is None or run.result is None:
        return None
    context.run_id, context.node_id = int(run.run), runtime.SERVER_NODE_ID
    facts = run.result
    return ServerResult(
        run.run,
        facts["resumed"],
        facts["seconds"],
        facts["missing"],
        facts["rounds"],
        context,
        earlier=True,
        data=facts.get("data", {}),
    )


def _first_failure(grid: SyftGrid, raised: Exception) -> BaseException:
    """What went wrong first: Flower may have turned it into something that came of it."""
    try:
        grid.outbox.check()
    except BaseException as first:
        return first
    return raised


def _only_errors(grid: SyftGrid) -> SyftFlwrError | None:
    """Flower fails such a run, too, though the strategy goes on to its end without a word."""
    first = grid.rounds.only_errors()
    if first is None:
        return None
    return OnlyErrorsError(
        f"Every answer in the last round was an error. The first of the run, from {first[0]}: {first[1]}",
        hint="The data owner's log says more (run-client shows it, and where it lies). Correct the ClientApp, have it "
        "approved, and run it again.",
    )


def _no_answer(grid: SyftGrid, error: BaseException) -> SyftFlwrError:
    """The legacy API, and many an app, cannot go on without any answer, and raise what says little."""
    return NoAnswerError(
        f"No data owner has answered ({', '.join(grid.rounds.missing())}), and the ServerApp could not go on without: "
        f"{type(error).__name__}: {error}",
        hint="See that they run run-client, and give them more time (--timeout 24h, or no --timeout at all).",
    )


def _begin(session: Session, options: RunOptions) -> tuple[Run, bool]:
    journal = session.me.journal
    unfinished = journal.unfinished_run("aggregator")
    wanted = {"run_config": dict(options.run_config), "datasites": sorted(session.settings.datasites)}
    if options.code is not None:
        wanted["code"] = options.code
    if unfinished is not None and (options.fresh or unfinished.facts.get("ending")):
        state, reason = unfinished.facts.get("ending") or ("stopped", "withdrawn: a new run takes its place")
        end_run(session, unfinished.run, reason, state)
        unfinished = None
    if unfinished is not None:
        before = {key: unfinished.facts.get(key) for key in wanted}
        if before != wanted and not options.accept_divergence:
            changed = next(key for key in wanted if before[key] != wanted[key])
            raise DivergenceError(
                f"Run {unfinished.run} is not finished, and was begun with {_CALLED[changed]} "
                f"{before[changed]!r}; now it is {wanted[changed]!r}.",
                hint="Repeat the command as it was to go on, begin anew with --fresh, or go on all the same "
                "with --accept-divergence.",
            )
        return unfinished, True
    run = str(new_run_id())
    facts = {**wanted, "seed": secrets.token_hex(16), "code": options.code}
    now = session.me.clock()
    entry = {
        "event": "run-started",
        "time": now,
        "run": run,
        "datasites": " ".join(session.settings.datasites),
    }
    if options.code:
        entry["code"] = options.code
    journal.begin_run(run, "aggregator", now, facts, entry)
    session.me.flush_audit()
    begun = journal.run(run)
    assert begun is not None
    return begun, False


_CALLED = {"run_config": "the run config", "datasites": "the data owners", "code": "the project's files"}


def _end(session: Session, grid: SyftGrid, result: ServerResult) -> None:
    if result.error is not None:
        _close_run(session, grid, result.run, f"the ServerApp failed: {result.error}"[:300], "failed")
        return
    facts = {
        "resumed": result.resumed,
        "seconds": result.seconds,
        "missing": result.missing,
        "rounds": result.rounds,
        "data": result.data,
    }
    _close_run(session, grid, result.run, "the run is complete", "finished", facts)


def end_run(session: Session, run: str, reason: str, state: str) -> list[str]:
    """End a run from outside: withdraw what is open, tell the data owners; to whom the signal went."""
    known = session.me.journal.run(run)
    if known is None or known.ended is not None:
        raise UsageError(f"Run {run} is not open.", hint="See the open runs with: syft-flwr status")
    datasites = known.facts.get("datasites") or session.settings.datasites
    grid = SyftGrid(session.settings.app_name, datasites, session.me)
    try:
        grid.set_run(int(run))
        return _close_run(session, grid, run, reason, state)
    finally:
        grid.close()


def _close_run(
    session: Session,
    grid: SyftGrid,
    run: str,
    reason: str,
    state: str,
    result: Mapping[str, Any] | None = None,
) -> list[str]:
    journal = session.me.journal
    known = journal.run(run)
    if known is not None and state != "finished" and "ending" not in known.facts:
        # Once the first owner may have been told, the run must not go on: the next process ends it too.
        journal.set_run_facts(run, {**known.facts, "ending": [state, reason]})
    grid.outbox.withdraw()
    told = grid.send_stop_signal(group_id="final", reason=reason)
    now = session.me.clock()
    event = "run-finished" if state == "finished" else "stopped"
    entry = {"event": event, "time": now, "run": run, "why": reason}
    journal.end_run(run, state, now, reason, entry, result)
    session.me.flush_audit()
    grid.outbox.clear()
    return told


def syftbox_flwr_server(
    server_app: ServerApp,
    context: Context,
    datasites: list[str],
    app_name: str,
    project_dir: Path | None = None,
) -> Context:
    """Run a ServerApp with its data owners behind folders.

    Parameters
    ----------
    server_app : ServerApp
        The app.
    context : Context
        Its ``run_config`` is the app's; the run id is set here.
    datasites : list of str
        E-mails of the data owners.
    app_name : str
        The app; a leading ``flwr/`` is dropped.
    project_dir : Path, optional
        The project whose ``[tool.syft_flwr]`` says the transport and the rest; the environment and the
        participant's own settings otherwise.

    Returns
    -------
    Context
        The context with what the app left in it; as it was given if the ServerApp raised.
    """
    session = open_api_session(app_name, datasites, project_dir, emit=_log_event)
    try:
        result = run_server_app(session, lambda: server_app, context, RunOptions())
        told(session, result)
    finally:
        session.close()
    if isinstance(result.error, SyftFlwrError):
        raise result.error
    return result.context


def _log_event(event: Event) -> None:
    log.info("%s", " ".join(f"{key}={value}" for key, value in event.facts().items()))
