"""The records that a participant has made and taken in, on this machine's disk.

Of every (peer, kind, key) one private file: the newest record, and for one's own what has become of it (under which
key it was sealed and published, and which older files are to be taken back). Files are replaced whole, under a lock,
so that several processes of one participant may work on them. It trusts what it has written and knows no transport.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from syft_flwr_cli.catalogue.records import (
    MAX_RECORD,
    Kind,
    Record,
    next_number,
    read_record,
    record_bytes,
    record_id,
)
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, read_object
from syft_flwr_cli.storage.paths import locked, read_private, write_private

__all__ = ["Received", "RecordStore", "Sent"]

MAX_KEPT = 2000
"""Records of one kind that are kept of one peer."""

MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Bytes of these, at most."""

_LIMIT = 2 * MAX_RECORD + 64 * 1024


@dataclass(frozen=True, slots=True)
class Sent:
    """A record of one's own.

    ``sealed_to`` is the fingerprint of the recipient's key under which it was published, None while it was not;
    ``stale`` are the ids of older messages that it overtakes and that may still lie in the store.
    """

    recipient: str
    record: Record
    sealed_to: str | None
    stale: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Received:
    """A record of a peer; ``seen`` in seconds since 1970 by one's own clock."""

    sender: str
    record: Record
    seen: float


class RecordStore:
    """See the module's first paragraph.

    Parameters
    ----------
    directory : Path
        A private directory of the participant.
    email : str
        Whose.
    """

    def __init__(self, directory: Path, email: str) -> None:
        self._directory = directory
        self._email = email

    def put(self, recipient: str, kind: Kind, key: str, content: dict[str, Any], now: float) -> Sent:
        """Make the next record of (recipient, kind, key), to be sent; one with the same content stays as it is."""
        path = self._sent(recipient, kind, key)
        with locked(path):
            before = _read_sent(path)
            if before is not None and before.record.content == content:
                return before
            number = next_number(0 if before is None else before.record.number, now)
            record = Record(kind, key, number, round(now, 3), content)
            stale = (
                () if before is None else (*before.stale, record_id(self._email, recipient, before.record))
            )
            sent = Sent(recipient, record, None, stale)
            _write_sent(path, sent)
        return sent

    def published(self, sent: Sent, fingerprint: str) -> None:
        """Note that a record has been published under a key, and what it overtook taken back."""
        path = self._sent(sent.recipient, sent.record.kind, sent.record.key)
        with locked(path):
            now = _read_sent(path)
            if now is not None and now.record == sent.record:
                _write_sent(path, replace(now, sealed_to=fingerprint, stale=()))

    def take(self, sender: str, record: Record, now: float) -> bool:
        """Keep a peer's record if it is newer than what is known; whether it is.

        Raises
        ------
        RefusedError
            ``replayed``, if it was overtaken, or has the number of another one that is known; ``oversized``, if its
            sender has so many here that no other is taken.
        """
        path = self._received(sender, record.kind, record.key)
        with locked(path):
            before = _read_received(path)
            if before is not None:
                if before.record == record:
                    return False
                if record.number <= before.record.number:
                    raise RefusedError(
                        "replayed",
                        f"This {record.kind} of {sender} was overtaken by a later one.",
                    )
            content = canonical({"sender": sender, "seen": round(now, 3), "record": _text(record)})
            _require_room(path, len(content), sender, record.kind)
            write_private(path, content)
        return True

    def sent(self, kind: Kind | None = None, recipient: str | None = None) -> Iterator[Sent]:
        """One's own records, the newest of each key."""
        for path in self._files("sent", kind, recipient):
            found = _read_sent(path)
            if found is not None:
                yield found

    def received(self, kind: Kind | None = None, sender: str | None = None) -> Iterator[Received]:
        """Peers' records, the newest of each key."""
        for path in self._files("received", kind, sender):
            found = _read_received(path)
            if found is not None:
                yield found

    def sent_to(self, recipient: str, kind: Kind, key: str) -> Sent | None:
        """One's own newest record of (recipient, kind, key)."""
        return _read_sent(self._sent(recipient, kind, key))

    def received_from(self, sender: str, kind: Kind, key: str) -> Received | None:
        """A peer's newest record of (sender, kind, key)."""
        return _read_received(self._received(sender, kind, key))

    def _sent(self, recipient: str, kind: Kind, key: str) -> Path:
        return self._directory / "sent" / check_email(recipient) / kind / _file_name(key)

    def _received(self, sender: str, kind: Kind, key: str) -> Path:
        return self._directory / "received" / check_email(sender) / kind / _file_name(key)

    def _files(self, side: str, kind: Kind | None, peer: str | None) -> list[Path]:
        place = self._directory / side
        peers = [place / check_email(peer)] if peer else sorted(place.glob("*"))
        return [path for one in peers for path in sorted(one.glob(f"{kind or '*'}/*.json"))]


def _file_name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:40] + ".json"


def _require_room(path: Path, size: int, sender: str, kind: Kind) -> None:
    """`RefusedError` if with a file of ``size`` bytes too much of one peer would be kept."""
    others = [file.stat().st_size for file in path.parent.glob("*.json") if file != path]
    if len(others) >= MAX_KEPT or sum(others) + size > MAX_KEPT_BYTES:
        raise RefusedError(
            "oversized",
            f"{len(others):,} records of the kind {kind} of {sender} are kept here, and no more are taken.",
            hint=f"If you trust {sender} with more, move what is in {path.parent} away; the records that still hold "
            "are taken in again from the shared folder.",
        )


def _text(record: Record) -> str:
    return record_bytes(record).decode("ascii")


def _write_sent(path: Path, sent: Sent) -> None:
    document = {
        "recipient": sent.recipient,
        "sealed_to": sent.sealed_to,
        "stale": list(sent.stale),
        "record": _text(sent.record),
    }
    write_private(path, canonical(document))


def _read_sent(path: Path) -> Sent | None:
    found = _read(path)
    if found is None:
        return None
    record = read_record(found["record"].encode())
    return Sent(found["recipient"], record, found["sealed_to"], tuple(found["stale"]))


def _read_received(path: Path) -> Received | None:
    found = _read(path)
    if found is None:
        return None
    return Received(found["sender"], read_record(found["record"].encode()), float(found["seen"]))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return read_object(read_private(path, _LIMIT), "The file")
    except FileNotFoundError:
        return None
    except RefusedError as error:
        raise SyftFlwrError(
            f"{path} is damaged: {error.what}",
            hint="Restore it from a backup; or move it away: it is then made or received anew.",
        ) from error
