"""One participant in one app: who it is, whom it trusts, where it writes and what it remembers.

It gathers identity, roster, transport, journal and audit log, and does what both sides do alike:
publish its own identity, learn a peer's (pinned at first contact, said loudly and once), hand what
happened to the audit log, and put what is refused into quarantine with one sentence. It does not
know what messages mean.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.errors import DiskError, NotThereError, TransportError, TrustError
from syft_flwr_cli.events import (
    Emit,
    HomeRestored,
    KeyPinned,
    KeyRotated,
    MessageRejected,
    StoreFailed,
    nobody,
)
from syft_flwr_cli.protocol.names import IDENTITY_PATH, check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.envelope import Envelope, open_envelope
from syft_flwr_cli.security.identity import Identity, PublicIdentity, parse_public
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.transports.base import BytesContent, Content, Transport

__all__ = ["Participant", "in_ascii", "kept_of"]

T = TypeVar("T")

MAX_IDENTITY = 16 << 10
MAX_REFUSED = 1000
"""Refused files of one peer that a process tells of one by one."""

MOMENT, LATEST = 0.05, 1.0
"""Seconds; see `Participant.wait_for_change`."""

RETRY_TIMEOUT = 60.0
"""Seconds for which a store that fails is tried again before the run gives up on it."""


@dataclass(slots=True)
class Participant:
    """See the module's first paragraph.

    Parameters
    ----------
    email, app : str
        Who, in which app.
    directory : Path
        The participant's own directory for this app, 0700.
    encryption : bool
        False only for debugging: envelopes are signed but not sealed.
    expected : mapping
        Fingerprints that the project pins, by e-mail.
    emit : callable
        Hears what happens.
    clock : callable
        Seconds since 1970.
    retry_timeout : float
        Seconds for which a store that fails is tried again before it is an error.
    """

    email: str
    app: str
    directory: Path
    identity: Identity
    roster: Roster
    transport: Transport
    journal: Journal
    audit: AuditLog
    encryption: bool = True
    expected: Mapping[str, str] = field(default_factory=dict)
    emit: Emit = nobody
    clock: Callable[[], float] = time.time
    retry_timeout: float = RETRY_TIMEOUT
    _peers: dict[str, PublicIdentity] = field(default_factory=dict)
    _seen: dict[str, bytes] = field(default_factory=dict)
    _peer_heads: dict[str, str] = field(default_factory=dict)
    _own_heads: set[str] = field(default_factory=set)
    _proving: set[str] = field(default_factory=set)
    _restored: set[str] = field(default_factory=set)
    _looked: dict[str, float] = field(default_factory=dict)
    _refused: dict[str, int] = field(default_factory=dict)
    _head: str = ""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _heard: float = -math.inf
    _hearing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def received_payloads(self) -> Path:
        """Where payloads of peers are kept while a run may need them again."""
        return self.directory / "store"

    def publish(
        self, path: str, content: Content, readers: Collection[str], retry_timeout: float | None = None
    ) -> None:
        """Publish, and try again for ``retry_timeout`` seconds (`retry_timeout`, if None) while the store fails."""
        self._retry(lambda: self.transport.publish(path, content, readers), retry_timeout)

    def remove(self, path: str) -> None:
        """Remove a file of one's own, and try again while the store fails."""
        self._retry(lambda: self.transport.remove(path))

    def _retry(self, action: Callable[[], T], retry_timeout: float | None = None) -> T:
        deadline, pause = (
            time.monotonic() + (self.retry_timeout if retry_timeout is None else retry_timeout),
            0.2,
        )
        while True:
            try:
                return action()
            except NotThereError:
                raise
            except TransportError as error:
                if time.monotonic() >= deadline:
                    raise
                self.emit(StoreFailed(error.what, error.hint))
            time.sleep(pause)
            pause = min(pause * 2, 5.0)

    def publish_identity(self, readers: Collection[str]) -> None:
        """Put the public identity document where peers look for it, for all of them to read.

        Done at every start: somebody may have joined who could not read it so far.
        """
        self.publish(IDENTITY_PATH, BytesContent(self.identity.public.to_bytes()), readers)

    def peer(self, email: str, *, again: bool = False, fresh: bool = False) -> PublicIdentity | None:
        """The trusted identity of ``email``; None while it has published none.

        What the roster says now counts, whoever wrote it: a key that was revoked meanwhile is not trusted.

        Parameters
        ----------
        email : str
            The peer.
        again : bool
            Look at the published document anew, as after a signature that does not hold.
        fresh : bool
            Look whether its owner has revoked it meanwhile, as before something is executed or taken for its word;
            not more often than a look into the store is cheap.

        Raises
        ------
        TrustError
            If its key has changed without a rotation, is revoked, or is not verified where that is asked.
        """
        with self._lock:
            known = self._peers.get(email)
            if known is not None:
                now = self.roster.current(email)
                if now is None or now.fingerprint != known.fingerprint:
                    again = True  # a person has decided otherwise meanwhile
                    self._seen.pop(email, None)
                elif fresh and not again:
                    return self._still_trusted(email, known)
                elif not again:
                    return known
            try:
                document = self._retry(lambda: self._published_identity(email))
            except NotThereError:
                return known
            if known is not None and document == self._seen.get(email):
                return known
            self._seen[email] = document
            return self._admit(email, document)

    def has_met(self, email: str) -> bool:
        """Whether a key of ``email`` was accepted by this process."""
        return email in self._peers

    def _still_trusted(self, email: str, known: PublicIdentity) -> PublicIdentity:
        """The key of ``email``, unless its owner has revoked it; another document than before changes nothing."""
        now = time.monotonic()
        if now < self._looked.get(email, -math.inf) + 100 * self.transport.properties.listing_cost:
            return known
        self._looked[email] = now
        try:
            document = self._published_identity(email)
        except TransportError:
            return known
        if document == self._seen.get(email):
            return known
        self._seen[email] = document
        try:
            return self._admit(email, document) or known
        except TrustError:
            if self.roster.current(email) is None:
                raise
            return known

    def unseal(self, envelope: Envelope, sender: str) -> bytes:
        """The body of an envelope of ``sender``, whose key may have been rotated since we looked.

        Raises
        ------
        RefusedError
            If it is not signed by ``sender``, not sealed for us, or the key of ``sender`` is not trusted.
        """
        try:
            public = self.peer(sender, fresh=True)
        except TrustError as trust:
            raise RefusedError("key", trust.what, hint=trust.hint) from trust
        if public is None:
            raise RefusedError("key", f"{sender} has published no key yet")
        try:
            return self._opened(envelope, public)
        except RefusedError as error:
            if error.reason != "signature":
                raise
            try:
                fresh = self.peer(sender, again=True)
            except TrustError as trust:
                raise RefusedError("key", trust.what, hint=trust.hint) from trust
            if fresh is None or fresh == public:
                raise
            return self._opened(envelope, fresh)

    def _opened(self, envelope: Envelope, sender: PublicIdentity) -> bytes:
        plaintext = open_envelope(envelope, self.identity, sender, self.encryption)
        header = envelope.header
        if header.proof is not None:
            self._proving.add(sender.email)
        elif sender.email in self._proving:
            raise RefusedError(
                "signature", f"{sender.email} has not signed what the message states, as it did before"
            )
        if header.audit is not None:
            self._peer_heads[sender.email] = header.audit
        if header.seen is not None and header.seen not in self._own_heads:
            self._own_heads.add(header.seen)
            if not self.audit.has_had(header.seen):
                self._say_restored(sender.email, header.seen)
        return plaintext

    def _say_restored(self, peer: str, head: str) -> None:
        """A peer has seen a later state of our record than there is here: as after a backup was put back."""
        if peer in self._restored:
            return
        self._restored.add(peer)
        entry = {"event": "restored", "peer": peer, "peer_seen": head, "time": self.clock()}
        self.journal.hear([entry])
        self.emit(HomeRestored(peer, head))

    def seen_head(self, email: str) -> str | None:
        """The newest entry of the audit log of ``email`` that this process has seen (hex); None if none."""
        return self._peer_heads.get(email)

    def _published_identity(self, email: str) -> bytes:
        with self.transport.open(email, IDENTITY_PATH) as stream:
            return stream.read(MAX_IDENTITY + 1)

    def _admit(self, email: str, document: bytes) -> PublicIdentity | None:
        try:
            public = parse_public(document)
            if public.email != check_email(email):
                raise RefusedError("key", f"the identity document of {email} names {public.email}")
        except RefusedError as error:
            self.refuse(email, IDENTITY_PATH, document, error)
            return self._peers.get(email)
        try:
            admission = self.roster.admit(public, self.clock(), self.expected.get(email))
        except TrustError as error:
            self.refuse(email, IDENTITY_PATH, document, RefusedError("key", error.what, hint=error.hint))
            raise
        if admission.kind == "outdated":
            old = RefusedError("replayed", admission.sentence())
            self.refuse(email, IDENTITY_PATH, document, old)
            public = admission.entry.identity
        elif admission.kind != "known":
            facts = {"peer": email, "fingerprint": public.fingerprint, "words": public.words}
            self.journal.hear([{"event": admission.kind, **facts, "time": self.clock()}])
            made = KeyPinned if admission.kind == "pinned" else KeyRotated
            self.emit(made(email, public.fingerprint, public.words))
        self._peers[email] = public
        return public

    def refuse(self, owner: str, path: str, data: bytes, error: RefusedError) -> bool:
        """Note that a file was not taken; True if this content was not refused there before."""
        digest, what, path = hashlib.sha256(data).hexdigest(), error.what[:500], in_ascii(path)
        before = self._refused.get(owner, 0)
        if before >= MAX_REFUSED:
            # Whoever drops files without end is not to fill our disk with what we say of them.
            digest, path = error.reason, "(more)"
            what = f"{MAX_REFUSED} files of {owner} were refused since this began; more are only counted"
        what = what.encode(errors="backslashreplace").decode()
        now = self.clock()
        entry = {
            "event": "refused",
            "time": now,
            "peer": owner,
            "path": path,
            "reason": error.reason,
            "sentence": what,
            "digest": digest,
        }
        first = self.journal.quarantine(digest, owner, path, error.reason, what, now, entry)
        if first:
            self._refused[owner] = before + 1
            self.emit(MessageRejected(owner, path, error.reason, what, error.hint))
        self.flush_audit()
        return first

    def refuse_name(self, owner: str, path: str, odd: str = "") -> bool:
        """As `refuse`, for what is not looked into: no message has such a name, or is ``odd`` (see `FileInfo`)."""
        name = in_ascii(path.rpartition("/")[2], 60)
        error = RefusedError("garbage", f"{name} is {odd or 'not the name of a message'}")
        return self.refuse(owner, path, path.encode(errors="surrogateescape"), error)

    def wait_for_change(self, token: int, timeout: float, *, busy: bool = False) -> None:
        """Wait for something new; first hand the audit log what happened, which the journal holds until then.

        ``busy`` says that more is about to happen, which it can be told together with: it hears of it when
        nothing comes for a moment, and once a second otherwise.
        """
        if self.journal.audit_waits():
            if busy and time.monotonic() < self._heard + LATEST:
                if self.transport.wait(token, min(MOMENT, timeout)) != token:
                    return
                timeout = max(0.0, timeout - MOMENT)
            self._heard = time.monotonic()
            self.flush_audit()
        self.transport.wait(token, timeout)

    def flush_audit(self) -> str:
        """Hand what happened to the audit log; its head."""
        with self._hearing:
            while pending := self.journal.audit_pending():
                self._head = self.audit.append([{"app": self.app, **entry} for _, entry in pending])
                self.journal.audit_heard(pending[-1][0])
            return self.audit_head()

    def audit_head(self) -> str:
        """The newest entry of the audit log that this process knows of (hex)."""
        if not self._head:
            self._head = self.audit.head()
        return self._head

    def close(self) -> None:
        """Tell the audit log what it has not heard yet, and let go of the transport and the journal."""
        try:
            self.flush_audit()
        except DiskError as error:  # the journal keeps it for the next process
            self.emit(StoreFailed(error.what, error.hint))
        finally:
            self.transport.close()
            self.journal.close()


def kept_of(envelope: Envelope) -> dict[str, str]:
    """What an audit entry keeps of a message that a peer has signed: its first line, and the head it stated."""
    return {
        "peer_head": envelope.header.audit or "",
        "header": envelope.line.decode("utf-8", "replace").rstrip("\n"),
    }


def in_ascii(text: str, limit: int = 500) -> str:
    """A name that a peer gave, so that neither a terminal nor a log can be fooled by it."""
    return text.encode("unicode_escape").decode("ascii")[:limit]
