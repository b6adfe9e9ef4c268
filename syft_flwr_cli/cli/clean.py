"""``syft-flwr clean``: remove what belongs to runs that are over, and say what space is used."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.duration import parse_duration
from syft_flwr_cli.project.settings import Settings, resolve
from syft_flwr_cli.protocol.names import check_app_name
from syft_flwr_cli.storage.paths import home
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.services.clean_up import CleanUp

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr clean study --dry-run   ·   "
        "syft-flwr clean --app ds@lab.example_study_1700000000 --email ds@lab.example --older-than 1h"
    )
    def clean(
        project: Annotated[
            Path | None, typer.Argument(help="The project's folder.", show_default="this folder")
        ] = None,
        app_name: Annotated[
            str | None,
            typer.Option(
                "--app", help="The app, where its project is gone.", metavar="APP", show_default=False
            ),
        ] = None,
        older_than: Annotated[
            str | None,
            typer.Option(
                help="How long ago a run must have ended: 90s, 12h, 7d; 0 for any that is over.",
                metavar="TIME",
                show_default="the retention time",
            ),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")
        ] = False,
        email: Email = None,
        transport: TransportName = None,
        root: Root = None,
        syftbox_config: SyftboxConfig = None,
        as_json: Json = False,
    ) -> None:
        """Remove what you wrote for runs that are over. An unfinished run is never touched."""
        from syft_flwr_cli.services import clean_up as service
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        here = home()
        places: dict[str, Any] = {
            "email": email,
            "transport": transport,
            "root": root,
            "syftbox_config": syftbox_config,
        }
        if app_name is not None and project is not None:
            raise UsageError("Both a project and --app are given.", hint="Give one of them.")
        settings = (
            resolve(load_project(project or Path()), home=here, **places)
            if app_name is None
            else service.settings_without_project(here, check_app_name(app_name), places)
        )
        age = None if older_than is None else _age(older_than)

        done = service.clean_up(settings, here, age, dry_run=dry_run, emit=ConsoleReporter())
        _report(done, settings, dry_run, as_json)


def _age(text: str) -> float:
    return 0.0 if text.strip() in ("0", "0s") else parse_duration(text, "--older-than")


def _report(done: "CleanUp", settings: Settings, dry_run: bool, as_json: bool) -> None:
    from syft_flwr_cli.ui.rounds import size_text

    cleaned, before, after = done.cleaned, done.kept_before, done.kept_after

    if as_json:
        output.emit_json(
            {
                "email": settings.email,
                "app_name": settings.app_name,
                "dry_run": dry_run,
                "files_removed": cleaned.freed.files,
                "bytes_freed": cleaned.freed.bytes,
                "files_left": cleaned.left.files,
                "bytes_left": cleaned.left.bytes,
                "runs_forgotten": cleaned.runs,
                "bytes_kept_before": before,
                "bytes_kept_after": after,
                "paths": list(cleaned.paths),
            }
        )
        return
    verb = "Would remove" if dry_run else "Removed"
    console = output.out()
    if dry_run:
        for path in cleaned.paths:
            console.print(path, markup=False)
    console.print(
        f"{verb} {cleaned.freed.files} files ({size_text(cleaned.freed.bytes)}) of {cleaned.runs} runs; "
        f"{cleaned.left.files} files ({size_text(cleaned.left.bytes)}) stay in the shared space.",
        markup=False,
    )
    console.print(
        f"Kept here for this app: {size_text(before)} before, {size_text(after)} now.", markup=False
    )
    if dry_run and cleaned.paths:
        output.note("Nothing was removed. Type the same without --dry-run to remove these files.")
