"""Records between participants: sealed, signed, published in the ordinary outboxes, taken in once.

A record is put into the local store first and published when the recipient's key is known; whoever crashes in
between publishes it again under the same name. What a peer has published is checked in the order of the envelope,
then by the rules of its kind, and only then kept; what fails goes to quarantine with one sentence. A bundle travels
as a payload that is written once for all who are to read it. It does not know what offers or decisions lead to.
"""

import hashlib
import secrets
import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from syft_flwr_cli.catalogue.payload import Payload
from syft_flwr_cli.catalogue.record_store import Received, RecordStore, Sent
from syft_flwr_cli.catalogue.records import (
    APP,
    KINDS,
    MAX_RECORD,
    Kind,
    Record,
    read_record,
    record_bytes,
    record_id,
)
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.header import MAX_HEADER, Header, parse_header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE
from syft_flwr_cli.security.envelope import read_envelope, write_envelope
from syft_flwr_cli.security.identity import SIGNATURE_SIZE
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.security.sealing import SealedPayload, content_digest, open_payload
from syft_flwr_cli.transports.base import BytesContent, Watch

__all__ = ["Check", "Mailbox", "Posted", "payload_for"]

Check = Callable[[str, Record], None]
"""Raises `RefusedError` if a record of this sender cannot be one of its kind."""

LASTS = 10 * 365 * 86400.0
"""Seconds after which a record expires: it holds until it is overtaken."""

MAX_SEALED = MAX_RECORD + 4096
TRIES = 50
"""How often a file that is listed and not there is looked for before it is given up."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of the records that were to be sent."""

    sent: list[Sent] = field(default_factory=list)
    waiting: list[Sent] = field(default_factory=list)
    """Of recipients who have published no key yet."""


def payload_for(content: bytes, before: Payload | None = None) -> Payload:
    """How records are to speak of ``content``: as ``before``, if that is of the same content, else anew."""
    digest = content_digest([content])
    if before is not None and before.digest == digest:
        return before
    return Payload(str(uuid.uuid4()), secrets.token_bytes(32), len(content), digest)


class Mailbox:
    """One participant's records with any number of peers.

    Parameters
    ----------
    channel : Channel
        In the app `APP`.
    store : RecordStore
        Where records are kept.
    check : callable
        The rules of the kinds.
    """

    def __init__(self, channel: Channel, store: RecordStore, check: Check) -> None:
        if channel.app != APP:
            raise ValueError(f"Records travel under the app name {APP!r}, not {channel.app!r}.")
        self.channel = channel
        self.store = store
        self._check = check
        self._watches: dict[tuple[str, Kind], Watch] = {}
        self._names: dict[tuple[str, Kind, str], int] = {}

    # Out

    def put(self, recipient: str, kind: Kind, key: str, content: dict[str, object]) -> Sent:
        """Make a record, to be published by `post`."""
        return self.store.put(recipient, kind, key, content, self.channel.clock())

    def post(self) -> Posted:
        """Publish what has not been published yet, or only under a key that its recipient no longer uses."""
        posted = Posted()
        for sent in self.store.sent():
            public = self.channel.keys.of(sent.recipient)
            if public is None:
                if sent.sealed_to is None:
                    posted.waiting.append(sent)
            elif sent.sealed_to != public.fingerprint:
                self._publish(sent, public)
                posted.sent.append(sent)
        return posted

    def _publish(self, sent: Sent, public: PublicIdentity) -> None:
        channel, record = self.channel, sent.record
        mid = record_id(channel.email, sent.recipient, record)
        header = Header(
            kind="request",
            id=mid,
            app=APP,
            run="0",
            sender=channel.email,
            recipient=sent.recipient,
            endpoint=record.kind,
            created=record.time,
            expires=record.time + LASTS,
            suite=SUITE if channel.encryption else SUITE_NONE,
            audit=channel.audit.head(),
        )
        reader = public if channel.encryption else None
        data = write_envelope(header, record_bytes(record), channel.account.identity, reader)
        digest = hashlib.sha256(data).hexdigest()
        channel.journal.hear([self._entry("sent", sent.recipient, mid, record, digest)])
        channel.audit.flush()
        path = names.request_path(channel.email, sent.recipient, APP, mid, record.kind)
        channel.transport.publish(path, BytesContent(data), [sent.recipient])
        for old in sent.stale:
            channel.transport.remove(names.request_path(channel.email, sent.recipient, APP, old, record.kind))
        self.store.published(sent, public.fingerprint)

    def publish_payload(self, content: bytes, payload: Payload, readers: Collection[str]) -> None:
        """Write a payload, made by `payload_for` of the same content, for ``readers``; repeating it is harmless."""
        path = names.payload_path(self.channel.email, APP, payload.id)
        self.channel.transport.publish(path, SealedPayload(payload.key, [content]), readers)

    # In

    def collect(self, peers: Iterable[str], kinds: Collection[Kind] = KINDS) -> list[Received]:
        """Take in what ``peers`` have published since the last call; what is new, oldest first.

        Raises
        ------
        TrustError
            If a peer's key has changed, is revoked, or is not compared where that is asked.
        """
        new = [received for peer in peers for kind in kinds for received in self._look(peer, kind)]
        return sorted(new, key=lambda received: received.record.number)

    def read_payload(self, sender: str, payload: Payload) -> memoryview | None:
        """The content of a peer's payload, checked; None if it is not there yet.

        No more is read than was promised, whatever lies there.

        Raises
        ------
        RefusedError
            If it is not what was promised.
        """
        try:
            with self.channel.transport.open(sender, names.payload_path(sender, APP, payload.id)) as stream:
                content = bytearray(payload.size)
                open_payload(stream, payload.key, payload.size, payload.digest, memoryview(content))
        except NotThereError:
            return None
        return memoryview(content).toreadonly()

    def close(self) -> None:
        """Look no more; the participant stays open."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    def _look(self, peer: str, kind: Kind) -> list[Received]:
        folder = names.rpc_folder(peer, self.channel.email, APP, kind)
        watch = self._watches.get((peer, kind))
        if watch is None:
            watch = self._watches[peer, kind] = self.channel.transport.watch(peer, folder)
        for entry in watch.new():
            if not entry.file_type_error:
                self._names.setdefault((peer, kind, entry.name), 0)
            elif entry.name.endswith(".request"):
                self.channel.quarantine.refuse_name(peer, f"{folder}/{entry.name}", entry.file_type_error)
        found = []
        for place in [place for place in self._names if place[:2] == (peer, kind)]:
            done, received = self._take(peer, kind, place[2])
            if done:
                del self._names[place]
            if received is not None:
                found.append(received)
        return found

    def _take(self, peer: str, kind: Kind, name: str) -> tuple[bool, Received | None]:
        """Whether a file has been dealt with, and what new record came of it."""
        path = f"{names.rpc_folder(peer, self.channel.email, APP, kind)}/{name}"
        mid = names.message_of(name, ".request")
        if mid is None:
            if name.endswith(".request"):
                self.channel.quarantine.refuse_name(peer, path)
            return True, None
        if self.channel.keys.of(peer) is None:
            return False, None
        data = b""
        try:
            with self.channel.transport.open(peer, path) as stream:
                data = stream.read(MAX_HEADER)
                header, length = parse_header(data)
                # No more is read than is announced, and nothing where too much is: a file of gigabytes costs nobody
                # anything who makes it.
                if header.size > MAX_SEALED:
                    raise RefusedError("oversized", f"a record has at most {MAX_RECORD:,} bytes")
                data += stream.read(max(0, length + header.size + SIGNATURE_SIZE + 1 - len(data)))
            return True, self._accept(peer, kind, mid, data)
        except NotThereError:
            self._names[peer, kind, name] += 1
            return self._names[peer, kind, name] > TRIES, None
        except RefusedError as error:
            self.channel.quarantine.refuse(peer, path, data, error)
            return True, None

    def _accept(self, peer: str, kind: Kind, mid: str, data: bytes) -> Received | None:
        channel = self.channel
        envelope = read_envelope(data)
        header = envelope.header
        if (header.kind, header.app, header.endpoint) != ("request", APP, kind):
            raise RefusedError("misaddressed", f"it is no {kind} of the federation")
        if header.id != mid:
            raise RefusedError("replayed", "its file has another name than the id it was signed with")
        if header.sender != peer:
            raise RefusedError("stranger", f"it says it is from {header.sender}")
        if header.recipient != channel.email:
            raise RefusedError("misaddressed", f"it is for {header.recipient}")
        if header.expires < channel.clock():
            raise RefusedError("expired", "it has expired")
        record = read_record(channel.keys.unseal(envelope, peer))
        if record.kind != kind or record_id(peer, channel.email, record) != mid:
            raise RefusedError("replayed", "it holds another record than its name says")
        self._check(peer, record)
        now = channel.clock()
        if not self.store.take(peer, record, now):
            return None
        channel.journal.hear([self._entry("received", peer, mid, record, envelope.digest)])
        channel.audit.flush()
        return Received(peer, record, now)

    def _entry(self, event: str, peer: str, mid: str, record: Record, digest: str) -> dict[str, object]:
        return {
            "event": event,
            "time": self.channel.clock(),
            "peer": peer,
            "message": mid,
            "type": record.kind,
            "subject": record.key,
            "digest": digest,
        }
