"""The keys of peers, as one app's messages need them: learnt from the store, pinned, and looked at anew in doubt.

A key is learnt from the identity document that its owner publishes, under the rules of `security.roster`. No
lock is held while a store is read or waited for: two threads that ask at once read it twice, and the roster sees
to it that both get the same key.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.delivery.quarantine import Quarantine
from syft_flwr_cli.delivery.recent import Recent
from syft_flwr_cli.errors import NotThereError, TransportError, TrustError
from syft_flwr_cli.events import Emit, HomeRestored, KeyPinned, KeyRotated, KeysPinned
from syft_flwr_cli.protocol.names import IDENTITY_PATH, check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.envelope import Envelope, open_envelope
from syft_flwr_cli.security.identity import Identity, PublicIdentity, parse_public
from syft_flwr_cli.security.roster import Admission, Roster
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.transports.base import Transport

__all__ = ["PeerKeys"]

MAX_IDENTITY = 16 << 10

FEW = 5
"""First contacts at once that are told one by one, each with the words of its key."""

REMEMBERED_HEADS = 256
"""How many of our own heads that peers have seen are remembered, so that each is looked up once."""


class PeerKeys:
    """Who peers are. Thread-safe.

    Parameters
    ----------
    identity : Identity
        One's own, which opens what was sealed for it.
    roster : Roster
        The keys that are trusted.
    log : AuditLog
        One's own, which peers may have seen a later state of.
    transport : Transport
        Where identity documents lie; a failure of it is raised, not waited for.
    journal : Journal
        Hears of keys that are new.
    quarantine : Quarantine
        Hears of documents that are refused.
    encryption : bool
        False only for debugging: messages are not sealed.
    expected : mapping
        Fingerprints that the project pins, by e-mail.
    """

    def __init__(
        self,
        identity: Identity,
        roster: Roster,
        log: AuditLog,
        transport: Transport,
        journal: Journal,
        quarantine: Quarantine,
        *,
        encryption: bool,
        expected: Mapping[str, str],
        clock: Callable[[], float],
        emit: Emit,
    ) -> None:
        self._identity = identity
        self._roster = roster
        self._log = log
        self._transport = transport
        self._journal = journal
        self._quarantine = quarantine
        self._encryption = encryption
        self._expected = dict(expected)
        self._clock = clock
        self._emit = emit
        self._known: dict[str, PublicIdentity] = {}
        self._documents: dict[str, bytes] = {}
        self._looked: dict[str, float] = {}
        self._peer_heads: dict[str, str] = {}
        self._own_heads: Recent[str, None] = Recent(REMEMBERED_HEADS)
        self._proving: set[str] = set()
        self._restored: set[str] = set()

    def of(self, email: str, *, again: bool = False, fresh: bool = False) -> PublicIdentity | None:
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
        TransportError
            If the store fails.
        """
        known = self._known.get(email)
        if known is not None:
            now = self._roster.current(email)
            if now is None or now.fingerprint != known.fingerprint:
                self._documents.pop(email, None)  # a person has decided otherwise meanwhile
            elif fresh and not again:
                return self._still_trusted(email, known)
            elif not again:
                return known
        try:
            document = self._published(email)
        except NotThereError:
            return known
        if known is not None and document == self._documents.get(email):
            return known
        self._documents[email] = document
        return self._admit(email, document)

    def meet(self, emails: Collection[str]) -> None:
        """Admit the keys of all of ``emails`` that this process has not met, with one look at the roster.

        What `of` would raise is not raised here: `of` says it when the key is needed. Many first contacts are told
        in one event, without the words of each, which take long to compute.
        """
        found: dict[str, PublicIdentity] = {}
        for email in emails:
            if email in self._known:
                continue
            try:
                document = self._published(email)
                public = parse_public(document)
            except (TransportError, RefusedError):
                continue
            if public.email == email:
                self._documents[email] = document
                found[email] = public
        verdicts = self._roster.admit_all(found.values(), self._clock(), self._expected) if found else {}
        met = {
            email: verdict.kind
            for email, verdict in verdicts.items()
            if isinstance(verdict, Admission) and verdict.kind in ("known", "pinned", "rotated")
        }
        pinned = [found[email] for email, kind in met.items() if kind == "pinned"]
        many = len(pinned) > FEW
        entries = []
        for email, kind in met.items():
            self._known[email] = found[email]
            if kind != "known":
                entries.append(self._contact(kind, found[email], words=not many))
        if entries:
            self._journal.hear(entries)
        if many:
            shown = tuple(public.email for public in pinned)
            self._emit(KeysPinned(shown, tuple(public.fingerprint for public in pinned)))

    def _contact(self, kind: str, public: PublicIdentity, *, words: bool) -> dict[str, object]:
        """What the audit log hears of a new key; told as an event of its own with its words, if those are wanted."""
        facts = {"peer": public.email, "fingerprint": public.fingerprint}
        if words or kind != "pinned":
            facts["words"] = public.words
            self._emit((KeyPinned if kind == "pinned" else KeyRotated)(**facts))
        return {"event": kind, **facts, "time": self._clock()}

    def has_met(self, email: str) -> bool:
        """Whether a key of ``email`` was accepted by this process."""
        return email in self._known

    def _still_trusted(self, email: str, known: PublicIdentity) -> PublicIdentity:
        """The key of ``email``, unless its owner has revoked it; another document than before changes nothing."""
        now = time.monotonic()
        if now < self._looked.get(email, -math.inf) + 100 * self._transport.properties.listing_cost:
            return known
        self._looked[email] = now
        try:
            document = self._published(email)
        except TransportError:
            return known
        if document == self._documents.get(email):
            return known
        self._documents[email] = document
        try:
            return self._admit(email, document) or known
        except TrustError:
            if self._roster.current(email) is None:
                raise
            return known

    def _published(self, email: str) -> bytes:
        with self._transport.open(email, IDENTITY_PATH) as stream:
            return stream.read(MAX_IDENTITY + 1)

    def unseal(self, envelope: Envelope, sender: str) -> bytes:
        """The body of an envelope of ``sender``, whose key may have been rotated since we looked.

        Raises
        ------
        RefusedError
            If it is not signed by ``sender``, not sealed for us, or the key of ``sender`` is not trusted.
        """
        try:
            public = self.of(sender, fresh=True)
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
                fresh = self.of(sender, again=True)
            except TrustError as trust:
                raise RefusedError("key", trust.what, hint=trust.hint) from trust
            if fresh is None or fresh == public:
                raise
            return self._opened(envelope, fresh)

    def seen_head(self, email: str) -> str | None:
        """The newest entry of the audit log of ``email`` that this process has seen (hex); None if none."""
        return self._peer_heads.get(email)

    def _opened(self, envelope: Envelope, sender: PublicIdentity) -> bytes:
        plaintext = open_envelope(envelope, self._identity, sender, self._encryption)
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
            self._own_heads[header.seen] = None
            if not self._log.has_had(header.seen):
                self._say_restored(sender.email, header.seen)
        return plaintext

    def _say_restored(self, peer: str, head: str) -> None:
        """A peer has seen a later state of our record than there is here: as after a backup was put back."""
        if peer in self._restored:
            return
        self._restored.add(peer)
        entry = {"event": "restored", "peer": peer, "peer_seen": head, "time": self._clock()}
        self._journal.hear([entry])
        self._emit(HomeRestored(peer, head))

    def _admit(self, email: str, document: bytes) -> PublicIdentity | None:
        try:
            public = parse_public(document)
            if public.email != check_email(email):
                raise RefusedError("key", f"the identity document of {email} names {public.email}")
        except RefusedError as error:
            self._quarantine.refuse(email, IDENTITY_PATH, document, error)
            return self._known.get(email)
        try:
            admission = self._roster.admit(public, self._clock(), self._expected.get(email))
        except TrustError as error:
            refusal = RefusedError("key", error.what, hint=error.hint)
            self._quarantine.refuse(email, IDENTITY_PATH, document, refusal)
            raise
        if admission.kind == "outdated":
            old = RefusedError("replayed", admission.sentence())
            self._quarantine.refuse(email, IDENTITY_PATH, document, old)
            public = admission.entry.identity
        elif admission.kind != "known":
            self._journal.hear([self._contact(admission.kind, public, words=True)])
        self._known[email] = public
        return public
