"""``syft-flwr clean``: remove what belongs to runs that are over, and say what space is used."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json, Root, SyftboxConfig, TransportName
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.duration import parse_duration
from syft_flwr_cli.project.settings import Settings, resolve
from syft_flwr_cli.protocol.names import check_app_name
from syft_flwr_cli.storage.paths import app_dir, home
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.delivery.retention import Cleaned

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
            resolve(load_project(project or Path()), environ=os.environ, home=here, **places)
            if app_name is None
            else _settings_of(here, check_app_name(app_name), places)
        )
        age = settings.retention if older_than is None else _age(older_than)
        from syft_flwr_cli.delivery import retention
        from syft_flwr_cli.services import status
        from syft_flwr_cli.session import session
        from syft_flwr_cli.ui.console_reporter import ConsoleReporter

        # Not exclusive: files of runs that are over are nobody's business, also while another run goes on.
        opened = session.open_session(settings, here, emit=ConsoleReporter(), exclusive=False)
        directory = app_dir(here, settings.email, settings.app_name)
        kept_before = status.bytes_below(directory)
        try:
            peers = session.participants_of(settings)
            cleaned = retention.clean(opened.me, peers, age, dry_run=dry_run)
        finally:
            opened.close()
        _report(cleaned, settings, kept_before, status.bytes_below(directory), dry_run, as_json)


def _age(text: str) -> float:
    return 0.0 if text.strip() in ("0", "0s") else parse_duration(text, "--older-than")


def _settings_of(here: Path, app_name: str, places: dict[str, Any]) -> Settings:
    """The settings for an app of which only what is kept here is left."""
    from syft_flwr_cli.services.status import apps_of, participants
    from syft_flwr_cli.storage.journal import Journal

    said = places["email"] or os.environ.get("SYFTBOX_EMAIL", "").strip() or None
    people = [said] if said else [who for who in participants(here) if app_name in apps_of(here, who)]
    if len(people) != 1:
        known = f"of {', '.join(people)}" if people else "of nobody on this machine"
        raise UsageError(
            f"{app_name} is an app {known}.", hint="Say who you are with --email; see: syft-flwr status"
        )
    journal = Journal(app_dir(here, people[0], app_name) / "journal.sqlite3")
    try:
        runs = journal.runs()
    finally:
        journal.close()
    if not runs:
        raise UsageError(f"{people[0]} has had no run of {app_name} here.", hint="See: syft-flwr status")
    facts = runs[0].facts
    return resolve(
        None,
        environ=os.environ,
        home=here,
        app_name=app_name,
        aggregator=facts.get("aggregator", people[0]),
        datasites=facts.get("datasites", [people[0]]),
        **{**places, "email": people[0]},
    )


def _report(
    cleaned: "Cleaned", settings: Settings, before: int, after: int, dry_run: bool, as_json: bool
) -> None:
    from syft_flwr_cli.ui.rounds import size_text

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
