"""One run of a ServerApp, here or in a process of its own: with its seed, its folders, and its end kept.

Either way the app sees the same Grid, and its final context lies with the results before the run is over, so that no
kill can lose it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import ServerApp

from syft_flwr_cli.aggregator.app_process import AppFailed, ServerProcess
from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.aggregator.run_folder import CONTEXT_FILE, open_run_folder, results_dir
from syft_flwr_cli.aggregator.stopping import stop_requested
from syft_flwr_cli.app_environment import APP_NAME_VARIABLE, RESULTS_VARIABLE
from syft_flwr_cli.execution.worker import state_bytes, state_from
from syft_flwr_cli.flower import runtime
from syft_flwr_cli.session.interrupts import on_interrupt
from syft_flwr_cli.session.session import Session
from syft_flwr_cli.storage.paths import make_private_dir, write_private

__all__ = ["AppInProject", "keep_context", "kept_context", "named", "run_here", "run_in_process"]


@dataclass(frozen=True, slots=True)
class AppInProject:
    """A ServerApp that is run in a process of its own.

    Parameters
    ----------
    project : Path
        The project's folder.
    serverapp : str
        ``module:attribute``.
    python : Path, optional
        The interpreter of its environment; this one's if None.
    save_model : bool
        Keep what its strategy returns, in the results.
    keep_best : str, optional
        The metric by which the best model is kept, too, perhaps with ``:min`` or ``:max``.
    """

    project: Path
    serverapp: str
    python: Path | None = None
    save_model: bool = False
    keep_best: str | None = None


@contextmanager
def _stoppable(
    session: Session, grid: SyftGrid, run: str, fail: Callable[[BaseException], None]
) -> Iterator[None]:
    with (
        on_interrupt(lambda: fail(KeyboardInterrupt()), raises=True),
        stop_requested(session.channel.directory, run, fail),
    ):
        yield


def run_here(
    session: Session,
    load: Callable[[], ServerApp],
    grid: SyftGrid,
    context: Context,
    seed: str,
    dependencies: Sequence[str],
) -> None:
    """Run the app that ``load`` gives in this process."""
    runtime.seed_everything(int(seed, 16), dependencies)
    with _stoppable(session, grid, str(context.run_id), grid.outbox.fail):
        app = load()
        runtime.seed_everything(int(seed, 16), dependencies)
        runtime.run_server(grid, context, app)


def run_in_process(
    session: Session,
    app: AppInProject,
    grid: SyftGrid,
    context: Context,
    seed: str,
    dependencies: Sequence[str],
) -> None:
    """Run a project's app in a process of its own; ``context`` gets the state that it left.

    Raises
    ------
    AppFailed, SyftFlwrError
        See `ServerProcess.run`.
    """
    folder = open_run_folder(session.channel.directory, str(context.run_id), app.project)
    process = ServerProcess(
        project=app.project,
        working=folder.working,
        serverapp=app.serverapp,
        log=session.channel.directory / "logs" / "app.log",
        python=app.python,
        environment={
            APP_NAME_VARIABLE: session.settings.app_name,
            RESULTS_VARIABLE: str(folder.results),
            "PWD": str(folder.working),
        },
        keep={"folder": str(folder.results), "model": app.save_model, "best": app.keep_best}
        if app.save_model or app.keep_best
        else None,
    )

    def fail(error: BaseException) -> None:
        grid.outbox.fail(error)
        process.interrupt()

    try:
        with _stoppable(session, grid, str(context.run_id), fail):
            process.run(grid, context, seed, dependencies)
    finally:
        folder.close()


def keep_context(directory: Path, context: Context) -> Path:
    """Keep the final context of a run with its results; the folder of these."""
    results = make_private_dir(results_dir(directory, str(context.run_id)))
    write_private(results / CONTEXT_FILE, state_bytes(context))
    return results


def kept_context(directory: Path, context: Context) -> Path:
    """Give ``context`` the state that `keep_context` kept of its run; the folder of the results."""
    results = results_dir(directory, str(context.run_id))
    with suppress(FileNotFoundError):
        context.state = state_from((results / CONTEXT_FILE).read_bytes())
    return results


def named(error: BaseException) -> str:
    """An error of an app, by its class and text."""
    return str(error) if isinstance(error, AppFailed) else f"{type(error).__name__}: {error}"
