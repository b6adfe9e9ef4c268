"""``syft-flwr home``: a whole home into one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli.options import Json
from syft_flwr_cli.ui import output

__all__ = ["register"]

File = Annotated[Path, typer.Argument(help="The file.", metavar="FILE")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    group = typer.Typer(name="home", help="Your whole home: into one file, and back.", no_args_is_help=True)

    @group.command("export", epilog="Example: syft-flwr home export backup.tar.gz")
    def export(file: File, as_json: Json = False) -> None:
        """Write everything that is kept here, private keys too, into one file."""
        from syft_flwr_cli.services.home import export_home
        from syft_flwr_cli.storage.paths import home

        done = export_home(home(), file)
        if as_json:
            output.emit_json(
                {"file": str(file), "participants": list(done.participants), "files": done.files}
            )
        output.note(
            f"{done.files} files of {', '.join(done.participants)} are in {file}. It holds private keys."
        )
        output.note(f"next, on the other machine: syft-flwr home import {file.name}; and never work in both")

    @group.command(
        "import", epilog="Example: SYFT_FLWR_HOME=~/.syft-flwr syft-flwr home import backup.tar.gz"
    )
    def import_(file: File, as_json: Json = False) -> None:
        """Bring a home back from a file, into a home in which nobody lives yet."""
        from syft_flwr_cli.services.home import import_home
        from syft_flwr_cli.storage.paths import home

        done = import_home(home(), file)
        if as_json:
            output.emit_json(
                {"file": str(file), "participants": list(done.participants), "files": done.files}
            )
        output.note(f"{done.files} files of {', '.join(done.participants)} are here. next: syft-flwr status")

    app.add_typer(group)
