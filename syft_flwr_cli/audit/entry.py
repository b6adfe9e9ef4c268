"""One line of an audit log: how an entry becomes bytes, a hash and a signature, and back.

A line is one JSON object and a newline, in exactly one form: ASCII, no white space, ``seq``, ``time`` and
``event`` first, then the entry's own fields by name, then ``salt``, ``prev``, ``hash``, ``sig``. Reading
rebuilds the bytes and compares, so that there are no two ways to write an entry. The hash covers the
content only through a salted digest: an entry can be withheld from somebody (its digest put in its place)
and the chain still verifies. Pure: no disk, clock or randomness, and no opinion on what comes before.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.errors import UsageError

__all__ = [
    "EVENTS",
    "GENESIS",
    "MAX_LINE",
    "Line",
    "LineError",
    "check_fields",
    "make_line",
    "parse_line",
    "signed_bytes",
    "withheld",
]

EVENTS = (
    "opened",
    "repaired",
    "sent",
    "received",
    "executed",
    "egress",
    "approved",
    "rejected",
    "refused",
    "restored",
    "pinned",
    "rotated",
    "verified",
    "revoked",
    "run-started",
    "run-config",
    "run-finished",
    "stopped",
    "removed",
)
"""What can be recorded. ``opened`` and ``repaired`` are written by the log itself."""

GENESIS = "0" * 64
"""The ``prev`` of the first entry, and the head of an empty log."""

MAX_LINE = 64 * 1024
MAX_TEXT = 1000
MAX_SIGNED_LINE = 4096
"""Characters of a message's first line (``header``), which is kept whole: a peer has signed it."""

MAX_TIME = 250_000_000_000.0
"""Seconds since 1970, shortly before the year 9999 ends, after which `datetime` has no days."""

_CONTENT_TAG = b"syft-flwr audit entry 1\0"
_LINK_TAG = b"syft-flwr audit link 1\0"
_SIGNATURE_TAG = b"syft-flwr audit signature 1\0"
_FIRST = ("seq", "time", "event")
_CHAIN = ("prev", "hash", "sig")
_RESERVED = frozenset({"seq", "salt", "identity", "withheld", *_CHAIN})
_HEX = re.compile(r"[0-9a-f]*\Z")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


class LineError(ValueError):
    """These bytes are no entry; the text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry that is well-formed and whose hash covers it; ``entry`` has all its fields."""

    entry: dict[str, Any]
    seq: int
    prev: str
    hash: str
    signature: bytes
    withheld: bool


def check_fields(fields: Mapping[str, Any]) -> None:
    """Refuse what may not stand in an entry: an unknown event, reserved or odd names, anything but metadata.

    Raises
    ------
    UsageError
        If a value is not None, a bool, a finite number, or a text (or a list of texts) of at most 1000
        characters each.
    """
    if fields.get("event") not in EVENTS:
        raise UsageError(f"{fields.get('event')!r} is no event of an audit log.", hint=f"Use {EVENTS}.")
    if not isinstance(fields.get("time", 0), int | float):
        raise UsageError("The time of an audit entry is no number.", hint="Give seconds since 1970.")
    for name, value in fields.items():
        if name in _RESERVED or not _FIELD.match(name):
            raise UsageError(f"{name!r} cannot name a field of an audit entry.", hint="Use another name.")
        texts = value if isinstance(value, list | tuple) else [value] if isinstance(value, str) else []
        plain = value is None or isinstance(value, bool | int | float | str | list | tuple)
        finite = not isinstance(value, float) or math.isfinite(value)
        most = MAX_SIGNED_LINE if name == "header" else MAX_TEXT
        short = all(isinstance(text, str) and len(text) <= most for text in texts)
        if not (plain and finite and short):
            raise UsageError(
                f"The field {name!r} of an audit entry holds more than metadata.",
                hint=f"Record texts of at most {MAX_TEXT} characters, numbers and digests.",
            )


def make_line(
    seq: int, fields: Mapping[str, Any], salt: str, prev: str, sign: Callable[[bytes], bytes]
) -> tuple[bytes, str]:
    """The line of an entry, newline included, and its hash (hex).

    Parameters
    ----------
    seq : int
        Its number, from 1.
    fields : Mapping[str, Any]
        ``time`` (seconds since 1970), ``event`` and the entry's own fields.
    salt : str
        Random hex, so that a withheld entry cannot be guessed from its digest.
    prev : str
        The hash of the entry before, hex; `GENESIS` for the first.
    sign : Callable[[bytes], bytes]
        Ed25519.
    """
    own = {name: fields[name] for name in sorted(fields) if name not in _FIRST}
    content = {"seq": seq, "time": fields["time"], "event": fields["event"], **own, "salt": salt}
    hash_ = _link(prev, seq, _digest(content))
    entry = {**content, "prev": prev, "hash": hash_, "sig": sign(signed_bytes(hash_)).hex()}
    line = _canonical(entry) + b"\n"
    if len(line) > MAX_LINE:
        raise UsageError(
            f"An audit entry of {len(line)} bytes is too long (at most {MAX_LINE}).",
            hint="Record digests, not contents.",
        )
    return line, hash_


def signed_bytes(hash_: str) -> bytes:
    """What the signature of the entry with this hash is over."""
    return _SIGNATURE_TAG + bytes.fromhex(hash_)


def withheld(line: Line) -> bytes:
    """The line that stands in for ``line`` in a copy whose reader should not see its content."""
    digest = line.entry["withheld"] if line.withheld else _digest(_content(line.entry)).hex()
    entry = {"seq": line.seq, "withheld": digest, **{name: line.entry[name] for name in _CHAIN}}
    return _canonical(entry) + b"\n"


def parse_line(raw: bytes) -> Line:
    """Read a line, newline included, and check its form and its own hash; not the signature, not the chain.

    Raises
    ------
    LineError
        If a byte of it is not as it was written.
    """
    if not raw.endswith(b"\n"):
        raise LineError("it is incomplete: its end is missing")
    try:
        entry = json.loads(raw.decode("ascii"), parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
        again = _canonical(entry) + b"\n"
    except (ValueError, RecursionError) as error:
        raise LineError("it is no JSON object in ASCII") from error
    if not isinstance(entry, dict) or again != raw:
        raise LineError("it is not in the form in which entries are written")
    seq = entry.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 < seq < 1 << 63:
        raise LineError("its number is missing")
    for name, digits in (("prev", 64), ("hash", 64), ("sig", 128)):
        if not _is_hex(entry.get(name), digits):
            raise LineError(f"its {name!r} is no hexadecimal number of {digits} digits")
    hidden = "withheld" in entry
    if hidden:
        if not _is_hex(entry["withheld"], 64):
            raise LineError("its 'withheld' is no digest")
        order: list[str] = ["seq", "withheld", *_CHAIN]
        digest = bytes.fromhex(entry["withheld"])
    else:
        own = sorted(set(entry) - {*_FIRST, "salt", *_CHAIN})
        order = [*_FIRST, *own, "salt", *_CHAIN]
        digest = _digest(_content(entry))
        if not isinstance(entry.get("event"), str) or not _is_time(entry.get("time")):
            raise LineError("its time or its event is missing, or is none")
    if list(entry) != order:
        raise LineError("its fields are not in the order in which they are written")
    if _link(entry["prev"], seq, digest) != entry["hash"]:
        raise LineError("its content does not match its hash")
    return Line(entry, seq, entry["prev"], entry["hash"], bytes.fromhex(entry["sig"]), hidden)


def _content(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in _CHAIN}


def _canonical(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _digest(content: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(_CONTENT_TAG + _canonical(content)).digest()


def _link(prev: str, seq: int, digest: bytes) -> str:
    data = _LINK_TAG + bytes.fromhex(prev) + seq.to_bytes(8, "big") + digest
    return hashlib.sha256(data).hexdigest()


def _is_hex(value: Any, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and _HEX.match(value) is not None


def _is_time(value: Any) -> bool:
    """Whether it is seconds since 1970 that a calendar has a day for; a peer may write any number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_TIME


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
