"""``syft-flwr inspect``: a message in words."""

from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.ui import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr inspect shared/ds@lab.example/…/0b6f….request   ·   "
        "syft-flwr inspect 0b6f2c1e --values --json"
    )
    def inspect(
        message: Annotated[
            str,
            typer.Argument(help="The file of a message, or its id (or how it begins).", metavar="FILE|ID"),
        ],
        email: Email = None,
        values: Annotated[
            bool, typer.Option("--values", help="Show values too, not only names, types, shapes and norms.")
        ] = False,
        key: Annotated[
            list[Path] | None,
            typer.Option(
                "--key",
                help="Public keys (keys export) to hold the signature against. May be given again.",
                metavar="FILE",
                show_default=False,
            ),
        ] = None,
        as_json: Json = False,
    ) -> int:
        """Show who sent a message to whom, whether its signature holds and, with keys at hand, what is in it."""
        from syft_flwr_cli.errors import EXIT_OK, EXIT_TRUST
        from syft_flwr_cli.services.inspection import inspect_message
        from syft_flwr_cli.services.record import read_keys
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui.envelope import message_document, show_message

        found = inspect_message(home(), message, email, keys=read_keys(key or []), values=values)
        holds = found.signature.verdict in ("valid", "unknown-key")
        if as_json:
            output.emit_json(message_document(found), status="ok" if holds else "invalid")
        else:
            show_message(found)
        if not holds:
            output.note(f"error: {found.signature.sentence}", style="bold red")
            output.note("hint: See which keys are known: syft-flwr keys list")
        return EXIT_OK if holds else EXIT_TRUST
