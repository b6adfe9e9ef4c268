"""``syft-flwr run-client``: run the project's ClientApp on a data owner's machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from syft_flwr_cli.cli.options import Email, Json, ProjectPath, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import EXIT_INTERRUPTED, EXIT_OK, UsageError

if TYPE_CHECKING:
    from syft_flwr_cli.execution.worker_process import WorkerProcess

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        "run-client",
        epilog="Example: syft-flwr run-client study --email do1@a.example --root /shared --data ~/records",
    )
    def run_client(
        project: ProjectPath = Path(),
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        data: Annotated[
            Path | None,
            typer.Option(help="Your data: what the app sees as DATA_DIR.", metavar="DIR", show_default=False),
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
        require_verified: Annotated[
            bool,
            typer.Option("--require-verified", help="Refuse an aggregator whose key was never compared."),
        ] = False,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say every message.")] = False,
        as_json: Json = False,
    ) -> int:
        """Run the ClientApp on your data until the aggregator ends the run."""
        if isolation not in ("subprocess", "inline"):
            raise UsageError(f"Unknown isolation {isolation!r}.", hint="Use subprocess or inline.")
        early = _begin_to_import(project) if isolation == "subprocess" and python is None else None

        from syft_flwr_cli.consent import gate
        from syft_flwr_cli.node import node
        from syft_flwr_cli.project.config import load_project
        from syft_flwr_cli.project.settings import remember, resolve
        from syft_flwr_cli.project.values import parse_values
        from syft_flwr_cli.session import session
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui import output
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        found = load_project(project)
        here = home()
        settings = resolve(
            found,
            home=here,
            role="data owner",
            email=email,
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
            data=data,
        )
        if settings.data is not None and not settings.data.exists():
            raise UsageError(
                f"There is no {settings.data}.", hint="Give the folder with your data with --data DIR."
            )
        interpreter = _interpreter(python)
        own = interpreter is None and isolation == "subprocess"
        code = gate.approved_code(here, settings.email, found, with_environment=own)
        if code.environment is not None:
            interpreter = code.environment.interpreter
            output.note(
                f"The app runs in the project's environment {code.environment.root}, as you approved it."
            )
        options = node.NodeOptions(
            keep_alive=keep_alive,
            code=code.digest,
            mods=code.policy.required_mods,
            isolation=isolation,
            python=interpreter,
            environment=None if code.environment is None else code.environment.digest,
            check=code.check_environment,
            elsewhere=found.path,
            memory_limit=_size(memory_limit),
            node_config=parse_values(node_config, "--node-config"),
        )
        opened = session.open_session(
            settings,
            here,
            emit=ConsoleReporter(verbose),
            fingerprints=found.fingerprints,
            require_verified=require_verified,
        )
        try:
            remember(here, settings.app_name, email=settings.email, root=root, data=data)
            app = load_project(code.copy).clientapp
            # Should an environment have turned up since, the app runs in that.
            early = early if interpreter is None else None
            runner = node.make_runner(opened, code.copy, app, options, early)
            checks = gate.Gate(code, opened.me.journal, len(settings.datasites))
            result = node.run_node(opened, runner, options, checks, checks.over)
            if checks.closed is not None:
                node.told(opened, result)
                raise checks.closed
            if as_json:
                runs = [{"run_id": s.run, "reason": s.reason, "answered": s.answered} for s in result.stopped]
                output.emit_json(
                    {"email": settings.email, "app_name": settings.app_name, "runs": runs},
                    status="interrupted" if result.interrupted else "ok",
                )
            node.told(opened, result)
        finally:
            opened.close()
        if result.interrupted:
            output.note("Interrupted; nothing is lost. The same command goes on.", style="bold")
            return EXIT_INTERRUPTED
        return EXIT_OK


def _begin_to_import(project: Path) -> "WorkerProcess | None":
    """The worker's process, if it is this interpreter that runs the app.

    Importing flwr takes longer than all else that a start needs, and needs nothing of the project, approved
    or not.
    """
    project = project.parent if project.name == "pyproject.toml" else project
    if (project / ".venv").exists():
        return None
    from syft_flwr_cli.execution.worker_process import WorkerProcess
    from syft_flwr_cli.storage.paths import home

    early = WorkerProcess(elsewhere=project.absolute(), copies=home())
    click.get_current_context().call_on_close(early.end)
    return early


def _interpreter(given: Path | None) -> Path | None:
    if given is None:
        return None
    if not given.exists():
        raise UsageError(f"There is no {given}.", hint="Give an existing interpreter with --python PATH.")
    return given.absolute()


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    units = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
    plain = text.strip().lower().removesuffix("b").removesuffix("i")
    unit = plain[-1:] if plain[-1:] in ("k", "m", "g") else ""
    number = plain.removesuffix(unit)
    if not number.replace(".", "", 1).isdecimal():
        raise UsageError(f"--memory-limit {text!r} is no size.", hint="Write it as 500M or 4G.")
    return int(float(number) * units[unit])
