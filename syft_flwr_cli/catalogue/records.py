"""What one participant states towards another, as bytes: a kind, a key, a number that only grows, and a content.

Of all records with the same sender, recipient, kind and key only the one with the highest number holds; whatever
has a lower number was overtaken, and says nothing any more, whoever puts it back. The number is at least the time
in milliseconds, so that it grows even where a home was restored from a backup. Reading is strict and bounded, and
raises nothing but `RefusedError`. Pure: it knows no keys, no files and no clock.
"""

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, read_object

__all__ = [
    "APP",
    "KINDS",
    "MAX_RECORD",
    "Fields",
    "Kind",
    "Record",
    "next_number",
    "read_record",
    "record_bytes",
    "record_id",
]

APP = "federation"
"""The reserved app name under which records travel."""

Kind = Literal["offer", "decision", "dataset", "leave"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Each kind is the endpoint in whose folder its records lie."""

MAX_RECORD = 1024 * 1024
"""Bytes of a record before it is sealed, at most."""

MAX_KEY = 200

_FORMAT = "syft-flwr record"
_HEX = re.compile(r"[0-9a-f]{64}\Z")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One statement; ``time`` in seconds since 1970 by the sender's clock."""

    kind: Kind
    key: str
    number: int
    time: float
    content: Mapping[str, Any]


def next_number(previous: int, now: float) -> int:
    """The number of the next record after one with the number ``previous`` (0: none), at ``now`` seconds."""
    return max(previous + 1, int(now * 1000))


def record_id(sender: str, recipient: str, record: Record) -> str:
    """The id of the message that carries a record: a UUIDv8 (RFC 9562) over what makes it this one."""
    parts = (check_email(sender), check_email(recipient), record.kind, record.key, str(record.number))
    raw = bytearray(hashlib.sha256("\0".join(("syft-flwr/record-id/1", *parts)).encode()).digest()[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def record_bytes(record: Record) -> bytes:
    """The one canonical form of a record; `UsageError` if it is too large to be sent."""
    data = canonical(
        {
            "format": _FORMAT,
            "version": 1,
            "kind": record.kind,
            "key": record.key,
            "number": record.number,
            "time": record.time,
            "content": record.content,
        }
    )
    if len(data) > MAX_RECORD:
        raise UsageError(
            f"The {record.kind} {record.key!r} is too long: {len(data):,} bytes.",
            hint=f"Shorten its message or description; {MAX_RECORD:,} bytes are the most.",
        )
    return data


def read_record(data: bytes) -> Record:
    """The record in ``data``; `RefusedError` if it is none, is too large, or is of a later version."""
    if len(data) > MAX_RECORD:
        raise RefusedError("oversized", f"A record of {len(data):,} bytes; at most {MAX_RECORD:,} are taken.")
    fields = Fields(read_object(data, "The record"), "The record")
    if fields.get("format") != _FORMAT:
        raise RefusedError("garbage", "The message is no record.")
    if fields.get("version") != 1:
        raise RefusedError(
            "version",
            "The record was written by a later version of syft-flwr.",
            hint="Update syft-flwr.",
        )
    kind = fields.choice("kind", KINDS)
    content = fields.get("content")
    if not isinstance(content, dict):
        raise RefusedError("garbage", "The record has no content.")
    return Record(
        kind=kind,
        key=fields.text("key", MAX_KEY),
        number=fields.count("number"),
        time=fields.seconds("time"),
        content=content,
    )


class Fields:
    """Checked access to the fields of a foreign object; everything unexpected is `RefusedError` (``garbage``)."""

    def __init__(self, found: Any, what: str) -> None:
        self.what = what
        if not isinstance(found, Mapping):
            raise RefusedError("garbage", f"{what} is no object.")
        self._found = found

    def get(self, name: str) -> Any:
        """The field as it stands; None if it is not there."""
        return self._found.get(name)

    def text(self, name: str, limit: int) -> str:
        """A text of at most ``limit`` characters."""
        value = self.get(name)
        if not isinstance(value, str) or len(value) > limit:
            raise self._odd(name)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self._odd(name) from error
        return value

    def named(self, name: str, check: Callable[[str], str]) -> str:
        """A text in the one form that ``check`` (of `protocol.names`) returns."""
        value = self.text(name, 500)
        try:
            if check(value) == value:
                return value
        except UsageError as error:
            raise RefusedError("garbage", f"{self.what}: {error.what}") from error
        raise self._odd(name)

    def count(self, name: str, most: int = 1 << 62) -> int:
        """A whole number from 0 to ``most``."""
        value = self.get(name)
        if type(value) is not int or not 0 <= value <= most:
            raise self._odd(name)
        return value

    def seconds(self, name: str) -> float:
        """A time in seconds since 1970."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e12:
            raise self._odd(name)
        return float(value)

    def optional(self, name: str, read: Callable[[str], T]) -> T | None:
        """What ``read`` makes of the field; None if it is null or absent."""
        return None if self.get(name) is None else read(name)

    def flag(self, name: str) -> bool:
        """True or false; false if it is absent."""
        value = self._found.get(name, False)
        if not isinstance(value, bool):
            raise self._odd(name)
        return value

    def digest(self, name: str) -> str:
        """64 hexadecimal digits."""
        value = self.get(name)
        if not isinstance(value, str) or not _HEX.match(value):
            raise self._odd(name)
        return value

    def choice(self, name: str, known: tuple[T, ...]) -> T:
        """One of ``known``."""
        value = self.get(name)
        for one in known:
            if value == one:
                return one
        raise self._odd(name)

    def items(self, name: str, limit: int) -> list[Any]:
        """A list of at most ``limit`` items; empty if it is absent."""
        value = self._found.get(name, [])
        if not isinstance(value, list) or len(value) > limit:
            raise self._odd(name)
        return value

    def _odd(self, name: str) -> RefusedError:
        return RefusedError("garbage", f"{self.what} has no proper {name!r}.")
