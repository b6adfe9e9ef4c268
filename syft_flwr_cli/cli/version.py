"""``syft-flwr version``: which versions are at work."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Annotated

import typer

from syft_flwr_cli import __version__
from syft_flwr_cli.ui import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog="Example: syft-flwr version --json")
    def version(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
        """Say which versions are at work."""
        versions = {"syft-flwr": __version__, "python": platform.python_version()}
        for name in ("flwr", "cryptography", "numpy", "google-api-python-client", "torch"):
            try:
                versions[name] = installed(name)
            except PackageNotFoundError:
                versions[name] = "not installed"
        if as_json:
            output.emit_json(versions)
            return
        for name, number in versions.items():
            output.out().print(f"{name} {number}")
