"""The transport contract: one participant's view of a dumb store of files.

A transport knows nothing of Flower, of messages or of keys. What it must promise, and what the one
conformance suite (``tests/contract``) checks of every transport:

* A path is relative, made by ``protocol.names``, in the space of one owner. Everybody writes only
  into their own space.
* ``publish`` is atomic: a reader sees the whole file or none. Once it returns, the file survives a
  crash of the machine; when it raises, a reader sees what was there before, or the new file, and never
  a part. Repeating it with the same path and content is harmless; with other content it replaces the
  file. Nothing empty is published (`ValueError`): to a reader, a file without a byte is not there yet.
* ``prepare`` says who will read what is published at a path later; it publishes nothing, may be repeated, and is
  never needed: where a store takes time to let somebody read, the first file is there sooner.
* ``open`` and ``fetch`` of something that is not there (yet) raise `NotThereError`, ``watch`` yields
  nothing; they never create anything in a peer's space. Only plain files in the owner's space are
  ever there: not a folder, a pipe, or a link that leads elsewhere. When the owner replaces or removes
  the file meanwhile, a fetched copy stays what it is, and an open stream goes on with the bytes that
  it began with or raises `TransportError`; it never mixes two files.
* ``watch(...).new()`` tells of every file of the folder at least once, and again when it has changed;
  it may repeat itself. Within one call the order is that of creation as far as the store knows it.
  What a sync client leaves behind (temporary, zero-byte, conflict and rejected files) is not told of,
  nor are folders. Where a store can hold a link, a pipe, or a folder with a dot in its name in the
  place of a file, or a file that stays empty, that is told of once, with `FileInfo.file_type_error` saying what it
  is, and is not opened for that. It never waits.
* ``wait`` returns early when something may have changed since the ``token``; waking up for nothing
  is allowed, missing a change for longer than the poll interval is not. Take the token *before*
  looking (``token``, ``new``, ``wait``), or a change in between waits for the poll.
* ``remove`` removes one file of one's own; an absent one is no error.
* ``list_own`` tells of what one has published, and not of temporary or control files.
* Every method may be called from several threads at once. Names that could leave the space are a
  `UsageError`. Failures of the store are `TransportError` with a remedy, of its kind `TransientError`
  where trying again may help; a store that comes back is used again.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from syft_flwr_cli.errors import NotThereError, TransportError

__all__ = [
    "Buffer",
    "BytesContent",
    "CallCosts",
    "Content",
    "Cost",
    "FileInfo",
    "NotThereError",
    "Properties",
    "TransientError",
    "Transport",
    "TransportError",
    "Usage",
    "Watch",
]

Buffer = bytes | bytearray | memoryview


class TransientError(TransportError):
    """The store cannot do it now; the same call may well succeed a little later."""


@runtime_checkable
class Content(Protocol):
    """What is published: a known size, and chunks that are the same each time they are asked for.

    A chunk is valid until the next one is asked for; whoever keeps it copies it.
    """

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    def chunks(self) -> Iterator[Buffer]:
        """The bytes, in order."""
        ...


@dataclass(frozen=True, slots=True)
class BytesContent:
    """Content that is in memory already."""

    data: Buffer

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.data)

    def chunks(self) -> Iterator[Buffer]:
        """The bytes, in one chunk."""
        yield self.data


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file in a listing: last component of its path, bytes, seconds since 1970 as the store has it.

    ``file_type_error`` is empty for a file. For what only has the name of one it says what it is, such as "a pipe".
    """

    name: str
    size: int
    created: float
    file_type_error: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a remote service was asked: calls, and the units of quota they count for."""

    calls: int = 0
    units: int = 0


@dataclass(frozen=True, slots=True)
class CallCosts:
    """What the calls of one kind have cost: how many, quota units, bytes of content sent and received."""

    count: int = 0
    units: int = 0
    sent: int = 0
    received: int = 0

    def __add__(self, other: "CallCosts") -> "CallCosts":
        return CallCosts(
            self.count + other.count,
            self.units + other.units,
            self.sent + other.sent,
            self.received + other.received,
        )

    def __sub__(self, other: "CallCosts") -> "CallCosts":
        return CallCosts(
            self.count - other.count,
            self.units - other.units,
            self.sent - other.sent,
            self.received - other.received,
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """How much lies in (a part of) one's own space."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Properties:
    """What a transport declares of itself.

    Parameters
    ----------
    inline_limit : int
        Arrays of more bytes than this travel better as payload files of their own.
    listing_cost : float
        What one look into a folder costs, in seconds, roughly.
    one_file : int
        A message for one reader of up to so many bytes is cheaper as one file than as several.
    largest_quick_file : int
        A message file of up to so many bytes reaches its readers much faster than a larger one; 0 where size
        makes no such difference.
    largest_in_pieces : int
        Up to so many bytes it pays to publish a payload as several quick files instead of one.
    pace : float
        Seconds between two quick files that the store bears for long.
    """

    inline_limit: int
    listing_cost: float
    one_file: int = 0
    largest_quick_file: int = 0
    largest_in_pieces: int = 0
    pace: float = 0.0


class Watch(Protocol):
    """One folder of one peer, looked at again and again."""

    def new(self) -> list[FileInfo]:
        """What has appeared or changed since the last call; at first, all. Empty if nothing."""
        ...

    def close(self) -> None:
        """Look no more."""
        ...


class Transport(Protocol):
    """See the module's first paragraph for what each method promises."""

    @property
    def email(self) -> str:
        """Whose view this is."""
        ...

    @property
    def properties(self) -> Properties:
        """What this transport is good at."""
        ...

    def prepare(self, path: str, readers: Collection[str]) -> None:
        """Let ``readers`` read what will be published at ``path``, where the store needs time for that."""
        ...

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Put a file into one's own space, readable by exactly ``readers`` (e-mails)."""
        ...

    def open(self, owner: str, path: str) -> BinaryIO:
        """Open a file of ``owner`` for streaming; `NotThereError` if it is not there."""
        ...

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """Make ``destination`` a private, lasting copy of ``owner``'s file, by a link where that works."""
        ...

    def watch(self, owner: str, folder: str) -> Watch:
        """Begin to look at a folder of ``owner``; it need not be there yet."""
        ...

    def token(self) -> int:
        """A number that grows whenever something may have changed."""
        ...

    def wait(self, token: int, timeout: float) -> int:
        """Wait until `token()` exceeds ``token`` or ``timeout`` seconds have passed; the token now."""
        ...

    def wake(self) -> None:
        """Let every thread that waits look again."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file of one's own; an absent one is no error."""
        ...

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """Every file of one's own below ``folder``, with its path, however deep."""
        ...

    def cost(self) -> Cost:
        """What this view has asked of a remote service so far; nothing where there is none."""
        ...

    def close(self) -> None:
        """Let go of threads and connections; nothing may be called after it."""
        ...
