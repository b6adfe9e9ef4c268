"""``syft-flwr demo``: a project from a template, trained by three data owners, before one's eyes."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from syft_flwr_cli.cli.options import Json, Sandbox
from syft_flwr_cli.errors import EXIT_UNEXPECTED, SyftFlwrError
from syft_flwr_cli.ui import output

__all__ = ["register"]

AGGREGATOR = "ds@lab.example"
DATASITES = ("do1@clinic-a.example", "do2@clinic-b.example", "do3@clinic-c.example")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog="Example: syft-flwr demo --template tabular")
    def demo(
        template: Annotated[str, typer.Option(help="numpy, tabular or analytics.", metavar="T")] = "numpy",
        rounds: Annotated[int, typer.Option(help="How many rounds.", min=1, max=100)] = 5,
        folder: Annotated[
            Path | None,
            typer.Option(help="Where to make it.", metavar="DIR", show_default="a temporary folder"),
        ] = None,
        sandbox: Sandbox = "auto",
        as_json: Json = False,
    ) -> int:
        """Train a real model with three data owners on this machine, sealed, and show what happens."""
        from syft_flwr_cli.project.plan import apply
        from syft_flwr_cli.project.scaffold import plan_init
        from syft_flwr_cli.services import simulation

        place = folder.absolute() if folder is not None else simulation.make_place()
        if folder is not None and place.exists() and any(place.iterdir()):
            raise SyftFlwrError(
                f"{folder} is not empty.", hint="Choose another folder, or leave --folder out."
            )
        place.mkdir(parents=True, exist_ok=True)
        project = place / "study"
        made = plan_init(
            project,
            template=template,
            aggregator=AGGREGATOR,
            datasites=DATASITES,
            transport="local",
            created=0,
        )
        apply(made)
        output.note(f"Made a project from the template {template!r}: {project}", style="bold")
        output.note(
            f"Starting the aggregator ({AGGREGATOR}) and three data owners, each in a process of its own."
        )
        output.note(f"They share nothing but the folder {place / 'root'}.\n")
        options = ["--run-config", f"num-server-rounds={rounds}"] if template != "analytics" else []
        federation = simulation.Federation(project=project, server_options=options, sandbox=sandbox)
        outcome = simulation.simulate(federation, place, _hear)
        if outcome.exit_code not in (0, 3):
            output.note(f"error: {outcome.document['data'].get('error')}", style="bold red")
            return outcome.exit_code or EXIT_UNEXPECTED
        _report(outcome, place, project, as_json)
        return outcome.exit_code


_COLOURS = ("cyan", "green", "magenta", "blue")


_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_FLOWER = re.compile(r"INFO\s*:\s*(.*)")
_TOLD = re.compile(r"\[ROUND|aggregate_|Aggregated MetricRecord")


def _hear(who: str, line: str) -> None:
    """Show what a participant says; of Flower's own log only what a round brings."""
    text = _ANSI.sub("", line).rstrip()
    flower = _FLOWER.match(text)
    if flower is not None:
        if not _TOLD.search(flower[1]) or "client" in flower[1].lower():
            return
        text = flower[1].strip()
    if not text or text.startswith("    "):
        return
    people = (AGGREGATOR, *DATASITES)
    colour = _COLOURS[people.index(who) % 4] if who in people else ""
    # One call: two participants may speak at the same moment.
    output.err().print(Text.assemble((f"{who:>22} ", colour), text))


def _report(outcome: Any, place: Path, project: Path, as_json: bool) -> None:
    from syft_flwr_cli.ui.rounds import print_rounds

    data = outcome.document["data"]
    output.note("")
    print_rounds(data["rounds"])
    files = sorted(path for path in (place / "root").rglob("*.re*") if path.is_file())
    output.note(
        f"\n{len(files)} messages lie below {place / 'root'}, sealed end to end. Look at one's header:"
    )
    if files:
        output.note(f"    head -1 \"$(find {place / 'root'} -name '*.response' | head -1)\"")
    output.note("\nNext:", style="bold")
    output.note(f"    syft-flwr simulate {project}    (again, as a smoke test)")
    output.note("    syft-flwr init my-study    (a project of your own)")
    output.note("    syft-flwr bootstrap PATH-OF-A-FLOWER-APP    (federate one that you have)")
    output.note(f"    chmod -R u+w {place} && rm -r {place}    (approved code is kept read-only)")
    if as_json:
        output.emit_json(data, status=outcome.document["status"])
