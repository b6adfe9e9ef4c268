"""Whether a key is to be trusted: the rules, without the file they are applied to.

Applied by `decide` in this order, to a document that is well-formed and signed by itself:

1. A key that was revoked, by itself or by the key after it, is not trusted again unless a person says so.
2. A key for a participant without one is pinned; a key that the trusted one signed takes its place.
3. A key that the trusted one has taken the place of is an old one, whoever shows it again; the trusted one stays.
4. Every other key is refused, with both fingerprints, until a person has compared them.
5. If the approved project names a fingerprint, only that key, or one it led to, is accepted.

What is refused is kept as an offer, so that a person can look at it and accept it. Pure: no disk, no
clock; the texts that a person reads are here too.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.security.fingerprint_words import normalise
from syft_flwr_cli.security.public_identity import PublicIdentity

__all__ = ["Admission", "Entry", "decide", "matches", "never_compared", "revoked"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A participant and the key we hold for it.

    Parameters
    ----------
    identity : PublicIdentity
        The key that was pinned, or followed the one that was.
    pinned : float
        Seconds since 1970 when this key was first accepted.
    verified : float, optional
        When a person compared fingerprints; a key that a verified one signed counts as verified.
    revoked : bool
        Not to be trusted any more.
    offered : PublicIdentity, optional
        The newest key that was shown for this participant and refused.
    before : tuple of str
        Fingerprints of the keys that led to this one by rotation, oldest first.
    replaced : tuple of str
        Fingerprints of the keys that a person has replaced by this one or one that led to it, oldest first.
    """

    identity: PublicIdentity
    pinned: float
    verified: float | None = None
    revoked: bool = False
    offered: PublicIdentity | None = None
    before: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    @property
    def email(self) -> str:
        """Whose key this is."""
        return self.identity.email


@dataclass(frozen=True, slots=True)
class Admission:
    """A key that is trusted, and why: pinned just now, known, signed by the one before, or known for longer
    than the old one (``outdated``) that is shown in its place."""

    kind: Literal["pinned", "known", "rotated", "outdated"]
    entry: Entry

    def sentence(self) -> str:
        """What to tell the person, once."""
        identity = self.entry.identity
        if self.kind == "pinned":
            return (
                f"First contact with {identity.email}: its key is pinned, nobody has compared it yet. "
                f"Its words are {identity.words}; ask on the phone, then type: "
                f"syft-flwr keys verify {identity.email}"
            )
        if self.kind == "rotated":
            return f"{identity.email} has new keys, signed by the old ones: {identity.words}."
        if self.kind == "outdated":
            return (
                f"What lies there as the key of {identity.email} is an old one, from before {_day(self.entry.pinned)}; "
                f"its newer key, {identity.words}, goes on being used. Whoever keeps the files shows an old state."
            )
        return f"The key of {identity.email} is known."


_DIGITS = frozenset("0123456789abcdef")


def matches(identity: PublicIdentity, text: str) -> bool:
    """Whether ``text`` is the fingerprint of ``identity``, in hexadecimal or in words."""
    plain = normalise(text)
    digits = plain.replace("-", "")
    if len(digits) == len(identity.fingerprint) and _DIGITS.issuperset(digits):
        return digits == identity.fingerprint
    return plain == identity.words


def decide(
    entry: Entry | None, document: PublicIdentity, now: float, expected: str | None
) -> tuple[Entry | None, Admission | TrustError]:
    """Apply the rules.

    Parameters
    ----------
    entry : Entry or None
        What is known of the participant.
    document : PublicIdentity
        The key it shows now.
    now : float
        Seconds since 1970.
    expected : str, optional
        The fingerprint, in hexadecimal or in words, that the approved project names.

    Returns
    -------
    tuple[Entry | None, Admission | TrustError]
        What is known of the participant from now on, and the verdict.
    """
    if entry is None:
        if document.revoked:
            return None, _revoked_itself(document)
        if expected is not None and not matches(document, expected):
            return None, _not_expected(document, expected)
        entry = Entry(document, pinned=now)
        return entry, Admission("pinned", entry)
    same = document.fingerprint == entry.identity.fingerprint
    vouched = not same and entry.identity.vouches_for(document)
    given_up = (document.revoked and (same or vouched)) or (document.revokes_previous and vouched)
    if entry.revoked or given_up:
        entry = replace(entry, revoked=True, offered=entry.offered if same else document)
        return entry, revoked(entry, None if same or document.revoked else document)
    if not document.revoked and not same and _is_old(entry, document):
        return entry, Admission("outdated", entry)
    if not same and not vouched:
        entry = replace(entry, offered=document)
        return entry, _changed(entry, document)
    kind: Literal["known", "rotated"] = "known"
    trusted = replace(entry, offered=None)
    if vouched:
        kind = "rotated"
        trusted = replace(
            trusted, identity=document, pinned=now, before=(*entry.before, entry.identity.fingerprint)
        )
    if expected is not None and not _is_or_was(trusted, entry.identity, expected):
        return entry, _not_expected(document, expected)
    return trusted, Admission(kind, trusted)


def _is_old(entry: Entry, document: PublicIdentity) -> bool:
    """Whether the trusted key, or a person, has put another in the place of this one.

    One that revokes itself now is not merely old: that its successor is its owner's is then in doubt.
    """
    gone = {*entry.before, *entry.replaced, entry.identity.previous}
    return document.fingerprint in gone


def _is_or_was(trusted: Entry, before: PublicIdentity, expected: str) -> bool:
    if normalise(expected).replace("-", "") in trusted.before:
        return True
    return matches(trusted.identity, expected) or matches(before, expected)


def _changed(entry: Entry, document: PublicIdentity) -> TrustError:
    return TrustError(
        f"The key of {entry.email} has changed: pinned on {_day(entry.pinned)} was "
        f"{entry.identity.words}, now it shows {document.words}.",
        hint=f"Ask {entry.email} on the phone whether it made new keys, and have the words of the new ones "
        f"read out. Only if they agree, type: {_trust_command(entry.email)}",
    )


def revoked(entry: Entry, successor: PublicIdentity | None) -> TrustError:
    """The error for a key that is revoked; ``successor`` is what its owner shows instead."""
    what = (
        f"The key of {entry.email} is revoked: {entry.identity.words}, pinned on {_day(entry.pinned)}, "
        "must not be trusted any more."
    )
    if successor is None:
        return TrustError(what, hint=f"Ask {entry.email} on the phone for its new key.")
    return TrustError(
        f"{what} It now shows {successor.words}, for which the old key cannot vouch.",
        hint=f"Ask {entry.email} on the phone to read out the words of its new key. Only if they agree, "
        f"type: {_trust_command(entry.email)}",
    )


def _trust_command(email: str) -> str:
    # The words are left out on purpose: they are to come from the phone, not from this screen.
    return f'syft-flwr keys trust {email} --words "THE WORDS YOU HEARD"'


def _revoked_itself(document: PublicIdentity) -> TrustError:
    return TrustError(
        f"{document.email} has revoked its key {document.words}.",
        hint=f"Ask {document.email} for its new key.",
    )


def _not_expected(document: PublicIdentity, expected: str) -> TrustError:
    return TrustError(
        f"The project names {expected} as the fingerprint of {document.email}, "
        f"but its key has {document.fingerprint} ({document.words}).",
        hint=f"Ask {document.email} on the phone for its words. If they agree, the project is out of date: "
        "write its [tool.syft_flwr.fingerprints] anew with syft-flwr bootstrap --force, and have it approved again.",
    )


def never_compared(identity: PublicIdentity) -> TrustError:
    """The error for a key that is pinned only, where only compared keys are accepted."""
    return TrustError(
        f"The key of {identity.email} ({identity.words}) was never compared, "
        "and only compared keys are accepted.",
        hint=f"Ask {identity.email} on the phone for its words, then type: "
        f"syft-flwr keys verify {identity.email}",
    )


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
