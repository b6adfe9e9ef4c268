"""Bodies on their way in: multipart requests and resumable sessions, on disk as they arrive.

A session keeps what it has got in whole pieces of 256 KiB, says how much that is in a ``Range``, and
ignores what is sent to it twice, as Google's upload servers do. Knows no account's rights: the server
checks those before it begins and before it commits.
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from syft_flwr_cli.testing.drive_emulator.discovery import Mask
from syft_flwr_cli.testing.drive_emulator.problems import ApiError, bad_request
from syft_flwr_cli.testing.drive_emulator.records import Body

__all__ = ["MULTIPART_LIMIT", "PIECE", "Session", "body_at", "receive_chunk", "split_multipart"]

MULTIPART_LIMIT = 5_000_000
"""Bytes of content that Drive takes in one multipart request."""

PIECE = 256 * 1024
"""What a session keeps is a multiple of this."""

_BLOCK = 64 * 1024
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)\Z")


@dataclass(slots=True)
class Session:
    """A resumable upload."""

    who: str
    method: str
    file: str | None
    meta: dict[str, Any]
    mask: Mask | None
    size: int | None
    path: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    received: int = 0
    arrived: int = 0
    result: dict[str, Any] | None = None

    @property
    def range(self) -> str | None:
        """The ``Range`` of a 308; None as long as nothing is kept."""
        return f"bytes=0-{self.received - 1}" if self.received else None


def body_at(path: Path) -> Body:
    """Sum up a file that has arrived."""
    md5, sha = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            md5.update(block)
            sha.update(block)
    return Body(path, path.stat().st_size, md5.hexdigest(), sha.hexdigest())


def split_multipart(content_type: str, data: bytes, path: Path) -> tuple[dict[str, Any], Body]:
    """Take a ``multipart/related`` request apart: its JSON, and its content written to ``path``."""
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if not content_type.startswith("multipart/related") or not found:
        raise bad_request("Missing end boundary in multipart body.", "badContent")
    mark = b"--" + found.group(1).encode()
    parts = data.split(mark)
    if len(parts) != 4 or not parts[3].startswith(b"--"):
        raise bad_request("Malformed multipart body.", "badContent")
    head, content = (_strip(part) for part in parts[1:3])
    if len(content) > MULTIPART_LIMIT:
        raise ApiError(413, "uploadTooLarge", f"A multipart upload takes at most {MULTIPART_LIMIT} bytes.")
    try:
        meta = json.loads(head)
    except ValueError:
        raise bad_request("Parse Error", "parseError") from None
    path.write_bytes(content)
    return meta, body_at(path)


def _strip(part: bytes) -> bytes:
    # The head is written with one kind of line end, and so is the line before the next mark; the content
    # is binary, may hold both kinds, and may end in either.
    found = re.search(rb"(\r?\n)\1", part)
    if found is None or not part.endswith(found[1]):
        raise bad_request("Malformed multipart body.", "badContent")
    return part[found.end() : -len(found[1])]


def receive_chunk(
    session: Session, content_range: str | None, stream: IO[bytes], length: int, cut: int | None
) -> bool:
    """Take a ``PUT`` to a session in; True once all is there.

    Parameters
    ----------
    content_range : str | None
        The header; None means all at once.
    length : int
        Bytes of the body.
    cut : int | None
        Cut the connection after so many of them; what has arrived is kept in whole pieces.

    Raises
    ------
    ConnectionResetError
        For the cut.
    ApiError
        400 for a range that does not follow.
    """
    first, last, total = _parse_range(content_range, length)
    if total is not None:
        if session.size not in (None, total):
            raise bad_request("The total size differs from the one that was declared.")
        session.size = total
    if first is None:
        return session.size == session.received and session.size is not None
    if first > session.received or last is None or last - first + 1 != length:
        raise bad_request(f"Failed to parse Content-Range header {content_range!r}.")
    final = session.size is not None and last + 1 == session.size
    if not final and length % PIECE:
        raise bad_request(f"Chunks must be multiples of {PIECE} bytes.")
    take = length if cut is None else min(cut, length)
    kept = _append(session, stream, take, session.received - first)
    session.arrived += take
    whole = cut is None or take == length
    session.received += (
        kept if whole and final else (session.received + kept) // PIECE * PIECE - session.received
    )
    if not whole:
        raise ConnectionResetError("cut by the emulator")
    return final


def _parse_range(text: str | None, length: int) -> tuple[int | None, int | None, int | None]:
    if text is None:
        return 0, length - 1, length
    found = _RANGE.match(text)
    if not found:
        raise bad_request(f"Failed to parse Content-Range header {text!r}.")
    first, last, total = found.groups()
    size = None if total == "*" else int(total)
    return (None, None, size) if first is None else (int(first), int(last), size)


def _append(session: Session, stream: IO[bytes], take: int, skip: int) -> int:
    """Read ``take`` bytes, forget the first ``skip`` (had already), keep the rest; how many were new."""
    kept = 0
    mode = "r+b" if session.path.exists() else "w+b"
    with session.path.open(mode) as out:
        out.seek(session.received)
        while take > 0:
            block = stream.read(min(take, _BLOCK))
            if not block:
                raise ConnectionResetError("the client went away")
            take -= len(block)
            fresh = block[skip:] if skip else block
            skip = max(0, skip - len(block))
            out.write(fresh)
            kept += len(fresh)
    return kept
