"""What the emulated Drive keeps: accounts, files and their bodies; and what showing them needs to know.

Values without behaviour. `Lookup` is the part of the Drive that a view of a file asks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

__all__ = ["FOLDER", "Account", "Body", "File", "Lookup"]

FOLDER = "application/vnd.google-apps.folder"


@dataclass(slots=True)
class Account:
    """Somebody with a Drive."""

    email: str
    limit: int
    root: str
    sharing_refused: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The content of a file: where it lies, and its sums in hex."""

    path: Path
    size: int
    md5: str
    sha256: str


@dataclass(slots=True)
class File:
    """A file or folder."""

    id: str
    name: str
    mime: str
    parent: str | None
    owner: str
    created: float
    modified: float
    body: Body | None = None
    properties: dict[str, str] = field(default_factory=dict)
    app_properties: dict[str, str] = field(default_factory=dict)
    description: str = ""
    trashed: bool = False
    version: int = 1
    shared: dict[str, tuple[str, str]] = field(default_factory=dict)  # permission id -> (e-mail, role)
    shared_at: dict[str, float] = field(default_factory=dict)  # e-mail -> when


class Lookup(Protocol):
    """Who may do what with which file."""

    @property
    def files(self) -> Mapping[str, File]:
        """All files, by id."""
        ...

    def role(self, file: File, email: str) -> str | None:
        """What ``email`` may do with the file."""
        ...

    def chain(self, file: File) -> Iterator[File]:
        """The file, and the folders it lies in."""
        ...
