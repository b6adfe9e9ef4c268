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
    "trust": "whose key is trusted, and what to do when it changes",
    "transports": "the stores that messages can travel through, and their options",
    "json": "the documents that --json prints, and where their schemas are",
}

TRUST = (
    ("first contact", "The key that a peer shows first is pinned; from then on only it is trusted."),
    (
        "six words",
        "Every key has six words: syft-flwr keys show. Read all six to each other by telephone, then type:",
    ),
    (
        "compared",
        "syft-flwr keys verify PEER --words '…' notes that the words agree; status and reports say so.",
    ),
    (
        "strict",
        "--require-verified (run-server, run-client, node) takes only keys whose words were compared.",
    ),
    (
        "pinned",
        "A project can name fingerprints under [tool.syft_flwr.fingerprints]; any other key is refused.",
    ),
    ("rotated", "A new key that the old one has signed is taken without a question: syft-flwr keys rotate."),
    (
        "changed",
        "Any other new key is refused (exit code 12) until you type: syft-flwr keys trust PEER --words '…'",
    ),
    (
        "revoked",
        "syft-flwr keys revoke PEER trusts a key no more; without PEER it says so of your own to everybody.",
    ),
    ("what it cannot do", "Keys say who sends, not what a person is worth: approvals say what code may run."),
)


def _topics(incomplete: str) -> list[str]:
    return [topic for topic in TOPICS if topic.startswith(incomplete)]


def _transports() -> list[tuple[str, str]]:
    from syft_flwr_cli.transports.registry import all_specs

    rows = []
    for name, spec in sorted(all_specs().items()):
        also = f" (also {', '.join(spec.aliases)})" if spec.aliases else ""
        options = [f"{one.flag or one.key + ' in settings.toml'} or {one.variable}" for one in spec.options]
        rows.append((name, f"--transport {name}{also}; options: {'; '.join(options) or 'none'}"))
    return rows


def _documents() -> list[tuple[str, str]]:
    from syft_flwr_cli.ui.documents import DOCUMENTS
    from syft_flwr_cli.ui.schemas import folder

    return [*((f"{name} --json", one.meaning) for name, one in DOCUMENTS.items()), ("schemas", str(folder()))]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command("help", epilog="Example: syft-flwr help exit-codes")
    def help_topic(
        topic: Annotated[
            str | None,
            typer.Argument(help=f"{', '.join(TOPICS)}.", show_default="the topics", autocompletion=_topics),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Explain what holds for all commands: exit codes, environment variables, trust, transports."""
        if topic is None:
            rows = list(TOPICS.items())
        elif topic == "exit-codes":
            rows = [(str(code.number), code.meaning) for code in EXIT_CODES]
        elif topic == "environment":
            rows = list(VARIABLES.items())
        elif topic == "trust":
            rows = list(TRUST)
        elif topic == "transports":
            rows = _transports()
        elif topic == "json":
            rows = _documents()
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
