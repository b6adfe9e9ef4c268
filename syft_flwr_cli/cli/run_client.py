"""``syft-flwr run-client``: run the project's ClientApp on a data owner's machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from syft_flwr_cli.cli.options import (
    CreateRoot,
    Email,
    Gpu,
    Json,
    LogFile,
    ProjectPath,
    Quiet,
    Root,
    Sandbox,
    SyftboxConfig,
    TransportName,
    Wheels,
)
from syft_flwr_cli.errors import EXIT_INTERRUPTED, EXIT_OK, UsageError
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.execution.sandbox.capabilities import Capability

__all__ = ["register", "sandbox_sentence", "size_of"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        "run-client",
        epilog="Examples: syft-flwr run-client study --email do1@a.example --root /shared --data ~/records   ·   "
        "syft-flwr run-client study --mock",
    )
    def run_client(
        project: ProjectPath = Path(),
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        create_root: CreateRoot = False,
        syftbox_config: SyftboxConfig = None,
        data: Annotated[
            Path | None,
            typer.Option(help="Your data: what the app sees as DATA_DIR.", metavar="DIR", show_default=False),
        ] = None,
        mock: Annotated[bool, typer.Option("--mock", help="Run on data that the app makes up.")] = False,
        no_data: Annotated[bool, typer.Option("--no-data", help="The app needs no data.")] = False,
        dataset: Annotated[
            str | None,
            typer.Option(
                "--dataset",
                help="A data set of yours (syft-flwr data add).",
                metavar="NAME",
                show_default=False,
            ),
        ] = None,
        node_config: Annotated[
            str | None, typer.Option(help='Values for the app, as "k=v".', metavar="K=V", show_default=False)
        ] = None,
        keep_alive: Annotated[
            bool, typer.Option("--keep-alive", help="Wait for the next run when one is over.")
        ] = False,
        isolation: Annotated[
            str, typer.Option(help="Where the app runs: subprocess or inline.", metavar="MODE")
        ] = "subprocess",
        wheels: Wheels = None,
        python: Annotated[
            Path | None,
            typer.Option(
                help="Interpreter of the app's environment.",
                show_default="the project's .venv as it was approved, else this one",
            ),
        ] = None,
        memory_limit: Annotated[
            str | None,
            typer.Option(help="What the app may allocate, such as 4G.", metavar="SIZE", show_default=False),
        ] = None,
        sandbox: Sandbox = "auto",
        gpu: Gpu = False,
        require_verified: Annotated[
            bool,
            typer.Option("--require-verified", help="Refuse an aggregator whose key was never compared."),
        ] = False,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say every message.")] = False,
        quiet: Quiet = False,
        log_file: LogFile = None,
        as_json: Json = False,
    ) -> int:
        """Run the ClientApp on your data until the aggregator ends the run."""
        if isolation not in ("subprocess", "inline"):
            raise UsageError(f"Unknown isolation {isolation!r}.", hint="Use subprocess or inline.")
        project = _folder(project, email)

        from syft_flwr_cli.cli.asking import confirmation
        from syft_flwr_cli.events import Publisher
        from syft_flwr_cli.node import node
        from syft_flwr_cli.project.config import load_project
        from syft_flwr_cli.project.settings import named_email, remember, resolve
        from syft_flwr_cli.project.values import parse_values
        from syft_flwr_cli.services import owner_app
        from syft_flwr_cli.services.data_choice import choose_data, remember_data
        from syft_flwr_cli.services.joining import receiver_of
        from syft_flwr_cli.services.shared_root import check_store
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter, log_to
        from syft_flwr_cli.ui.live.state import LiveState
        from syft_flwr_cli.ui.live.terminal import shown, wanted

        found = load_project(project)
        here = home()
        settings = resolve(
            found,
            home=here,
            role="data owner",
            email=named_email(email) or receiver_of(here, project),
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
            data=data,
        )
        options = owner_app.AppOptions(
            keep_alive=keep_alive,
            isolation=isolation,
            python=python,
            wheels=wheels,
            memory_limit=size_of(memory_limit),
            sandbox=sandbox,
            gpu=gpu,
            node_config=parse_values(node_config, "--node-config"),
        )
        emit = Publisher(ConsoleReporter(verbose, quiet=quiet, live=wanted(quiet=quiet, verbose=verbose)))
        if log_file is not None:
            emit.add(log_to(log_file))
        check_store(settings, emit, create=create_root, confirm=confirmation(as_json=as_json))
        choice = choose_data(
            settings, here, data=data, mock=mock, no_data=no_data, dataset=dataset, project=found
        )
        app = owner_app.prepare_app(here, found, settings, choice, options)
        if app.code.environment is not None:
            output.note(
                f"The app runs in the project's environment {app.code.environment.root}, as you approved it."
            )
        output.note(sandbox_sentence(app.sandbox))
        early = owner_app.start_worker(app, here)
        if early is not None:
            click.get_current_context().call_on_close(early.end)
        opened = owner_app.open_app(app, here, emit=emit, require_verified=require_verified, early=early)
        session, checks = opened.session, opened.gate
        try:
            remember(here, settings.app_name, email=settings.email, root=root)
            remember_data(here, settings, choice)
            with shown(LiveState(found.name, settings.email), emit, quiet=quiet, verbose=verbose):
                result = node.run_node(session, opened.runner, app.options, checks, checks.over, checks.hold)
            if checks.closed is not None:
                node.told(session, result)
                raise checks.closed
            if as_json:
                runs = [{"run_id": s.run, "reason": s.reason, "answered": s.answered} for s in result.stopped]
                output.emit_json(
                    {"email": settings.email, "app_name": settings.app_name, "runs": runs},
                    status="interrupted" if result.interrupted else "ok",
                )
            node.told(session, result)
        finally:
            session.close()
        if result.interrupted:
            output.note("Interrupted; nothing is lost. The same command goes on.", style="bold")
            return EXIT_INTERRUPTED
        return EXIT_OK


def _folder(project: Path, email: str | None) -> Path:
    """The project's folder; ``project`` may be the name of one that was offered."""
    from syft_flwr_cli.services.joining import locate
    from syft_flwr_cli.storage.paths import home

    return locate(home(), project, email)


def sandbox_sentence(chosen: "Capability") -> str:
    """What an app runs in, for the person at the screen."""
    if chosen.kind == "none":
        return "The app runs without a sandbox: it can do what you can."
    weak = chosen.unenforced()
    lacks = f"; not enforced here: {', '.join(weak)}" if weak else ""
    return f"The app runs in a sandbox ({chosen.kind}: {chosen.why}{lacks})."


def size_of(text: str | None) -> int | None:
    """What ``--memory-limit`` says, in bytes; `UsageError` if it is no size."""
    if text is None:
        return None
    units = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    plain = text.strip().lower().removesuffix("b").removesuffix("i")
    unit = plain[-1:] if plain[-1:] in ("k", "m", "g") else ""
    number = plain.removesuffix(unit)
    if not number.replace(".", "", 1).isdecimal():
        raise UsageError(f"--memory-limit {text!r} is no size.", hint="Write it as 500M or 4G.")
    return int(float(number) * units[unit])
