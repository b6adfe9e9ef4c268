"""``syft-flwr bootstrap``: a Flower project becomes a federated one; and ``run``, for its main.py."""

import time
from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import CreateRoot

__all__ = ["register"]

EPILOG = (
    "Example: syft-flwr bootstrap my-flower-app --aggregator ds@lab.example "
    "--datasites do1@a.example,do2@b.example"
)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``, and ``run``, which is not listed."""

    @app.command("bootstrap", epilog=EPILOG)
    def federate_project(
        project: Annotated[Path, typer.Argument(help="Folder of the Flower project.")] = Path(),
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
        force: Annotated[
            bool, typer.Option("--force", help="Replace a main.py, or values, that you wrote.")
        ] = False,
        create_root: CreateRoot = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Show what would be changed; change nothing.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    ) -> None:
        """Turn an existing Flower project into a federated one.

        Writes \\[tool.syft_flwr] and one dependency into pyproject.toml, and a main.py. It can be repeated.
        The keys of participants that are known here, or published in --root, are pinned by their fingerprints.
        """
        from syft_flwr_cli.cli import federation
        from syft_flwr_cli.cli.asking import confirmation
        from syft_flwr_cli.project.config import load_project, split_emails
        from syft_flwr_cli.project.plan import apply
        from syft_flwr_cli.project.scaffold import plan_bootstrap
        from syft_flwr_cli.services import federating
        from syft_flwr_cli.services.shared_root import check_root
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.transports.registry import check_transport

        check_root(root, create=create_root, confirm=confirmation(as_json=as_json), dry_run=dry_run)
        here, found = home(), load_project(project)
        owners = split_emails(datasites)
        way = check_transport(transport) if transport else None
        keys = federating.keys_of(here, found, aggregator, owners, way, root)
        plan = plan_bootstrap(
            found,
            aggregator=aggregator,
            datasites=owners,
            transport=way,
            created=int(time.time()),
            force=force,
            fingerprints=federating.pins(found, keys),
        )
        if dry_run:
            federation.show_plan(plan, as_json=as_json)
            return
        apply(plan)
        federated = load_project(project)
        federating.remember_here(here, federated, root)
        federation.report(plan, federated, root, keys, as_json=as_json, again=found.app_name is not None)

    @app.command(
        "run",
        hidden=True,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
        epilog="Example: SYFTBOX_EMAIL=do1@a.example syft-flwr run study",
    )
    def run_my_part(
        context: typer.Context,
        project: Annotated[Path, typer.Argument(help="Folder of the project.")] = Path(),
        email: Annotated[str | None, typer.Option("--email", metavar="E", help="Who you are.")] = None,
        transport: Annotated[str | None, typer.Option("--transport", help="As in run-server.")] = None,
        root: Annotated[Path | None, typer.Option("--root", help="As in run-server.")] = None,
    ) -> None:
        """Run the server or a client, by whose e-mail it is; other options are handed on."""
        from syft_flwr_cli.cli.main import run
        from syft_flwr_cli.project.config import load_project
        from syft_flwr_cli.project.settings import resolve
        from syft_flwr_cli.storage.paths import home

        settings = resolve(
            load_project(project),
            home=home(),
            email=email,
            transport=transport,
            root=root,
        )
        words = ["run-server" if settings.role == "aggregator" else "run-client", str(project)]
        given = {"--email": email, "--transport": transport, "--root": root}
        for flag, value in given.items():
            words += [] if value is None else [flag, str(value)]
        run([*words, *context.args])
