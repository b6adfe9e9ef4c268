"""``syft-flwr init``: a new federated Flower project from a template."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import click
import typer

from syft_flwr_cli.cli import completing
from syft_flwr_cli.cli.options import CreateRoot
from syft_flwr_cli.errors import UsageError

__all__ = ["register"]

EPILOG = (
    "Example: syft-flwr init study --template tabular --aggregator ds@lab.example "
    "--datasites do1@a.example,do2@b.example"
)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command("init", epilog=EPILOG)
    def new_project(
        name: Annotated[
            str | None, typer.Argument(help="Name of the project, and the folder that is made.")
        ] = None,
        template: Annotated[
            str | None,
            typer.Option(
                "--template",
                help="numpy, tabular, pytorch, analytics, secagg or xgboost.",
                show_default="numpy",
                autocompletion=completing.templates,
            ),
        ] = None,
        aggregator: Annotated[
            str | None, typer.Option("--aggregator", metavar="E", help="E-mail of who runs the server.")
        ] = None,
        datasites: Annotated[
            str | None, typer.Option("--datasites", metavar="E,E", help="E-mails of the data owners.")
        ] = None,
        transport: Annotated[
            str | None,
            typer.Option("--transport", help="local, syftbox or gdrive.", show_default="local"),
        ] = None,
        root: Annotated[
            Path | None,
            typer.Option(
                "--root", metavar="DIR", help="The shared folder on this machine; remembered here only."
            ),
        ] = None,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Never ask; take the defaults.")] = False,
        create_root: CreateRoot = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    ) -> None:
        """Make a new Flower project that is ready to be federated.

        With a terminal it asks for what is missing.
        """
        from syft_flwr_cli.cli import federation
        from syft_flwr_cli.cli.asking import confirmation
        from syft_flwr_cli.project.config import check_participants, load_project, split_emails
        from syft_flwr_cli.project.plan import apply
        from syft_flwr_cli.project.scaffold import TEMPLATES, plan_init
        from syft_flwr_cli.protocol.names import check_email
        from syft_flwr_cli.services import federating
        from syft_flwr_cli.services.shared_root import check_root
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.transports.registry import check_transport

        asks = sys.stdin.isatty() and not yes
        if not name:
            name = _ask(
                asks, "Name of the project", "The project has no name.", "as in: syft-flwr init study"
            )
        if not template:
            template = _choose(asks, f"Template ({', '.join(TEMPLATES)})", TEMPLATES[0])
        if not aggregator:
            aggregator = _ask(
                asks,
                "E-mail of the aggregator",
                "Who aggregates is not known.",
                "with --aggregator E",
                check_email,
            )
        if not split_emails(datasites):
            datasites = _ask(
                asks,
                "E-mails of the data owners, with commas between",
                "Who owns the data is not known.",
                "with --datasites E,E",
                lambda text: ",".join(check_participants(aggregator, split_emails(text))[1]),
            )
        if not transport:
            transport = _choose(asks, "Transport (local, syftbox, gdrive)", "local")
        check_root(root, create=create_root, confirm=confirmation(as_json=as_json), dry_run=dry_run)
        plan = plan_init(
            Path(name),
            template=template,
            aggregator=aggregator,
            datasites=split_emails(datasites),
            transport=check_transport(transport),
            created=int(time.time()),
        )
        if dry_run:
            federation.show_plan(plan, as_json=as_json)
            return
        apply(plan)
        project = load_project(plan.folder)
        federating.remember_here(home(), project, root)
        federation.report(plan, project, root, as_json=as_json)


def _ask(asks: bool, question: str, missing: str, give: str, check: Callable[[str], str] = str.strip) -> str:
    """What the person types; asked again, with the reason, until ``check`` takes it."""
    if not asks:
        raise UsageError(missing, hint=f"Give it {give}.")

    def take(text: str) -> str:
        try:
            return check(text)
        except UsageError as error:
            raise click.BadParameter(f"{error.what} {error.hint}") from error

    return str(typer.prompt(question, err=True, value_proc=take))


def _choose(asks: bool, question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, err=True)).strip() if asks else default
