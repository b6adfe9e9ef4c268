"""One's own key where others look for it: another one that is published there is not overwritten unawares.

A second machine with the same e-mail, or a home from a backup that another machine has gone on with, would make every
peer refuse what the first one sends. Where the store is a folder it is looked at each time; elsewhere once for each
key and store, because looking costs.
"""

import json
from pathlib import Path

from syft_flwr_cli.errors import ForeignHomeError, NotThereError, TransportError
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.storage.paths import write_private
from syft_flwr_cli.transports.base import Transport

__all__ = ["check_published_key", "note_published"]

MAX_DOCUMENT = 16 << 10
_NOTE = "published.json"


def check_published_key(
    transport: Transport, own: PublicIdentity, personal: Path, store: str, *, every_time: bool
) -> None:
    """Refuse to go on if another key is published for ``own.email``, unless it is one that led to ours.

    Raises
    ------
    ForeignHomeError
        With the words of the key that is there.
    """
    if not every_time and own.fingerprint in _published(personal).get(store, []):
        return
    try:
        with transport.open(own.email, IDENTITY_PATH) as stream:
            there = parse_public(stream.read(MAX_DOCUMENT + 1))
    except (NotThereError, RefusedError):
        return
    except TransportError:
        return  # whoever publishes next is told what is wrong with the store
    if there.email != own.email or there.fingerprint == own.fingerprint:
        return
    # Keys that were rotated more than once since are not all named by the newest.
    if there.fingerprint == own.previous or there.version + 1 < own.version:
        return
    newer = there.previous == own.fingerprint
    raise ForeignHomeError(
        f"Another key of yours ({own.email}) is published here: {there.words}. This home's is {own.words}"
        + (", which is older: another machine has rotated it." if newer else "."),
        hint="Bring that machine's home here (there: syft-flwr home export FILE, here: syft-flwr home import FILE); "
        "to publish this home's key instead, which your peers must then trust anew: syft-flwr keys publish --replace",
    )


def note_published(own: PublicIdentity, personal: Path, store: str) -> None:
    """Remember that this key was published in ``store`` from here."""
    known = _published(personal)
    if own.fingerprint not in known.get(store, []):
        known[store] = [*known.get(store, []), own.fingerprint][-10:]
        write_private(personal / _NOTE, json.dumps(known).encode())


def _published(personal: Path) -> dict[str, list[str]]:
    try:
        found = json.loads((personal / _NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
