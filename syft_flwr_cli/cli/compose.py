"""``syft-flwr compose``: a message by hand, from a description in JSON into one's own outbox."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import Email, Json, ProjectPath, Root, SyftboxConfig, TransportName
from syft_flwr_cli.ui import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr compose message.json study --root /shared   ·   "
        "syft-flwr compose reply.json study --email do1@a.example --answers 0b6f….request"
    )
    def compose(
        description: Annotated[
            Path, typer.Argument(help="What to send: as inspect --values --json shows it.", metavar="JSON")
        ],
        project: ProjectPath = Path(),
        answers: Annotated[
            Path | None,
            typer.Option(
                "--answers", help="The request that it answers.", metavar="FILE", show_default=False
            ),
        ] = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Seal and sign a message by hand and put it into your own outbox, to play an exchange file by file.

        It stands in your audit log. No run knows of it, so nothing here waits for an answer.
        """
        from syft_flwr_cli.project.config import load_project, require_federated
        from syft_flwr_cli.project.settings import named_email, resolve
        from syft_flwr_cli.services.composing import compose as compose_message
        from syft_flwr_cli.services.composing import read_description, read_request
        from syft_flwr_cli.services.shared_root import check_store
        from syft_flwr_cli.session.session import open_session, opened
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        told = read_description(description)
        asked = None if answers is None else read_request(answers)
        found = require_federated(load_project(project))
        settings = resolve(
            found,
            home=home(),
            email=named_email(email),
            transport=transport,
            root=root,
            syftbox_config=syftbox_config,
        )
        emit = ConsoleReporter()
        check_store(settings, emit)
        session = open_session(settings, home(), emit=emit, fingerprints=found.fingerprints)
        with opened(session):
            made = compose_message(session, told, answers=asked)
        if as_json:
            output.emit_json(asdict(made))
            return
        output.out().print(f"{made.kind} {made.id} for {made.recipient}: {made.path}", markup=False)
        output.note(f"next: syft-flwr inspect {made.id} --email {settings.email}")
