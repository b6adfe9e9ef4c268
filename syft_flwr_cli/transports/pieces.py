"""Payloads in pieces, for stores that carry small files much faster than large ones.

A decorator around a transport that declares a `Properties.largest_quick_file`. A payload that such a store would be
slow with is published as files ``{payload id}.{number}.request``, each of which is quick, at the pace that the
store declares, and read as if it were one file; nobody above knows of it. Each piece begins with a header line, like
every file of ours. A reader who runs a version without pieces would wait for ever, so they are used only for
readers who have said, in a document beside their identity, that they read them. It knows nothing of keys: what
is put together wrongly does not open.
"""

import io
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.transports.around import Around
from syft_flwr_cli.transports.base import Buffer, BytesContent, Content, FileInfo, Transport, Watch
from syft_flwr_cli.transports.folder import atomic_write, posix
from syft_flwr_cli.transports.piece import (
    MAX_HEADER,
    PIECE_NAME,
    Joined,
    Piece,
    beside,
    parse_header,
    piece_name,
)

__all__ = ["CAPABILITIES_PATH", "Pieces"]

CAPABILITIES_PATH = "syft_flwr_identity/transport.json"
"""Where a participant says what its transport understands."""

_CAPABILITIES = b'{"pieces":1}\n'
MAX_CAPABILITIES = 4096

CHUNK = 1 << 20

_PAYLOAD = ".payload"


class Pieces(Around):
    """See the module's first paragraph.

    Parameters
    ----------
    inner : Transport
        The store.
    sleep : callable
        How to keep the pace.
    """

    def __init__(self, inner: Transport, sleep: Callable[[float], None] = time.sleep) -> None:
        super().__init__(inner)
        self._sleep = sleep
        self._guard = threading.Lock()
        self._next = 0.0
        self._able: set[str] = set()

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        """Publish a file, or its pieces; see `Transport.publish`."""
        if path == names.IDENTITY_PATH:
            super().publish(CAPABILITIES_PATH, BytesContent(_CAPABILITIES), readers)
        payload = _payload(path)
        if payload is None:
            super().publish(path, content, readers)
            return
        properties = self._inner.properties
        before = self._pieces_of(self.email, path)
        if 0 < content.size <= properties.largest_in_pieces and all(map(self._understands, readers)):
            written = self._publish_pieces(path, payload, content, readers)
            super().remove(path)
        else:
            super().publish(path, content, readers)
            written = 0
        for number in range(written, before):
            super().remove(beside(path, piece_name(payload, number)))

    def open(self, owner: str, path: str) -> BinaryIO:
        """Open a file, or its pieces as one; see `Transport.open`."""
        payload = _payload(path)
        if payload is None:
            return super().open(owner, path)
        try:
            return super().open(owner, path)
        except NotThereError:
            pieces = self._all(owner, path, payload)
            if pieces is None:
                raise
        return io.BufferedReader(Joined(self._inner, owner, path, pieces), CHUNK)

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        """Copy a file, or its pieces as one; see `Transport.fetch`."""
        if _payload(path) is None:
            super().fetch(owner, path, destination)
            return
        try:
            super().fetch(owner, path, destination)
        except NotThereError:
            with self.open(owner, path) as stream:
                size = stream.seek(0, io.SEEK_END)
                stream.seek(0)
                try:
                    with posix.entered(destination.parent.absolute(), ()) as folder:
                        atomic_write.publish(destination.name, folder, _Streamed(stream, size))
                except OSError as error:
                    raise posix.explain(error, "write", destination) from error

    def watch(self, owner: str, folder: str) -> Watch:
        """Begin to look at a folder, in which pieces are told of as the file that they make."""
        return _PiecesWatch(super().watch(owner, folder), self, owner, folder)

    def remove(self, path: str) -> None:
        """Remove a file and its pieces."""
        payload = _payload(path)
        count = 0 if payload is None else self._pieces_of(self.email, path)
        super().remove(path)
        for number in range(count):
            super().remove(beside(path, piece_name(str(payload), number)))

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """Every file of one's own, pieces as the file that they make, if all are there."""
        found: list[tuple[str, FileInfo]] = []
        made: dict[str, list[FileInfo]] = {}
        for path, entry in super().list_own(folder):
            match = PIECE_NAME.match(entry.name)
            if match is not None:
                made.setdefault(beside(path, match[1] + _PAYLOAD), []).append(entry)
            elif path != CAPABILITIES_PATH:
                found.append((path, entry))
        there = {path for path, _ in found}
        for path, entries in made.items():
            pieces = self._all(self.email, path, path.rpartition("/")[2].removesuffix(_PAYLOAD))
            if pieces is not None and path not in there:
                created = max(entry.created for entry in entries)
                found.append((path, FileInfo(path.rpartition("/")[2], pieces[0].total, created)))
        return sorted(found, key=lambda item: item[0])

    def all_there(self, owner: str, path: str, payload: str) -> int | None:
        """The size of a payload of ``owner`` of which every piece is there; else None."""
        pieces = self._all(owner, path, payload)
        return None if pieces is None else pieces[0].total

    def _publish_pieces(self, path: str, payload: str, content: Content, readers: Collection[str]) -> int:
        properties = self._inner.properties
        room = properties.largest_quick_file - MAX_HEADER
        count = -(-content.size // room)
        version, number, offset, pending = secrets.token_hex(8), 0, 0, bytearray()

        def write(data: bytearray) -> None:
            nonlocal number, offset
            header = Piece(payload, number, count, offset, len(data), content.size, version)
            self._keep_pace(properties.pace)
            piece = BytesContent(header.line() + data)
            Around.publish(self, beside(path, piece_name(payload, number)), piece, readers)
            number, offset = number + 1, offset + len(data)

        for chunk in content.chunks():
            rest = memoryview(chunk).cast("B")
            while len(rest):
                taken = rest[: room - len(pending)]
                pending += taken
                rest = rest[len(taken) :]
                if len(pending) == room:
                    write(pending)
                    pending = bytearray()
        if pending:
            write(pending)
        if offset != content.size:
            raise ValueError(f"Content of {content.size} bytes was promised, but its chunks made {offset}.")
        return count

    def _keep_pace(self, pace: float) -> None:
        with self._guard:
            now = time.monotonic()
            begin = max(now, self._next)
            self._next = begin + pace
        if begin > now:
            self._sleep(begin - now)

    def _understands(self, reader: str) -> bool:
        if reader == self.email or reader in self._able:
            return True
        try:
            with super().open(reader, CAPABILITIES_PATH) as stream:
                able = int(loads(stream.read(MAX_CAPABILITIES))["pieces"]) >= 1
        except (NotThereError, ValueError, KeyError, TypeError, RecursionError):
            return False
        if able:
            self._able.add(reader)
        return able

    def _header(self, owner: str, path: str, payload: str, number: int) -> Piece | None:
        try:
            with super().open(owner, beside(path, piece_name(payload, number))) as stream:
                return parse_header(stream.readline(MAX_HEADER), payload, number)
        except NotThereError:
            return None

    def _pieces_of(self, owner: str, path: str) -> int:
        """How many pieces a payload has, by the first of them that is there; 0 if none is."""
        payload = _payload(path)
        first = None if payload is None else self._header(owner, path, payload, 0)
        return 0 if first is None else first.pieces

    def _all(self, owner: str, path: str, payload: str) -> list[Piece] | None:
        """The headers of all pieces, in order; None unless all are there, and of one writing."""
        first = self._header(owner, path, payload, 0)
        if first is None:
            return None
        found, end = [first], first.size
        for number in range(1, first.pieces):
            header = self._header(owner, path, payload, number)
            if header is None or (header.version, header.total, header.pieces, header.offset) != (
                first.version,
                first.total,
                first.pieces,
                end,
            ):
                return None
            found.append(header)
            end += header.size
        return found if first.offset == 0 and end == first.total else None


@dataclass(frozen=True, slots=True)
class _Streamed:
    """What is left of a stream, as content."""

    stream: BinaryIO
    size: int

    def chunks(self) -> Iterator[Buffer]:
        while chunk := self.stream.read(CHUNK):
            yield chunk


class _PiecesWatch:
    """One folder, in which a payload is told of once all its pieces are there."""

    def __init__(self, inner: Watch, transport: Pieces, owner: str, folder: str) -> None:
        self._inner, self._transport, self._owner, self._folder = inner, transport, owner, folder

    def new(self) -> list[FileInfo]:
        """See `Watch.new`."""
        told, newest = [], {}
        for entry in self._inner.new():
            match = None if entry.file_type_error else PIECE_NAME.match(entry.name)
            if match is None:
                if f"{self._folder}/{entry.name}" != CAPABILITIES_PATH:
                    told.append(entry)
            else:
                newest[match[1]] = entry
        for payload, entry in newest.items():
            path = f"{self._folder}/{payload}{_PAYLOAD}"
            size = self._transport.all_there(self._owner, path, payload)
            if size is not None:
                told.append(FileInfo(f"{payload}{_PAYLOAD}", size, entry.created))
        return told

    def close(self) -> None:
        """See `Watch.close`."""
        self._inner.close()


def _payload(path: str) -> str | None:
    """The id of the payload at ``path``; None if that is the path of none."""
    name = path.rpartition("/")[2]
    return names.message_of(name, _PAYLOAD)
