"""One folder of one peer: its messages, in bounded batches, each until it has been dealt with.

A store may tell of a file before it can be opened, and a peer may drop files without end. So names are kept until
they are dealt with, what is awaited comes first, and of the rest the newest and the oldest take turns: neither
a flood before a genuine message nor one behind it can hold it up. Of a file no more is read than its header
announces, and nothing of it if the header is not one that is looked for. Used from one thread.
"""

from collections.abc import Callable, Collection
from itertools import islice
from typing import BinaryIO, Final

from syft_flwr_cli.delivery.quarantine import Quarantine
from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.header import MAX_HEADER, Header, parse_header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import SIGNATURE_SIZE
from syft_flwr_cli.transports.base import Transport

__all__ = ["BATCH", "FolderReader"]

BATCH: Final = 32
"""Messages of one folder that are looked at before others have their turn."""

TRIES: Final = 10
"""Looks at a file that was told of and cannot be opened, before it is given up."""


class FolderReader:
    """The messages of one kind in a peer's folder.

    Parameters
    ----------
    transport : Transport
        Where the folder lies; failures are raised.
    owner : str
        The peer.
    folder : str
        The folder's path in the peer's space.
    suffix : str
        ``.request`` or ``.response``; other files are ignored.
    quarantine : Quarantine
        Hears of what is refused.
    """

    def __init__(
        self, transport: Transport, owner: str, folder: str, suffix: str, quarantine: Quarantine
    ) -> None:
        self.owner = owner
        self._transport = transport
        self._folder = folder
        self._suffix = suffix
        self._quarantine = quarantine
        self._watch = transport.watch(owner, folder)
        self._tries: dict[str, int] = {}

    def note_new(self) -> None:
        """Ask the store what has come or changed since the last call."""
        for entry in self._watch.new():
            if not entry.name.endswith(self._suffix):
                continue
            mid = names.message_of(entry.name, self._suffix)
            if entry.file_type_error or mid is None:
                path = f"{self._folder}/{entry.name}"
                self._quarantine.refuse_name(self.owner, path, entry.file_type_error)
            else:
                self._tries.setdefault(mid, 0)

    def batch(self, awaited: Collection[str] = (), limit: int = BATCH) -> list[str]:
        """Ids of messages that have not been dealt with: those in ``awaited`` first, at most ``limit``."""
        if not self._tries:
            return []
        first = list(islice((mid for mid in awaited if mid in self._tries), limit))
        chosen = dict.fromkeys(first)
        half = (limit - len(first) + 1) // 2
        for way in (iter(self._tries), reversed(self._tries)):
            chosen |= dict.fromkeys(islice((mid for mid in way if mid not in chosen), half))
        return list(chosen)[:limit]

    def waiting(self) -> list[str]:
        """Ids of all messages that have not been dealt with."""
        return list(self._tries)

    def has_more(self) -> bool:
        """Whether there is something that has not been dealt with."""
        return bool(self._tries)

    def done(self, mid: str) -> None:
        """A message has been dealt with, until it is told of again."""
        self._tries.pop(mid, None)

    def path(self, mid: str) -> str:
        """Where a message lies in the peer's space."""
        return f"{self._folder}/{mid}{self._suffix}"

    def take(
        self, mid: str, check: Callable[[Header], None], accept: Callable[[bytes], bool]
    ) -> RefusedError | None:
        """Read a message and hand it to ``accept``, which says whether it has been dealt with; why it was refused.

        ``check`` sees the header before the rest is read. What either of them refuses has been dealt with, and
        so has what cannot be opened time and again.
        """
        data = b""
        try:
            with self._transport.open(self.owner, self.path(mid)) as stream:
                data = _read_up_to(stream, MAX_HEADER)
                header, length = parse_header(data)
                check(header)
                expected = length + header.size + SIGNATURE_SIZE
                # One byte more tells a file that goes on from one that is whole.
                data += _read_up_to(stream, max(0, expected + 1 - len(data)))
            if accept(data):
                self.done(mid)
        except NotThereError:
            self._tries[mid] = self._tries.get(mid, 0) + 1
            if self._tries[mid] > TRIES:
                self.done(mid)
        except RefusedError as error:
            self.refuse(mid, data, error)
            return error
        return None

    def refuse(self, mid: str, data: bytes, error: RefusedError) -> None:
        """A message is not taken; it has been dealt with."""
        self._quarantine.refuse(self.owner, self.path(mid), data, error)
        self.done(mid)

    def close(self) -> None:
        """Look no more."""
        self._watch.close()


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """At most ``size`` bytes, fewer only at the end of the file."""
    pieces, missing = [], size
    while missing and (piece := stream.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
