"""What ``syft-flwr keys`` does about the keys of others: list, verify, trust, revoke, import."""

import time
from pathlib import Path
from typing import Any

import typer

from syft_flwr_cli.cli.own_keys import audit_log, describe, own
from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.security.passphrase import has_terminal
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.security.roster import FILE_NAME, Entry, Roster
from syft_flwr_cli.security.trust_rules import matches
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.timeline import when

__all__ = ["admit", "distrust", "show_all", "trust", "verify"]


def show_all(directory: Path, as_json: bool) -> None:
    """List everybody who was met."""
    entries = Roster(directory / FILE_NAME).entries()
    if as_json:
        output.emit_json([_facts(entry) for entry in entries])
        return
    width = max((len(entry.email) for entry in entries), default=0)
    for entry in entries:
        output.out().print(f"{entry.email:<{width}}  {entry.identity.words}  {_state(entry)}", markup=False)
    waiting = [entry.email for entry in entries if entry.verified is None and not entry.revoked]
    if not entries:
        output.note("Nobody was met yet. next: syft-flwr keys import FILE, or begin a run.")
    elif waiting:
        output.note(f"next: compare the words on the phone, then type: syft-flwr keys verify {waiting[0]}")


def verify(directory: Path, me: str, peer: str, words: str | None, as_json: bool) -> None:
    """Note that the pinned key of ``peer`` was compared."""
    roster = Roster(directory / FILE_NAME)
    entry = roster.get(peer)
    if entry is not None and not entry.revoked and words is None:
        _ask(
            f"The words of {entry.email} here are\n\n    {entry.identity.words}\n\n"
            f"Does {entry.email} read out the same?"
        )
        words = entry.identity.words
    identity = own(directory, me)
    entry = roster.verify(peer, words or "", time.time())
    _record(directory, identity, "verified", entry.identity)
    _tell(entry, as_json, f"The key of {entry.email} is verified: {entry.identity.words}.")


def trust(directory: Path, me: str, peer: str, words: str | None, as_json: bool) -> None:
    """Accept the key that ``peer`` shows now instead of the one that was pinned."""
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
        _ask(
            f"{entry.email} was known by the words\n\n    {entry.identity.words}\n\nand now shows\n\n"
            f"    {offered.words}\n\nDid {entry.email} read out the new words to you?"
        )
    elif not matches(offered, words):
        raise _other_words(offered)
    identity = own(directory, me)
    accepted = roster.trust(offered, time.time(), verified=True)
    _record(directory, identity, "pinned", accepted.identity)
    _tell(accepted, as_json, f"The new key of {accepted.email} is trusted: {accepted.identity.words}.")


def distrust(directory: Path, me: str, peer: str, as_json: bool) -> None:
    """Trust the key of ``peer`` no more."""
    identity = own(directory, me)
    entry = Roster(directory / FILE_NAME).revoke(peer)
    _record(directory, identity, "revoked", entry.identity)
    _tell(entry, as_json, f"The key of {entry.email} is not trusted any more. next: syft-flwr keys list")


def admit(directory: Path, me: str, data: bytes, words: str | None, as_json: bool) -> None:
    """Take a peer's key document from a file: pin it, and verify it if the words are given."""
    document = parse_public(data)
    if document.email == me:
        raise UsageError(
            f"This is the public document of {me}, whom you act as.",
            hint="Your peers import it. A backup of your own keys: syft-flwr keys export --private -o FILE",
        )
    identity = own(directory, me)
    roster = Roster(directory / FILE_NAME)
    if words is not None:
        if not matches(document, words):
            raise _other_words(document)
        entry = roster.trust(document, time.time(), verified=True)
        _record(directory, identity, "pinned", document)
        _tell(entry, as_json, f"The key of {document.email} is known and verified: {document.words}.")
        return
    admission = roster.admit(document, time.time())
    if admission.kind != "known":
        _record(directory, identity, admission.kind, document)
    _tell(admission.entry, as_json, admission.sentence())


def _ask(question: str) -> None:
    if not has_terminal():
        raise UsageError(
            "There is no terminal to ask at whether the words agree.",
            hint='Give the words that were read out to you: --words "…"',
        )
    if not typer.confirm(question, err=True):
        raise TrustError(
            "The words do not agree, so nothing was changed.",
            hint="Somebody may be in between. Do not exchange messages until you know who.",
        )


def _other_words(document: PublicIdentity) -> TrustError:
    return TrustError(
        f"These are not the words of the key that {document.email} shows: {document.words}.",
        hint="If its owner read them out to you, somebody is in between; nothing was changed.",
    )


def _record(directory: Path, identity: Identity, event: str, public: PublicIdentity) -> None:
    entry = {"event": event, "peer": public.email, "fingerprint": public.fingerprint, "by": "person"}
    audit_log(directory, identity).append([entry])


def _tell(entry: Entry, as_json: bool, sentence: str) -> None:
    if as_json:
        output.emit_json(_facts(entry))
    else:
        output.note(sentence)


def _state(entry: Entry) -> str:
    if entry.revoked:
        state = "REVOKED"
    elif entry.verified is not None:
        state = f"verified {when(entry.verified)}"
    else:
        state = f"pinned {when(entry.pinned)}, never compared"
    return state + ("; ANOTHER KEY WAS SHOWN AND REFUSED" if entry.offered is not None else "")


def _facts(entry: Entry) -> dict[str, Any]:
    return {
        **describe(entry.identity),
        "pinned": entry.pinned,
        "verified": entry.verified,
        "revoked": entry.revoked,
        "offered": None if entry.offered is None else describe(entry.offered),
    }
