"""``syft-flwr status``: runs, who is awaited, what was refused, whose keys are known, what space is used."""

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_flwr_cli.catalogue.records import APP
from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.project.settings import named_email
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
        watch: Annotated[
            bool, typer.Option("--watch", help="Show the newest run live, until it is over or Ctrl-C.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        """Show how things stand. Disturbs nothing: a run that goes on does not notice."""
        from syft_flwr_cli.services.status import apps_of, next_command, participants

        here = home()
        found = _project(project)
        said = named_email(email)
        who = [said] if said else participants(here)
        wanted = found.app_name if found is not None else None
        if watch:
            _watch(here, said, wanted, as_json=as_json)
            return
        stands = [
            _look(here, person, name, found)
            for person in who
            for name in _own_apps(apps_of(here, person))
            if wanted is None or name == wanted
        ]
        following = next_command(stands, found, project, said)
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


def _watch(here: Path, email: str | None, app_name: str | None, *, as_json: bool) -> None:
    from syft_flwr_cli.services.run_follow import RunFollower, newest_run

    if as_json:
        raise UsageError(
            "--watch shows pictures, and --json one document.",
            hint="Use one of them: syft-flwr status --json",
        )
    one = newest_run(here, email, app_name)
    if one is None:
        raise UsageError("Nothing has run here yet.", hint="Begin a run with: syft-flwr run-server")
    from syft_flwr_cli.ui.live.watch import watch

    with contextlib.suppress(KeyboardInterrupt):
        watch(RunFollower(here, one), one)
    output.note(f"next: syft-flwr runs show {one.view.run}")


def _own_apps(apps: list[str]) -> list[str]:
    """``apps`` without the reserved one that carries offers and decisions, if there is any other."""
    return [name for name in apps if name != APP] or apps


def _project(folder: Path | None) -> Project | None:
    if folder is None and not Path("pyproject.toml").exists():
        return None
    return load_project(folder or Path())


def _look(here: Path, email: str, app_name: str, project: Project | None) -> "AppStatus":
    from syft_flwr_cli.services.status import look, own_space

    people: tuple[str, ...] = ()
    if project is not None and project.aggregator is not None:
        people = (project.aggregator, *project.datasites)
    return look(here, email, app_name, peers=people, space=own_space(here, email, app_name, project))


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
        "at_work": dict(one.at_work),
        "bytes_kept": one.kept,
        "bytes_shared": one.shared,
        "bytes_in_stores": dict(one.stores),
        "drive": {kind: asdict(calls) for kind, calls in one.drive.items()},
    }
