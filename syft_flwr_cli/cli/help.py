"""``syft-flwr help``: what holds for all commands, by topic."""

from typing import Annotated

import typer

from syft_flwr_cli.cli.options import Json
from syft_flwr_cli.errors import EXIT_CODES, UsageError
from syft_flwr_cli.project.settings import VARIABLES
from syft_flwr_cli.ui import output

__all__ = ["register"]

TOPICS = {
    "exit-codes": "what the number says that a command leaves behind",
    "environment": "the environment variables that are read",
}


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command("help", epilog="Example: syft-flwr help exit-codes")
    def help_topic(
        topic: Annotated[
            str | None, typer.Argument(help="exit-codes or environment.", show_default="the topics")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Explain what holds for all commands: exit codes, environment variables."""
        if topic is None:
            rows = list(TOPICS.items())
        elif topic == "exit-codes":
            rows = [(str(code.number), code.meaning) for code in EXIT_CODES]
        elif topic == "environment":
            rows = list(VARIABLES.items())
        else:
            raise UsageError(f"There is no topic {topic!r}.", hint=f"Topics: {', '.join(TOPICS)}.")
        if as_json:
            output.emit_json({"topic": topic, "entries": [{"name": a, "meaning": b} for a, b in rows]})
            return
        width = max(len(name) for name, _ in rows)
        for name, meaning in rows:
            output.out().print(f"{name:<{width}}  {meaning}", markup=False)
        if topic is None:
            output.note("next: syft-flwr help exit-codes; for a command: syft-flwr COMMAND --help")
