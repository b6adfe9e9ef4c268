"""Federating a project on this machine: the shared folder, the keys to pin, and what is remembered here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from syft_flwr_cli.project.config import Project, check_participants
from syft_flwr_cli.project.settings import named_email, remember
from syft_flwr_cli.services.key_discovery import KnownKey, known_keys, shared_place

__all__ = ["keys_of", "pins", "remember_here"]


def remember_here(home: Path, project: Project, root: Path | None) -> None:
    """Note on this machine what no project holds: the shared folder, and the e-mail of the environment."""
    app = project.app_name or ""
    email = named_email(None)
    if root is not None:
        remember(home, app, root=root)
    if email in (project.aggregator, *project.datasites):
        remember(home, app, email=email)


def keys_of(
    home: Path,
    project: Project,
    aggregator: str | None,
    datasites: Sequence[str],
    transport: str | None,
    root: Path | None,
) -> dict[str, KnownKey]:
    """What is known here of the keys of those who are to take part; the parameters are what was typed."""
    center, owners = check_participants(aggregator or project.aggregator, datasites or project.datasites)
    people = [*([center] if center else []), *owners]
    me = named_email(None)
    mine = dict.fromkeys([*([me] if me in people else []), *([center] if center else [])])
    way = transport or project.transport or "local"
    return known_keys(home, people, list(mine), shared_place(home, way, project.app_name, root))


def pins(project: Project, keys: Mapping[str, KnownKey]) -> dict[str, str]:
    """The fingerprints to write: not those of keys that one in the project has led to, which hold as they are."""
    return {
        email: key.identity.fingerprint
        for email, key in keys.items()
        if project.fingerprints.get(email) not in key.before
    }
