"""Where a path lies on Google Drive, and how one asks for it: names, queries and quoting.

Everything of one participant lies in one folder ``syft-flwr`` of its My Drive. Below it there is one
Drive folder for each pair of leading path components (the outbox for one recipient and one app), and in
that the files, named by the rest of their path; so one listing shows all that a peer has for us in one
app. ``/`` is an ordinary character in a Drive name. Pure: no calls, no disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import check_component, check_email

__all__ = [
    "FOLDER",
    "MARK",
    "ROOT_NAME",
    "Place",
    "folder_key",
    "in_folder",
    "invitation",
    "place_of",
    "quote",
    "shared_by",
]

FOLDER = "application/vnd.google-apps.folder"
ROOT_NAME = "syft-flwr"
MARK = "syft_flwr"
"""The property of every folder of ours; its value is the version of this layout."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file's Drive folder (its key is its name) and its name in it."""

    key: str
    name: str


def _components(path: str) -> list[str]:
    return [check_component(part) for part in path.split("/")]


def place_of(path: str) -> Place:
    """Where the file ``path`` lies.

    Raises
    ------
    UsageError
        If a component could leave the space, or the file would lie in no folder.
    """
    parts = _components(path)
    if len(parts) == 1:
        raise UsageError(f"{path!r} lies in no folder.", hint="Put a folder before it: FOLDER/FILE.")
    depth = min(2, len(parts) - 1)
    return Place("/".join(parts[:depth]), "/".join(parts[depth:]))


def folder_key(folder: str) -> tuple[str, str]:
    """The key of the Drive folder that holds ``folder``, and the prefix of its files' names in it."""
    parts = _components(folder)
    inner = "/".join(parts[2:])
    return "/".join(parts[:2]), f"{inner}/" if inner else ""


def quote(text: str) -> str:
    """``text`` as a string of Drive's query language: the only place that quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def in_folder(id: str) -> str:
    """The query for all that lies in one folder: the one kind of listing that is never late."""
    return f"{quote(id)} in parents and trashed = false"


def shared_by(owners: Sequence[str]) -> str:
    """The query for the folders of ours that these people, and nobody else, share with me."""
    mine = " or ".join(f"{quote(check_email(owner))} in owners" for owner in owners)
    mark = f"properties has {{ key={quote(MARK)} and value='1' }}"
    return f"sharedWithMe and mimeType = {quote(FOLDER)} and trashed = false and {mark} and ({mine})"


def invitation(owner: str, key: str, id: str) -> bytes:
    """What an owner signs to say that the Drive folder ``id`` is its folder ``key``."""
    return b"\0".join([b"syft-flwr drive invitation 1", owner.encode(), key.encode(), id.encode()])
