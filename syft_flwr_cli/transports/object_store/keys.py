"""Object keys: how the path of a file, and the parts of a large one, are named in a bucket.

A file lies at ``{owner}/{path}``. One that is too large for a single request is a *marker*, an object
of one byte at ``{owner}/{path},,{size},{part},{upload}``, and its parts lie at
``{owner}/.parts/{upload}/{number}``. Parts are written first and never rewritten, so the marker makes all
of them visible at once, and an upload that was interrupted goes on with the parts that are missing. No
path can name a marker or a part: a comma and a leading dot are refused by ``protocol.names``. Characters
that some service treats specially are escaped as a comma and two hexadecimal digits. No I/O.
"""

import re
from dataclasses import dataclass

from syft_flwr_cli.protocol import names

__all__ = [
    "MARKER",
    "PART_SIZE",
    "Marker",
    "decode",
    "encode",
    "marker_key",
    "object_key",
    "parse_marker",
    "part_key",
]

PART_SIZE = 8 << 20
"""Bytes of each part but the last; a file of at most so many bytes is one object."""

MAX_SIZE = 1 << 44
"""Bytes beyond which a marker is not believed (16 TiB)."""

MARKER = b"\n"
"""The content of a marker: some services refuse, or lose, empty objects."""

_UNSAFE = re.compile(r"[^A-Za-z0-9@._=/-]")
_ESCAPED = re.compile(r",([0-9a-f]{2})")
_MARKER = re.compile(
    r"(?P<path>.+),,(?P<size>[1-9][0-9]{0,14}),(?P<part>[1-9][0-9]{3,7}),(?P<upload>[0-9a-f]{32})\Z"
)


@dataclass(frozen=True, slots=True)
class Marker:
    """What the name of a marker says: the file's name, bytes in all and of a part, the upload that holds the parts."""

    name: str
    size: int
    part: int
    upload: str

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part)


def encode(path: str) -> str:
    """The key of a valid path."""
    return _UNSAFE.sub(lambda found: f",{ord(found[0]):02x}", path)


def decode(key: str) -> str:
    """The path of a key; the inverse of `encode`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), key)


def object_key(owner: str, path: str) -> str:
    """The key of a file of ``owner``; `UsageError` if the path could leave the owner's space."""
    for part in path.split("/"):
        names.check_component(part)
    return encode(f"{names.check_email(owner)}/{path}")


def marker_key(key: str, size: int, part: int, upload: str) -> str:
    """The key of the marker of a large file, given the key of the file."""
    return f"{key},,{size},{part},{upload}"


def part_key(owner: str, upload: str, number: int) -> str:
    """The key of one part."""
    return f"{encode(owner)}/.parts/{upload}/{number:06d}"


def parse_marker(key: str) -> Marker | None:
    """The marker that a key names; None if it names none. ``name`` is decoded."""
    found = _MARKER.match(key)
    if found is None or int(found["size"]) > MAX_SIZE:
        return None
    return Marker(decode(found["path"]), int(found["size"]), int(found["part"]), found["upload"])
