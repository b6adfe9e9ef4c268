"""``syft-flwr run-server``: run the project's ServerApp, or take up its unfinished run."""

import logging
import re
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from syft_flwr_cli.cli.asking import confirmation, same_command
from syft_flwr_cli.cli.options import (
    CreateRoot,
    Datasites,
    Email,
    Json,
    LogFile,
    MetricsFile,
    ProjectPath,
    Quiet,
    Root,
    RunConfig,
    SyftboxConfig,
    TransportName,
)
from syft_flwr_cli.cli.results_options import KeepBest, SaveModel, TensorBoard, check_results_options
from syft_flwr_cli.errors import (
    EXIT_INTERRUPTED,
    EXIT_MISSING_OWNERS,
    EXIT_OK,
    SyftFlwrError,
    UsageError,
)
from syft_flwr_cli.events import Publisher
from syft_flwr_cli.project.config import load_project, require_federated, split_emails
from syft_flwr_cli.project.settings import remember, resolve
from syft_flwr_cli.services.run_log import RunLog
from syft_flwr_cli.services.shared_root import check_store
from syft_flwr_cli.storage.paths import app_dir, home
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.console_reporter import ConsoleReporter, log_to

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        "run-server",
        epilog="Examples: syft-flwr run-server --root /shared --email ds@lab.example   ·   "
        'syft-flwr run-server study --run-config "num-server-rounds=5" --timeout 24h',
    )
    def run_server(
        project: ProjectPath = Path(),
        datasites: Datasites = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        create_root: CreateRoot = False,
        syftbox_config: SyftboxConfig = None,
        run_config: RunConfig = None,
        timeout: Annotated[
            str | None,
            typer.Option(
                help="How long an answer may take: 90s, 15m, 24h.", metavar="TIME", show_default=False
            ),
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
        another: Annotated[
            bool,
            typer.Option("--another", help="Begin a run beside one that goes on, or take up such a one."),
        ] = False,
        run_id: Annotated[
            str | None,
            typer.Option(
                "--run-id", help="The run's own id; one that has it already is taken up.", hidden=True
            ),
        ] = None,
        python: Annotated[
            Path | None,
            typer.Option(
                help="Interpreter of the app's environment.",
                show_default="the project's .venv, else this one",
            ),
        ] = None,
        fresh: Annotated[
            bool, typer.Option("--fresh", help="Withdraw an unfinished run; begin anew.")
        ] = False,
        accept_divergence: Annotated[
            bool,
            typer.Option(
                "--accept-divergence", help="Go on live where the ServerApp does not repeat itself."
            ),
        ] = False,
        start_with: Annotated[
            str | None,
            typer.Option(
                "--start-with",
                help="Of a shared project: begin once so many have approved it.",
                metavar="N|P%",
                show_default="all have decided",
            ),
        ] = None,
        require_verified: Annotated[
            bool, typer.Option("--require-verified", help="Refuse peers whose key was never compared.")
        ] = False,
        save_model: SaveModel = False,
        keep_best: KeepBest = None,
        tensorboard: TensorBoard = False,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say every message.")] = False,
        quiet: Quiet = False,
        log_file: LogFile = None,
        metrics_file: MetricsFile = None,
        as_json: Json = False,
    ) -> int:
        """Run the project's ServerApp; take up its unfinished run if there is one.

        Of a project that was shared, the run begins when all data owners who were asked have decided, and goes
        on with those who approved; who approves later takes part from the next round.
        """
        check_results_options(keep_best, tensorboard=tensorboard)
        if run_id is not None and not re.fullmatch(r"[1-9][0-9]{0,18}", run_id):
            raise UsageError(
                f"{run_id[:40]!r} is no run's id.", hint="It is a whole number of up to 19 digits."
            )
        found = load_project(project)
        here = home()
        settings = resolve(
            found,
            home=here,
            role="aggregator",
            email=email,
            datasites=split_emails(datasites) if datasites else None,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
            timeout=timeout,
            enough=enough,
            grace=grace,
        )
        if found.app_name is None:
            require_federated(found)
        from syft_flwr_cli.aggregator import runs
        from syft_flwr_cli.aggregator.run_recorder import RunRecorder
        from syft_flwr_cli.flower import runtime
        from syft_flwr_cli.services import participation
        from syft_flwr_cli.services.metrics_file import kept_metrics
        from syft_flwr_cli.session import session
        from syft_flwr_cli.ui.live.state import LiveState
        from syft_flwr_cli.ui.live.terminal import shown, wanted

        rule = participation.parse_start_rule(start_with)
        # What the library logs is said here in a sentence, and with its traceback only under --debug.
        logging.getLogger("syft_flwr").addHandler(logging.NullHandler())
        override = runtime.parse_run_config(run_config)
        config = runtime.fused_run_config(found.path, override)
        emit = Publisher(ConsoleReporter(verbose, quiet=quiet))
        if log_file is not None:
            emit.add(log_to(log_file))
        check_store(settings, emit, create=create_root, confirm=confirmation(as_json=as_json))
        kept = app_dir(here, settings.email, settings.app_name)
        emit.add(RunLog(kept))
        emit.add(RunRecorder(kept))
        opened = session.open_session(
            settings,
            here,
            emit=emit,
            fingerprints=found.fingerprints,
            require_verified=require_verified,
            exclusive=not another and run_id is None,
        )
        partakers: participation.Participation | None = None
        try:
            remember(here, settings.app_name, email=settings.email, root=root)
            partakers = participation.begin(opened, here, found, rule, fresh=fresh, run=run_id)
            options = runs.RunOptions(
                run_config=override,
                fresh=fresh,
                another=another,
                run=run_id,
                accept_divergence=accept_divergence,
                code=_code(found.path),
                dependencies=_dependencies(found.raw),
                members=None if partakers is None else partakers.members,
                app=runs.AppInProject(
                    found.path, found.serverapp, _interpreter(python, found.path), save_model, keep_best
                ),
            )
            context = runtime.make_context(0, runtime.SERVER_NODE_ID, config)
            state = LiveState(found.name, settings.email)
            with (
                kept_metrics(metrics_file, here, settings.email, "run-server", emit, output.note),
                shown(state, emit, quiet=quiet, verbose=verbose, spent=opened.spent),
            ):
                result = runs.run_server_app(opened, None, context, options)
            _keep(here, opened, result.run, tensorboard=tensorboard)
            code = _report(
                result,
                opened,
                as_json,
                live=wanted(quiet=quiet, verbose=verbose),
                kept=save_model or keep_best is not None,
            )
            runs.told(opened, result)
            return code
        except KeyboardInterrupt:
            return _paused(opened, project, as_json)
        finally:
            if partakers is not None:
                partakers.close()
            opened.close()


def _keep(here: Path, opened: Any, run: str, *, tensorboard: bool) -> None:
    """Write what is read of a run later beside its results; where that fails, the run has ended all the same."""
    from syft_flwr_cli.aggregator.run_folder import results_dir
    from syft_flwr_cli.services.run_report import find_reported_run, report_of
    from syft_flwr_cli.services.run_results import write_results
    from syft_flwr_cli.ui.report.page import render

    try:
        report = report_of(here, find_reported_run(here, run, opened.settings.email))
        write_results(opened.channel.directory, report, render(report))
        if tensorboard:
            from syft_flwr_cli.services.tensorboard import write_event_files

            write_event_files(results_dir(opened.channel.directory, run) / "tensorboard", report)
    except (OSError, SyftFlwrError) as error:
        said = error.what if isinstance(error, SyftFlwrError) else str(error)
        output.note(
            f"The report was not written: {said} Write it with: syft-flwr report {run}", style="yellow"
        )


def _code(path: Path) -> str:
    from syft_flwr_cli.consent.manifest import make_manifest

    return make_manifest(path).digest


def _interpreter(given: Path | None, project: Path) -> Path | None:
    if given is None:
        from syft_flwr_cli.consent.environment import find_interpreter

        return find_interpreter(project)
    if not given.exists():
        raise UsageError(f"There is no {given}.", hint="Give an existing interpreter with --python PATH.")
    return given.absolute()


def _dependencies(raw: Any) -> list[str]:
    return [str(line) for line in raw.get("project", {}).get("dependencies", [])]


def _paused(opened: Any, project: Path, as_json: bool) -> int:
    settings = opened.settings
    stop = shlex.join(["syft-flwr", "stop", str(project), "--email", settings.email])
    if as_json:
        data = {"app_name": settings.app_name, "next": same_command(), "stop": stop}
        output.emit_json(data, status="interrupted")
    output.note("Paused; the data owners stay.", style="bold")
    output.note(f"Go on: {same_command()} · End it: {stop}")
    return EXIT_INTERRUPTED


def _report(result: Any, opened: Any, as_json: bool, *, live: bool, kept: bool) -> int:
    settings, error = opened.settings, result.error
    data = {
        "run_id": result.run,
        "app_name": settings.app_name,
        "transport": settings.transport,
        "root": str(settings.root) if settings.root else None,
        "datasites": list(settings.datasites),
        "missing": result.missing,
        "resumed": result.resumed,
        "earlier": result.earlier,
        "seconds": round(result.seconds, 3),
        "rounds": result.rounds,
        "data": result.data,
        "results": str(result.results) if result.results else None,
    }
    if not as_json and not live:  # the last picture shows them
        from syft_flwr_cli.ui.rounds import print_rounds

        print_rounds(result.rounds)
    if error is not None:
        return _report_failure(error, data, as_json)
    if as_json:
        output.emit_json(data, status="incomplete" if result.missing else "ok")
    for use in ("mock", "none"):
        if some := [who for who, what in result.data.items() if what == use]:
            said = "on mock data" if use == "mock" else "without data"
            output.note(f"{_listed(some)} ran {said}, as they say.", style="yellow")
    if result.missing:
        output.note(f"Finished, but without {', '.join(result.missing)}.", style="bold yellow")
    else:
        output.note(f"Run {result.run} is complete ({result.seconds:.1f} s).", style="bold green")
    if result.results:
        output.note(f"Results: {result.results}")
        models = sorted(one.name for one in result.results.glob("*.safetensors"))
        if models:
            output.note(f"Models among them: {', '.join(models)}")
        elif kept:
            output.note("No strategy of the app has returned arrays, so no model is kept.", style="yellow")
        output.note(f"A page to read: syft-flwr report {result.run}")
    if result.earlier:
        output.note("It was so when the process ended that ran it. Type the same again to begin a new run.")
    return EXIT_MISSING_OWNERS if result.missing else EXIT_OK


def _listed(emails: list[str]) -> str:
    return emails[0] if len(emails) == 1 else f"{', '.join(emails[:-1])} and {emails[-1]}"


def _named(error: BaseException) -> str:
    from syft_flwr_cli.aggregator.runs import named

    return named(error)


def _report_failure(error: BaseException, data: dict[str, Any], as_json: bool) -> int:
    failure = error
    if not isinstance(failure, SyftFlwrError):
        failure = SyftFlwrError(
            f"The ServerApp failed: {_named(error)}",
            hint="The data owners were told to stop. Correct the app and run it again; "
            "--debug shows where it failed.",
        )
        failure.__cause__ = error
    if not as_json:
        raise failure
    try:
        raise failure
    except SyftFlwrError:
        output.fail(failure.what, failure.hint, failure.exit_code, as_json=False)
    told = {"error": failure.what, "hint": failure.hint, "exit_code": failure.exit_code}
    output.emit_json({**data, **told}, status="error")
    return failure.exit_code
