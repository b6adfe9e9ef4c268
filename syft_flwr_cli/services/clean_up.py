"""Clean-up: remove what a participant has written for runs that are over, and say what space that frees."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.delivery import retention
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Emit, nobody
from syft_flwr_cli.project.settings import Settings, named_email, resolve
from syft_flwr_cli.services import status
from syft_flwr_cli.session import session
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.paths import app_dir

__all__ = ["CleanUp", "clean_up", "settings_without_project"]


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What was removed, or would be, and how many bytes are kept at home before and after."""

    cleaned: retention.Cleaned
    kept_before: int
    kept_after: int


def clean_up(
    settings: Settings, home: Path, older_than: float | None, *, dry_run: bool, emit: Emit = nobody
) -> CleanUp:
    """Remove what is left of runs that ended ``older_than`` seconds ago; the retention time if None.

    An unfinished run is never touched, and a run that goes on does not notice.
    """
    # Not exclusive: files of runs that are over are nobody's business, also while another run goes on.
    opened = session.open_session(settings, home, emit=emit, exclusive=False)
    directory = app_dir(home, settings.email, settings.app_name)
    before = status.bytes_below(directory)
    try:
        age = settings.retention if older_than is None else older_than
        cleaned = retention.clean(opened.channel, session.participants_of(settings), age, dry_run=dry_run)
    finally:
        opened.close()
    return CleanUp(cleaned, before, status.bytes_below(directory))


def settings_without_project(home: Path, app_name: str, places: Mapping[str, Any]) -> Settings:
    """The settings for an app of which only what is kept here is left.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    app_name : str
        The app.
    places : mapping
        What was given for ``email``, ``transport``, ``root`` and ``syftbox_config``.

    Raises
    ------
    UsageError
        If it is not known whose app it is, or nothing was ever run.
    """
    said = named_email(places["email"])
    people = (
        [said]
        if said
        else [who for who in status.participants(home) if app_name in status.apps_of(home, who)]
    )
    if len(people) != 1:
        known = f"of {', '.join(people)}" if people else "of nobody on this machine"
        raise UsageError(
            f"{app_name} is an app {known}.", hint="Say who you are with --email; see: syft-flwr status"
        )
    journal = Journal(app_dir(home, people[0], app_name) / "journal.sqlite3")
    try:
        runs = journal.runs()
    finally:
        journal.close()
    if not runs:
        raise UsageError(f"{people[0]} has had no run of {app_name} here.", hint="See: syft-flwr status")
    facts = runs[0].facts
    return resolve(
        None,
        home=home,
        app_name=app_name,
        aggregator=facts.get("aggregator", people[0]),
        datasites=facts.get("datasites", [people[0]]),
        **{**places, "email": people[0]},
    )
