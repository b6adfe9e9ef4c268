"""One piece of a payload: its name, its header line, and the pieces of a payload read as one file.

A piece is a header line (JSON, at most `MAX_HEADER` bytes) and a part of the payload. All of a header is checked
before it is believed: it is a peer's. Which transport carries the pieces is not known here.
"""

import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.transports.base import Transport

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["MAX_HEADER", "PIECE_NAME", "Joined", "Piece", "beside", "parse_header", "piece_name"]

MAX_HEADER = 512
"""Bytes of the header line of a piece at the most."""

MAX_PIECES = 1024

PIECE_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(0|[1-9]\d{0,3})\.request\Z")
"""The file name of a piece: the payload's id, and the number from 0."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The header line of a piece: which it is of how many, and of what; sizes in bytes."""

    payload: str
    number: int
    pieces: int
    offset: int
    size: int
    total: int
    version: str

    def line(self) -> bytes:
        """The header line, with its end."""
        return (
            json.dumps(
                {
                    "format": "syft-flwr-piece",
                    "version": 1,
                    "payload": self.payload,
                    "number": self.number,
                    "pieces": self.pieces,
                    "offset": self.offset,
                    "size": self.size,
                    "total": self.total,
                    "written": self.version,
                },
                separators=(",", ":"),
            ).encode()
            + b"\n"
        )


def piece_name(payload: str, number: int) -> str:
    """The file name of a piece."""
    return f"{payload}.{number}.request"


def parse_header(line: bytes, payload: str, number: int) -> Piece | None:
    """The header line of the piece ``number`` of ``payload``; None if it is none."""
    try:
        document: dict[str, Any] = loads(line)
        if (document["format"], document["version"]) != ("syft-flwr-piece", 1):
            return None
        which, pieces, offset, size, total = numbers = [
            document[key] for key in ("number", "pieces", "offset", "size", "total")
        ]
        written = document["written"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(value) is int and 0 <= value < 1 << 40 for value in numbers) or not isinstance(
        written, str
    ):
        return None
    found = Piece(payload, which, pieces, offset, size, total, written[:64])
    sound = document["payload"] == payload and found.number == number < found.pieces <= MAX_PIECES
    return found if sound and found.offset + found.size <= found.total else None


class Joined(io.RawIOBase):
    """The content of pieces, one after the other, as one file."""

    def __init__(self, inner: Transport, owner: str, path: str, pieces: list[Piece]) -> None:
        self._inner, self._owner, self._path, self._pieces = inner, owner, path, pieces
        self._position = 0
        self._current: tuple[int, BinaryIO, int] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._pieces[0].total}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        wanted = memoryview(buffer).cast("B")
        piece = next((p for p in self._pieces if p.offset <= self._position < p.offset + p.size), None)
        if piece is None:
            return 0
        stream = self._stream(piece)
        data = stream.read(min(len(wanted), piece.offset + piece.size - self._position))
        if not data:
            raise NotThereError(
                f"A piece of {self._path} of {self._owner} is shorter than it says.",
                hint=f"Wait for {self._owner} to write it again.",
            )
        wanted[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None
        super().close()

    def _stream(self, piece: Piece) -> BinaryIO:
        inside = self._position - piece.offset
        if self._current is None or self._current[0] != piece.number:
            if self._current is not None:
                self._current[1].close()
                self._current = None
            stream = self._inner.open(
                self._owner, beside(self._path, piece_name(piece.payload, piece.number))
            )
            header = parse_header(stream.readline(MAX_HEADER), piece.payload, piece.number)
            if header != piece:
                stream.close()
                raise NotThereError(
                    f"{self._path} of {self._owner} was written anew while it was read.",
                    hint="It is read again.",
                )
            self._current = (piece.number, stream, stream.tell())
        _, stream, start = self._current
        if stream.tell() != start + inside:
            stream.seek(start + inside)
        return stream


def beside(path: str, name: str) -> str:
    """The path of the file ``name`` in the folder of ``path``."""
    folder = path.rpartition("/")[0]
    return f"{folder}/{name}" if folder else name
