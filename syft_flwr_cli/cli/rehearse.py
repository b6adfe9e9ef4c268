"""``syft-flwr rehearse``: run what is to be approved on one's own data, with nothing sent, and see what would leave."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import AllowEnv, AllowNet, AllowPath, Email, Json, ProjectPath, Sandbox
from syft_flwr_cli.ui import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog="Example: syft-flwr rehearse study --email do1@a.example --data ~/records")
    def rehearse(
        project: ProjectPath = Path(),
        email: Email = None,
        data: Annotated[
            Path | None,
            typer.Option(
                help="Your data: what the app sees as DATA_DIR.", metavar="DIR", show_default="none"
            ),
        ] = None,
        sandbox: Sandbox = "auto",
        memory_limit: Annotated[
            str | None,
            typer.Option(help="What the app may allocate, such as 4G.", metavar="SIZE", show_default=False),
        ] = None,
        timeout: Annotated[str, typer.Option(help="How long it may take.", metavar="TIME")] = "10m",
        allow_net: AllowNet = None,
        allow_env: AllowEnv = None,
        allow_path: AllowPath = None,
        verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say every message.")] = False,
        as_json: Json = False,
    ) -> int:
        """Run exactly these files on your data, in the sandbox, against a stand-in, and show what would leave.

        Nothing is sent and nothing is decided: messages and keys of a rehearsal lie in a temporary folder.
        """
        from syft_flwr_cli.cli.run_client import size_of
        from syft_flwr_cli.errors import EXIT_OK, UsageError
        from syft_flwr_cli.events import nobody
        from syft_flwr_cli.project.config import load_project
        from syft_flwr_cli.project.duration import parse_duration
        from syft_flwr_cli.protocol.grants import parse_grants
        from syft_flwr_cli.services import rehearsal
        from syft_flwr_cli.services.current_participant import current_participant
        from syft_flwr_cli.services.joining import locate
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter
        from syft_flwr_cli.ui.rehearsal import rehearsal_facts, show_rehearsal

        here = home()
        who = current_participant(here, email)
        if data is not None and not data.expanduser().exists():
            raise UsageError(f"There is no {data}.", hint="Give the folder with your data with --data DIR.")
        folder = locate(here, project, email)
        done = rehearsal.rehearse(
            rehearsal.RehearsalSetup(
                home=here,
                email=who,
                project=load_project(folder),
                data=None if data is None else data.expanduser().absolute(),
                grants=parse_grants(allow_net or (), allow_env or (), allow_path or ()),
                sandbox=sandbox,
                memory_limit=size_of(memory_limit),
                seconds=parse_duration(timeout, "--timeout"),
            ),
            ConsoleReporter(verbose) if verbose else nobody,
        )
        if as_json:
            output.emit_json(rehearsal_facts(done), status="ok" if done.problem is None else "incomplete")
        else:
            show_rehearsal(done)
            output.note(
                f"next: syft-flwr review {quote(str(folder))} --email {who} --approve --digest {done.digest[:16]}"
            )
        return EXIT_OK if done.problem is None else 1
