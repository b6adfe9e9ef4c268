"""``syft-flwr demo``: a project from a template, trained by three data owners, before one's eyes."""

import re
import shutil
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from syft_flwr_cli.cli import completing
from syft_flwr_cli.cli.options import Json, LogFile, Quiet, Sandbox
from syft_flwr_cli.errors import EXIT_UNEXPECTED, SyftFlwrError
from syft_flwr_cli.protocol.printable import shortened, without_sequences
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.ui.live.state import LiveState

__all__ = ["register"]

AGGREGATOR = "ds@lab.example"
DATASITES = ("do1@clinic-a.example", "do2@clinic-b.example", "do3@clinic-c.example")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog="Example: syft-flwr demo --template tabular")
    def demo(
        template: Annotated[
            str,
            typer.Option(
                help="numpy, tabular, analytics or secagg.", metavar="T", autocompletion=completing.templates
            ),
        ] = "numpy",
        rounds: Annotated[int, typer.Option(help="How many rounds.", min=1, max=100)] = 5,
        folder: Annotated[
            Path | None,
            typer.Option(help="Where to make it.", metavar="DIR", show_default="a temporary folder"),
        ] = None,
        sandbox: Sandbox = "auto",
        quiet: Quiet = False,
        log_file: LogFile = None,
        as_json: Json = False,
    ) -> int:
        """Train a real model with three data owners on this machine, sealed, and show what happens."""
        from syft_flwr_cli.project.plan import apply
        from syft_flwr_cli.project.scaffold import plan_init
        from syft_flwr_cli.services import simulation
        from syft_flwr_cli.ui.live.followed import shown_from_home
        from syft_flwr_cli.ui.live.state import LiveState

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
        counted = template != "analytics"
        options = ["--run-config", f"num-server-rounds={rounds}"] if counted else []
        options += [] if log_file is None else ["--log-file", str(log_file.absolute())]
        federation = simulation.Federation(project=project, server_options=options, sandbox=sandbox)
        state = LiveState("demo", AGGREGATOR, rounds if counted else None)
        with shown_from_home(state, place / "homes" / AGGREGATOR, quiet=quiet) as live:
            outcome = simulation.simulate(federation, place, partial(_hear, state, live, quiet))
        if outcome.exit_code not in (0, 3):
            output.note(f"error: {outcome.document['data'].get('error')}", style="bold red")
            return outcome.exit_code or EXIT_UNEXPECTED
        _report(outcome, place, project, as_json=as_json, live=live)
        return outcome.exit_code


_INDENT = 23
_COLOURS = ("cyan", "green", "magenta", "blue")


_FLOWER = re.compile(r"INFO\s*:\s*(.*)")
_TOLD = re.compile(r"\[ROUND|aggregate_|Aggregated MetricRecord")


_SHOWN_LIVE = re.compile(r"Working on |Run \d+ (is over|has begun)")


def _hear(state: "LiveState", live: bool, quiet: bool, who: str, line: str) -> None:
    """Show what a participant says; of Flower's own log only what a round brings, and nothing that is shown live."""
    text = without_sequences(line).rstrip()
    flower = _FLOWER.match(text)
    if quiet or (live and _SHOWN_LIVE.match(text)):
        return
    if flower is not None:
        if live:
            state.flower_line(flower[1])
            return
        if not _TOLD.search(flower[1]) or "client" in flower[1].lower():
            return
        text = flower[1].strip()
    text = shortened(text)
    if not text or text.startswith("    "):
        return
    people = (AGGREGATOR, *DATASITES)
    colour = _COLOURS[people.index(who) % 4] if who in people else ""
    console = output.err()
    if live or console.is_terminal:
        room = max(40, shutil.get_terminal_size().columns) - _INDENT - 1
        wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
        text = f"\n{' ' * _INDENT}".join(wrapped)
    # One call: two participants may speak at the same moment.
    console.print(Text.assemble((f"{who:>{_INDENT - 1}} ", colour), text))


def _report(outcome: Any, place: Path, project: Path, *, as_json: bool, live: bool) -> None:
    from syft_flwr_cli.ui.rounds import print_rounds

    data = outcome.document["data"]
    if not live:  # the last picture shows them
        output.note("")
        print_rounds(data["rounds"])
    files = sorted(path for path in (place / "root").rglob("*.re[qs]*") if path.is_file())
    answers = [path.stem[:8] for path in files if path.suffix == ".response"]
    output.note(f"{len(files)} messages, sealed end to end, lie below {place / 'root'}.")
    output.note("Next, as the aggregator of this run:", style="bold")
    output.note(f"    export SYFT_FLWR_HOME={place / 'homes' / AGGREGATOR}")
    output.note("    syft-flwr report")
    if answers:
        output.note(f"    syft-flwr inspect {answers[0]}")
    output.note("Or with a project of your own: the same one, a new one, an app that you have:", style="bold")
    output.note(f"    syft-flwr simulate {project}")
    output.note("    syft-flwr init my-study")
    output.note("    syft-flwr bootstrap PATH")
    output.note(f"Remove it: chmod -R u+w {place} && rm -r {place}")
    if as_json:
        output.emit_json(data, status=outcome.document["status"])
