"""Federating a project on this machine: the shared folder, the keys to pin, and what is remembered here."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.project.config import Project, check_participants
from syft_flwr_cli.project.settings import named_email, remember
from syft_flwr_cli.services.key_discovery import KnownKey, known_keys, shared_place

__all__ = ["check_root", "keys_of", "pins", "remember_here"]


def check_root(root: Path | None) -> None:
    """Refuse a shared folder that cannot be written to, or made, before anything is done.

    Raises
    ------
    TransportError
        If it is no folder, or may not be written.
    """
    if root is None:
        return
    there = root.expanduser().absolute()
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "may not be written by you" if there.is_dir() else "is no folder"
        raise TransportError(
            f"The shared folder {root} cannot be used: {there} {why}.",
            hint="Give a folder that you may write to with --root DIR.",
        )


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
