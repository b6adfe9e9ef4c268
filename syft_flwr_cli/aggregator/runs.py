"""The aggregator's run: an unmodified ServerApp on a SyftGrid, begun, taken up again, or ended.

A run that was interrupted is taken up by starting the ServerApp again from the top: what it pushes is
answered from the journal as far as the journal goes. Stop signals go out after success and after failure
alike; a pause (Ctrl-C), a kill, or a failure of this machine leaves the run, and the data owners, waiting. A
run that was complete when the process was killed is not begun anew by repeating the command: what came of it
is told, once.
"""

import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import ServerApp

from syft_flwr_cli.aggregator.app_run import (
    AppInProject,
    keep_context,
    kept_context,
    named,
    run_here,
    run_in_process,
)
from syft_flwr_cli.aggregator.ending import close_run, end_run
from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.aggregator.run_folder import results_dir
from syft_flwr_cli.aggregator.starting import Begun, RunOptions, begin
from syft_flwr_cli.app_environment import APP_NAME_VARIABLE
from syft_flwr_cli.consent.run_config import is_config_refusal
from syft_flwr_cli.delivery import retention
from syft_flwr_cli.errors import (
    DiskError,
    DivergenceError,
    NoAnswerError,
    NobodyTookPartError,
    OnlyErrorsError,
    RunStoppedError,
    SyftFlwrError,
    TransportError,
    TrustError,
)
from syft_flwr_cli.events import Event, RunBegun
from syft_flwr_cli.flower import runtime
from syft_flwr_cli.session.session import Session, open_api_session
from syft_flwr_cli.storage.journal import Run

__all__ = [
    "AppInProject",
    "RunOptions",
    "ServerResult",
    "end_run",
    "named",
    "run_server_app",
    "syftbox_flwr_server",
    "told",
]

log = logging.getLogger("syft_flwr")

LEAVES_OPEN = (DivergenceError, TransportError, DiskError, TrustError)
"""What a person can mend: the run goes on when the command is repeated."""


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
    results: Path | None = None
    """What the app left behind, and its final context."""


def run_server_app(
    session: Session,
    load: Callable[[], ServerApp] | None,
    context: Context,
    options: RunOptions,
) -> ServerResult:
    """Run a ServerApp to its end, or take up an unfinished run of it.

    ``load`` gives an app that runs in this process; None: the one that ``options`` name runs in its own.
    ``context`` gets the run's id, and the state that the app left; its run config is the app's. An exception of
    the ServerApp ends the run
    (stop signals go out) and is in the result; one that leaves the run open (`LEAVES_OPEN`, a pause) is
    raised. Whoever has shown the result calls `told`.
    """
    os.environ[APP_NAME_VARIABLE] = session.settings.app_name
    retention.prune_expired(session.channel, session.settings.datasites, session.settings.retention)
    if options.run is not None:
        before = _ended(session, context, options.run)
    else:
        before = None if options.fresh or options.another else _untold(session, context)
    if before is not None:
        return before
    begun = begin(session, options)
    try:
        result = _run(session, load, context, options, begun)
    finally:
        begun.lock.release()
    retention.prune_expired(session.channel, session.settings.datasites, session.settings.retention)
    return result


def _run(
    session: Session,
    load: Callable[[], ServerApp] | None,
    context: Context,
    options: RunOptions,
    begun: Begun,
) -> ServerResult:
    run, resumed = begun.run, begun.resumed
    number = int(run.run)
    context.run_id, context.node_id = number, runtime.SERVER_NODE_ID
    settings = session.settings
    grid = SyftGrid(
        settings.app_name,
        settings.datasites,
        session.channel,
        timeout=settings.timeout,
        default_timeout=settings.default_timeout,
        enough=settings.enough,
        grace=settings.grace,
        code=options.code,
        run_config=dict(options.run_config),
        accept_divergence=options.accept_divergence,
        spent=session.spent,
        members=options.members,
    )
    started = time.monotonic()
    error: BaseException | None = None
    try:
        grid.set_run(number)
        try:
            session.channel.emit(RunBegun(run.run, resumed, settings.datasites))
            seed, dependencies = run.facts["seed"], options.dependencies
            if load is not None:
                run_here(session, load, grid, context, seed, dependencies)
            elif options.app is not None:
                run_in_process(session, options.app, grid, context, seed, dependencies)
            grid.finish()
            error = _nobody_took_part(grid) or _only_errors(grid)
        except LEAVES_OPEN:
            raise
        except Exception as raised:
            error = _first_failure(grid, raised)
            if isinstance(error, LEAVES_OPEN) or not isinstance(error, Exception):
                # An app that fails while it is being interrupted has been interrupted.
                raise error from raised
            if not isinstance(error, SyftFlwrError):
                error = _nobody_took_part(grid) or _only_errors(grid, error) or error
            if not grid.rounds.heard() and not isinstance(error, SyftFlwrError) and grid.rounds.missing():
                error = _no_answer(grid, error)
            error.__cause__ = error.__cause__ or (raised if error is not raised else None)
            log.error("The ServerApp failed: %s\n%s", raised, traceback.format_exc())
        result = ServerResult(
            run.run,
            resumed,
            time.monotonic() - started,
            sorted({*grid.rounds.missing(), *grid.absent_members()}),
            grid.rounds.report(),
            context,
            error,
            data=grid.rounds.data(),
            results=results_dir(session.channel.directory, run.run),
        )
        if error is None:
            keep_context(session.channel.directory, context)
        _end(session, grid, result)
    finally:
        grid.close()
    return result


def told(session: Session, result: ServerResult) -> None:
    """Note that the result has been shown: repeating the command begins a new run."""
    if result.error is None:
        session.journal.mark_reported(result.run)


def _untold(session: Session, context: Context) -> ServerResult | None:
    """The result of a run whose process was killed after the end and before it could tell it."""
    run = session.journal.unreported_run("aggregator")
    return None if run is None or run.result is None else _result_of(session, context, run, run.result)


def _ended(session: Session, context: Context, run: str) -> ServerResult | None:
    """The result of a run that has ended, or had begun to end when its process was killed; None if it goes on.

    Raises
    ------
    RunStoppedError, SyftFlwrError
        If it was stopped, or has failed.
    """
    found = session.journal.run(run)
    if found is not None and found.ended is None and found.facts.get("ending"):
        state, reason = found.facts["ending"]
        end_run(session, run, reason, state)
        found = session.journal.run(run)
    if found is None or found.ended is None:
        return None
    if found.result is not None:
        return _result_of(session, context, found, found.result)
    if found.state == "stopped":
        raise RunStoppedError(found.reason or "")
    raise SyftFlwrError(f"Run {run} has ended: {found.reason}", hint="Begin a new one: syft-flwr run-server")


def _result_of(session: Session, context: Context, run: Run, facts: Mapping[str, Any]) -> ServerResult:
    context.run_id, context.node_id = int(run.run), runtime.SERVER_NODE_ID
    return ServerResult(
        run.run,
        facts["resumed"],
        facts["seconds"],
        facts["missing"],
        facts["rounds"],
        context,
        earlier=True,
        data=facts.get("data", {}),
        results=kept_context(session.channel.directory, context),
    )


def _first_failure(grid: SyftGrid, raised: Exception) -> BaseException:
    """What went wrong first: Flower may have turned it into something that came of it."""
    try:
        grid.outbox.check()
    except BaseException as first:
        return first
    return raised


def _nobody_took_part(grid: SyftGrid) -> SyftFlwrError | None:
    """Everybody is there, and nobody ran the app: most often because they approved other code."""
    first = grid.rounds.all_refused()
    if first is None:
        return None
    hint = "Give everybody the same files, have them approved (syft-flwr share, or review --approve), begin again."
    if is_config_refusal(first[1]):
        hint = (
            "Run it without that --run-config; or write the value into pyproject.toml and have that approved; or ask "
            "the data owners to allow it in their policy ([tool.syft_flwr.policy.run_config])."
        )
    return NobodyTookPartError(
        f"No data owner took part in the last round. {first[0]}: {first[1]}", hint=hint
    )


def _only_errors(grid: SyftGrid, raised: BaseException | None = None) -> SyftFlwrError | None:
    """Flower fails such a run, too, though the strategy goes on to its end without a word.

    What the ServerApp then ``raised``, when it used a result that there is not, is said beside its cause.
    """
    first = grid.rounds.only_errors()
    if first is None:
        return None
    what = f"Every answer in the last round was an error. The first of the run, from {first[0]}: {first[1]}"
    if raised is not None:
        what = f"{what.rstrip('.')}. The ServerApp could not go on without: {named(raised)}"
    return OnlyErrorsError(
        what,
        hint="The data owner's log says more (run-client shows it, and where it lies). Correct the ClientApp, have it "
        "approved, and run it again.",
    )


def _no_answer(grid: SyftGrid, error: BaseException) -> SyftFlwrError:
    """The legacy API, and many an app, cannot go on without any answer, and raise what says little."""
    return NoAnswerError(
        f"No data owner has answered ({', '.join(grid.rounds.missing())}), and the ServerApp could not go on without: "
        f"{named(error)}",
        hint="See that they run run-client, and give them more time (--timeout 24h, or no --timeout at all).",
    )


def _end(session: Session, grid: SyftGrid, result: ServerResult) -> None:
    if isinstance(result.error, RunStoppedError):
        close_run(session, grid, result.run, result.error.reason, "stopped")
        return
    if result.error is not None:
        close_run(session, grid, result.run, f"the ServerApp failed: {result.error}"[:300], "failed")
        return
    facts = {
        "resumed": result.resumed,
        "seconds": result.seconds,
        "missing": result.missing,
        "rounds": result.rounds,
        "data": result.data,
    }
    close_run(session, grid, result.run, "the run is complete", "finished", facts)


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
