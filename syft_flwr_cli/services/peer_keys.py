"""The keys of others: list, verify, trust, revoke, import. What a person decides is recorded in the audit log.

Whether the words agree is asked through ``confirm``, which is passed in and raises where nobody can be asked.
"""

import time
from collections.abc import Callable
from pathlib import Path

from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.security.roster import FILE_NAME, Entry, Roster
from syft_flwr_cli.security.trust_rules import Admission, matches
from syft_flwr_cli.services.keys import audit_log

__all__ = ["admit", "distrust", "known_peers", "trust", "verify"]

Confirm = Callable[[str], None]
"""Asks a person whether something is so; returns if it is, raises if not, or if nobody can be asked."""


def known_peers(directory: Path) -> list[Entry]:
    """Everybody who was met."""
    return Roster(directory / FILE_NAME).entries()


def verify(
    directory: Path, own: Callable[[], Identity], peer: str, words: str | None, confirm: Confirm
) -> Entry:
    """Note that the pinned key of ``peer`` was compared: with ``words``, or as the person confirms.

    Raises
    ------
    TrustError
        If nothing is known of the peer, or the words are others.
    """
    roster = Roster(directory / FILE_NAME)
    entry = roster.get(peer)
    if entry is not None and not entry.revoked and words is None:
        confirm(
            f"The words of {entry.email} here are\n\n    {entry.identity.words}\n\n"
            f"Does {entry.email} read out the same? Compare all six: they are 66 bits together, "
            "and a key that agrees in three of them can be found by trying."
        )
        words = entry.identity.words
    identity = own()
    entry = roster.verify(peer, words or "", time.time())
    _record(directory, identity, "verified", entry.identity)
    return entry


def trust(
    directory: Path, own: Callable[[], Identity], peer: str, words: str | None, confirm: Confirm
) -> Entry:
    """Accept the key that ``peer`` shows now instead of the one that was pinned.

    Raises
    ------
    TrustError
        If it has shown no other key, or the words are others.
    """
    roster = Roster(directory / FILE_NAME)
    entry = roster.get(peer)
    if entry is None or entry.offered is None:
        raise TrustError(
            f"{check_email(peer)} has shown no other key than "
            + ("the one that is known." if entry is not None else "none at all."),
            hint="A new key is seen when a run looks for it; or import it with: syft-flwr keys import FILE",
        )
    offered = entry.offered
    if words is None:
        confirm(
            f"{entry.email} was known by the words\n\n    {entry.identity.words}\n\nand now shows\n\n"
            f"    {offered.words}\n\nDid {entry.email} read out the new words to you?"
        )
    elif not matches(offered, words):
        raise _other_words(offered)
    identity = own()
    accepted = roster.trust(offered, time.time(), verified=True)
    _record(directory, identity, "pinned", accepted.identity)
    return accepted


def distrust(directory: Path, own: Callable[[], Identity], peer: str) -> Entry:
    """Trust the key of ``peer`` no more."""
    identity = own()
    entry = Roster(directory / FILE_NAME).revoke(peer)
    _record(directory, identity, "revoked", entry.identity)
    return entry


def admit(directory: Path, me: str, own: Callable[[], Identity], data: bytes, words: str | None) -> Admission:
    """Take a peer's key document from a file: pin it, and verify it if the words are given.

    Raises
    ------
    UsageError
        If it is one's own document.
    TrustError
        If the words are others, or the key contradicts the one that is known.
    """
    document = parse_public(data)
    if document.email == me:
        raise UsageError(
            f"This is the public document of {me}, whom you act as.",
            hint="Your peers import it. A backup of your own keys: syft-flwr keys export --private -o FILE",
        )
    identity = own()
    roster = Roster(directory / FILE_NAME)
    if words is not None:
        if not matches(document, words):
            raise _other_words(document)
        entry = roster.trust(document, time.time(), verified=True)
        _record(directory, identity, "pinned", document)
        return Admission("known", entry)
    admission = roster.admit(document, time.time())
    if admission.kind != "known":
        _record(directory, identity, admission.kind, document)
    return admission


def _other_words(document: PublicIdentity) -> TrustError:
    return TrustError(
        f"These are not the words of the key that {document.email} shows: {document.words}.",
        hint="If its owner read them out to you, somebody is in between; nothing was changed.",
    )


def _record(directory: Path, identity: Identity, event: str, public: PublicIdentity) -> None:
    entry = {"event": event, "peer": public.email, "fingerprint": public.fingerprint, "by": "person"}
    audit_log(directory, identity).append([entry])
