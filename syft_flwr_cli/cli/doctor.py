"""``syft-flwr doctor``: what this machine lacks for taking part, each with its remedy."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import EXIT_OK, EXIT_UNEXPECTED
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.services.doctor.finding import Finding

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr doctor   ·   syft-flwr doctor study --root /shared --email do1@a.example"
    )
    def doctor(
        project: Annotated[
            Path | None, typer.Argument(help="A project's folder.", show_default="this folder if it is one")
        ] = None,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        fix: Annotated[
            bool, typer.Option("--fix", help="Mend what can be mended without losing anything.")
        ] = False,
        as_json: Json = False,
    ) -> int:
        """Look at versions, home, keys, peers, project, sandbox and store; exit code 1 if something cannot work."""
        from syft_flwr_cli.services.doctor.examine import examine
        from syft_flwr_cli.services.joining import locate
        from syft_flwr_cli.storage.paths import home

        places = {"transport": transport, "root": root, "syftbox_config": syftbox_config}
        found = []
        if project is not None:
            project = locate(home(), project, email)
        for one in examine(home(), project, email, places):
            mended = fix and one.repair is not None
            if mended and one.repair is not None:
                one.repair()
            found.append((one, mended))
            if not as_json:
                _show(one, mended)
        broken = any(one.state == "failure" and not mended for one, mended in found)
        if as_json:
            rows = [
                {
                    "check": one.check,
                    "state": "mended" if mended else one.state,
                    "what": one.sentence,
                    "remedy": one.remedy,
                }
                for one, mended in found
            ]
            output.emit_json({"findings": rows}, status="error" if broken else "ok")
        elif not broken:
            output.note("Nothing keeps this machine from taking part.", style="bold green")
        return EXIT_UNEXPECTED if broken else EXIT_OK


def _show(one: "Finding", mended: bool) -> None:
    from rich.text import Text

    from syft_flwr_cli.protocol.printable import visible

    marks = {"ok": ("ok", "green"), "warning": ("note", "yellow"), "failure": ("FAIL", "bold red")}
    mark, style = ("mended", "green") if mended else marks[one.state]
    console = output.out()
    told = output.folded(console, visible(f"{mark:>6}  {one.check}: {one.sentence}"), 8)
    console.print(Text.assemble((told[:6], style), told[6:]))
    if one.remedy and not mended:
        remedy = output.folded(console, f"        {visible(one.remedy)}", 8)
        console.print(remedy, markup=False, highlight=False, style="dim")
