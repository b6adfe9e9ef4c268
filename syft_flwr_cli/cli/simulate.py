"""``syft-flwr simulate``: the whole federation on this machine, in as many processes as participants."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from syft_flwr_cli.cli.options import Json, LogFile, Quiet, RunConfig, Sandbox
from syft_flwr_cli.cli.results_options import KeepBest, SaveModel, check_results_options, words_for
from syft_flwr_cli.errors import EXIT_USAGE, SyftFlwrError, UsageError
from syft_flwr_cli.protocol.printable import shortened
from syft_flwr_cli.storage.paths import home
from syft_flwr_cli.transports.registry import check_transport
from syft_flwr_cli.ui import output

__all__ = ["register", "run_simulation"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr simulate study --json   ·   "
        'syft-flwr simulate study --datasites 5 --run-config "num-server-rounds=2" --keep'
    )
    def simulate(
        project: Annotated[
            Path, typer.Argument(help="The project's folder.", show_default="this folder")
        ] = Path(),
        datasites: Annotated[
            str | None,
            typer.Option(
                help="How many data owners, or which.", metavar="N|E,E", show_default="the project's"
            ),
        ] = None,
        mock_data: Annotated[
            str | None,
            typer.Option(
                help="Data folders, in the order of the data owners.", metavar="DIR,DIR", show_default=False
            ),
        ] = None,
        no_data: Annotated[
            bool, typer.Option("--no-data", help="The app loads or makes its own data.")
        ] = False,
        run_config: RunConfig = None,
        node_config: Annotated[
            str | None,
            typer.Option(help='Values for every node, as "k=v".', metavar="K=V", show_default=False),
        ] = None,
        enough: Annotated[
            str | None,
            typer.Option(help="Fewer answers than this end the run.", metavar="N|P%", show_default=False),
        ] = None,
        grace: Annotated[
            str | None,
            typer.Option(
                help="Wait so long for the others once --enough have answered; without it, for all.",
                metavar="TIME",
                show_default=False,
            ),
        ] = None,
        timeout: Annotated[
            str | None, typer.Option(help="How long an answer may take.", metavar="TIME", show_default=False)
        ] = None,
        python: Annotated[
            Path | None,
            typer.Option(
                help="Interpreter of the app's environment, on both sides.",
                metavar="PATH",
                show_default="the project's .venv, else this one",
            ),
        ] = None,
        sandbox: Sandbox = "auto",
        transport: Annotated[
            str | None,
            typer.Option(help="local, or gdrive with --emulator.", metavar="T", show_default="local"),
        ] = None,
        emulator: Annotated[
            bool, typer.Option("--emulator", help="With gdrive: an emulated Google Drive on this machine.")
        ] = False,
        keep: Annotated[
            bool, typer.Option("--keep", help="Keep messages, homes and logs, and say where.")
        ] = False,
        verbose: Annotated[
            bool, typer.Option("--verbose", "-v", help="Say what every participant says.")
        ] = False,
        save_model: SaveModel = False,
        keep_best: KeepBest = None,
        quiet: Quiet = False,
        log_file: LogFile = None,
        as_json: Json = False,
    ) -> int:
        """Run the whole federation on this machine: one process per participant, the real code path."""
        from syft_flwr_cli.services import simulation
        from syft_flwr_cli.ui.live.terminal import wanted

        if no_data and mock_data:
            raise UsageError(
                "--no-data and --mock-data exclude each other.", hint="Leave out one of the two."
            )
        if python is not None and not python.expanduser().exists():
            raise UsageError(
                f"There is no {python}.", hint="Give an existing interpreter with --python PATH."
            )
        options = [word for text in run_config or () for word in ("--run-config", _absolute(text))]
        options += [] if enough is None else ["--enough", enough]
        options += [] if grace is None else ["--grace", grace]
        options += [] if timeout is None else ["--timeout", timeout]
        check_results_options(keep_best, tensorboard=False)
        options += words_for(save_model=save_model, keep_best=keep_best)
        options += ["--quiet"] if quiet else []
        options += [] if log_file is None else ["--log-file", str(log_file.absolute())]
        federation = simulation.Federation(
            project=project,
            datasites=simulation.split_datasites(datasites),
            data=[Path(part) for part in mock_data.split(",")] if mock_data else [],
            server_options=options,
            client_options=[] if node_config is None else ["--node-config", node_config],
            transport=_transport(transport, emulator),
            python=None if python is None else python.expanduser().absolute(),
            sandbox=sandbox,
            no_data=no_data,
        )
        place = simulation.make_place()
        failed = False
        try:
            drive: AbstractContextManager[dict[str, str]] = _drive(place) if emulator else nullcontext({})
            with drive as environment:
                federation = replace(federation, environment=environment)
                if not mock_data and not no_data:
                    federation = _with_mock_data(federation, place)
                outcome = run_simulation(federation, place, verbose=verbose, quiet=quiet)
            # What was typed wrong needs no log: it is said already.
            failed = outcome.document["status"] == "error" and outcome.exit_code != EXIT_USAGE
            data = outcome.document["data"]
            if "results" in data:
                kept = simulation.keep_results(place, data["run_id"], home() / "simulations")
                data["results"] = None if kept is None else str(kept)
                if kept is not None:
                    output.note(f"What the apps left behind: {kept}")
        except SyftFlwrError:
            failed = True  # it names a file among the logs
            raise
        finally:
            if keep:
                output.note(f"Messages, homes and logs: {place}")
            else:
                simulation.remove_place(place, but_logs=failed)
                if failed and place.exists():
                    output.note(f"What was said: {place}")
        if as_json:
            output.emit_json(data, status=outcome.document["status"])
        else:
            _render(outcome, live=wanted(quiet=quiet, verbose=verbose))
        return int(outcome.exit_code)


def _with_mock_data(federation: Any, place: Path) -> Any:
    """With the mock data of the data set that the project asks for, if there are any here."""
    from syft_flwr_cli.project.config import load_project
    from syft_flwr_cli.services.mock_data import mock_data_for
    from syft_flwr_cli.services.simulation import names_for

    project = load_project(federation.project)
    datasites = federation.datasites or project.datasites or names_for(2)
    found = mock_data_for(home(), project, datasites, place / "mock")
    if found.folders:
        output.note(f"Mock data: the data set {found.name} of {', '.join(found.owners)}.")
    if found.problem:
        output.note(f"Mock data of {found.name} are missing: {found.problem}", "yellow")
    return replace(federation, data=found.folders)


def _absolute(text: str) -> str:
    return str(Path(text).expanduser().absolute()) if text.endswith(".toml") else text


def _transport(name: str | None, emulator: bool) -> str:
    chosen = check_transport(name) if name else "gdrive" if emulator else "local"
    if chosen == "syftbox":
        raise UsageError(
            "SyftBox is not simulated; its folders are those of the local transport.",
            hint="Leave --transport out, or use: --transport gdrive --emulator",
        )
    if (chosen == "gdrive") != emulator:
        raise UsageError(
            "A simulation uses Google Drive only through the emulator, and the emulator only for Drive.",
            hint="Use both: --transport gdrive --emulator",
        )
    return chosen


@contextmanager
def _drive(place: Path) -> Iterator[dict[str, str]]:
    """An emulated Drive while this lasts; the environment that leads the participants to it."""
    try:
        from syft_flwr_cli.testing import drive_emulator
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The Drive emulator is not installed ({error.name} is missing).",
            hint="Install it: pip install 'syft-flwr-cli[emulator]'",
        ) from error
    with drive_emulator.start(directory=place / "drive") as running:
        output.note(f"An emulated Google Drive listens at {running.endpoint}; no account is needed.")
        yield {
            "SYFT_FLWR_DRIVE_ENDPOINT": running.endpoint,
            "SYFT_FLWR_POLL_INTERVAL": os.environ.get("SYFT_FLWR_POLL_INTERVAL", "0.3"),
        }


def run_simulation(federation: Any, place: Path, *, verbose: bool, quiet: bool = False) -> Any:
    """Simulate, live on a terminal, and say what the aggregator says (with ``verbose``, everybody)."""
    from syft_flwr_cli.project.config import load_project
    from syft_flwr_cli.services import simulation
    from syft_flwr_cli.ui.live.followed import shown_from_home
    from syft_flwr_cli.ui.live.state import LiveState

    project = load_project(federation.project)
    aggregator = project.aggregator or simulation.AGGREGATOR

    def hear(who: str, line: str) -> None:
        if line.startswith((f"Results: {place}", "A page to read: ")):
            return  # they are moved elsewhere, and that is said then
        if verbose:
            output.note(f"{who:>28} | {shortened(line)}")
        elif who == aggregator:
            output.note(shortened(line))

    state = LiveState(project.name, aggregator)
    with shown_from_home(state, place / "homes" / aggregator, quiet=quiet, verbose=verbose):
        return simulation.simulate(federation, place, hear)


def _render(outcome: Any, *, live: bool) -> None:
    from syft_flwr_cli.ui.rounds import print_rounds

    data = outcome.document["data"]
    if outcome.document["status"] == "error":
        output.note(f"error: {data['error']}", style="bold red")
        return
    if not live:  # the last picture shows them
        print_rounds(data["rounds"])
    if data["missing"]:
        output.note(f"Finished, but without {', '.join(data['missing'])}.", style="bold yellow")
    else:
        count = len(data["datasites"])
        output.note(f"The run is complete: {count} data owners, {data['seconds']:.1f} s.", style="bold green")
