"""Keys for people and programs: one's own, and those of peers."""

from collections.abc import Sequence
from typing import Any

from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.security.roster import Entry
from syft_flwr_cli.services.keys import OwnKeys
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.timeline import when

__all__ = ["describe", "describe_peer", "print_facts", "show_own", "show_peers"]


def describe(public: PublicIdentity) -> dict[str, Any]:
    """The facts of a public identity, for ``--json``."""
    return {
        "email": public.email,
        "words": public.words,
        "fingerprint": public.fingerprint,
        "version": public.version,
        "created": public.created,
        "previous": public.previous,
        "revoked": public.revoked,
    }


def describe_peer(entry: Entry) -> dict[str, Any]:
    """The facts of a peer's key, for ``--json``."""
    return {
        **describe(entry.identity),
        "pinned": entry.pinned,
        "verified": entry.verified,
        "revoked": entry.revoked,
        "offered": None if entry.offered is None else describe(entry.offered),
    }


def show_own(keys: OwnKeys) -> None:
    """Print what one's own keys are, and what to do next."""
    public = keys.public
    print_facts(
        {
            "participant": public.email,
            "words": public.words,
            "fingerprint": public.fingerprint,
            "version": f"{public.version}, made {when(public.created)}",
            "protected": "by a passphrase" if keys.protected else "no; only by the rights of its file",
            "file": keys.file,
        }
    )
    if public.revoked:
        output.note("These keys are revoked. next: syft-flwr keys rotate --revoke", "yellow")
    else:
        output.note(f"next: read the words out to your peers, who type: syft-flwr keys verify {public.email}")


def show_peers(entries: Sequence[Entry]) -> None:
    """Print everybody who was met, and whom to compare words with next."""
    width = max((len(entry.email) for entry in entries), default=0)
    for entry in entries:
        output.out().print(f"{entry.email:<{width}}  {entry.identity.words}  {_state(entry)}", markup=False)
    waiting = [entry.email for entry in entries if entry.verified is None and not entry.revoked]
    if not entries:
        output.note("Nobody was met yet. next: syft-flwr keys import FILE, or begin a run.")
    elif waiting:
        output.note(f"next: compare the words on the phone, then type: syft-flwr keys verify {waiting[0]}")


def print_facts(facts: dict[str, Any]) -> None:
    """Print names and values, one to a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        output.out().print(f"{name:<{width}}  {value}", markup=False)


def _state(entry: Entry) -> str:
    if entry.revoked:
        state = "REVOKED"
    elif entry.verified is not None:
        state = f"verified {when(entry.verified)}"
    else:
        state = f"pinned {when(entry.pinned)}, never compared"
    return state + ("; ANOTHER KEY WAS SHOWN AND REFUSED" if entry.offered is not None else "")
