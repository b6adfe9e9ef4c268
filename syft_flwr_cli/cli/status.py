"""``syft-flwr status``: runs, who is awaited, what was refused, whose keys are known, what space is used."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.project.own_settings import layers, read_own
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.storage.paths import home
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.services.status import AppStatus

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr status   ·   syft-flwr status study --email do1@a.example --json"
    )
    def status(
        project: Annotated[
            Path | None,
            typer.Argument(
                help="The project's folder.", show_default="this folder if it is one, else every app here"
            ),
        ] = None,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Show how things stand. Disturbs nothing: a run that goes on does not notice."""
        from syft_flwr_cli.services.status import apps_of, participants

        here = home()
        found = _project(project)
        said = email or os.environ.get("SYFTBOX_EMAIL", "").strip()
        who = [check_email(said)] if said else participants(here)
        wanted = found.app_name if found is not None else None
        stands = [
            _look(here, person, name, found)
            for person in who
            for name in apps_of(here, person)
            if wanted is None or name == wanted
        ]
        following = _next(stands, found, project, said)
        if as_json:
            output.emit_json({"apps": [_facts(one) for one in stands], "next": following})
            return
        from syft_flwr_cli.ui.status import show_status

        for number, one in enumerate(stands):
            if number:
                output.out().print()
            show_status(one)
        if not stands:
            output.note("Nothing has run here yet.")
        output.note(f"next: {following}")


def _project(folder: Path | None) -> Project | None:
    if folder is None and not Path("pyproject.toml").exists():
        return None
    return load_project(folder or Path())


def _look(here: Path, email: str, app_name: str, project: Project | None) -> "AppStatus":
    from syft_flwr_cli.services.status import look

    people: tuple[str, ...] = ()
    if project is not None and project.aggregator is not None:
        people = (project.aggregator, *project.datasites)
    return look(here, email, app_name, peers=people, space=_space(here, email, app_name, project))


def _space(here: Path, email: str, app_name: str, project: Project | None) -> Path | None:
    """The participant's own folder in the shared space, as far as it is known without asking anybody."""
    from syft_flwr_cli.services.status import shared_space

    if project is None:
        for table in layers(read_own(here), app_name, email):
            if isinstance(table.get("root"), str):
                return Path(table["root"]) / email
        return None
    try:
        return shared_space(resolve(project, environ=os.environ, home=here, email=email))
    except UsageError:
        return None  # it was never said where the shared folder is


def _next(stands: list["AppStatus"], project: Project | None, folder: Path | None, said: str) -> str:
    """The one command that helps most now."""
    place = f" {folder}" if folder is not None else ""
    person = f" --email {said}" if said else ""
    for one in stands:
        open_run = bool(one.runs) and one.runs[0].ended is None
        if one.process is None and open_run:
            return f"syft-flwr {_command(one)}{place} --email {one.email}"
    for one in stands:
        for entry in one.peers:
            if entry.offered is not None and not entry.revoked:
                return f'syft-flwr keys trust {entry.email} --words "THE WORDS YOU HEARD" --email {one.email}'
            if entry.verified is None and not entry.revoked:
                return f"syft-flwr keys verify {entry.email} --email {one.email}"
    if stands:
        return f"syft-flwr audit verify --email {stands[0].email}"
    if project is None:
        return "syft-flwr init, or change into the folder of a project"
    if project.app_name is None:
        return f"syft-flwr bootstrap{place}"
    return f"syft-flwr {'run-server' if said == project.aggregator else 'run-client'}{place}{person}"


def _command(one: "AppStatus") -> str:
    return "run-server" if one.role == "aggregator" else "run-client"


def _facts(one: "AppStatus") -> dict[str, Any]:
    return {
        "email": one.email,
        "app_name": one.app_name,
        "role": one.role,
        "process": None if one.process is None else asdict(one.process),
        "runs": [asdict(run) for run in one.runs],
        "refused": [asdict(refusal) for refusal in one.refused],
        "refused_by_reason": one.counts(),
        "keys": [
            {
                "email": entry.email,
                "words": entry.identity.words,
                "fingerprint": entry.identity.fingerprint,
                "pinned": entry.pinned,
                "verified": entry.verified,
                "revoked": entry.revoked,
                "offered": None if entry.offered is None else entry.offered.words,
            }
            for entry in one.peers
        ],
        "bytes_kept": one.kept,
        "bytes_shared": one.shared,
        "drive": {kind: asdict(calls) for kind, calls in one.drive.items()},
    }
