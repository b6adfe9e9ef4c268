"""The fingerprints of an app's participants as far as they are known here, for ``bootstrap`` to write down.

Known are the keys of who lives on this machine, the keys that whoever bootstraps has met (its roster), and, where
a shared folder is given, what the others have published there. A published key that contradicts the one that was met
is an error, as it is in a run. Nothing is pinned by looking; nothing is written.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.project.settings import transport_options
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import FILE_NAME, read_public
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.security.roster import FILE_NAME as ROSTER
from syft_flwr_cli.security.roster import Entry, Roster
from syft_flwr_cli.security.trust_rules import decide
from syft_flwr_cli.storage.paths import participant_dir
from syft_flwr_cli.transports.folder import posix
from syft_flwr_cli.transports.registry import PublicDocuments, find_spec

__all__ = ["KnownKey", "known_keys", "shared_place"]

MAX_DOCUMENT = 16 << 10


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A participant's key, in words how it is known, and the fingerprints of the keys that led to it."""

    identity: PublicIdentity
    how: str
    before: tuple[str, ...] = ()


def known_keys(
    home: Path, emails: Sequence[str], mine: Sequence[str], shared: PublicDocuments | None
) -> dict[str, KnownKey]:
    """What is known of ``emails``.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    emails : Sequence[str]
        The participants.
    mine : Sequence[str]
        Those whose rosters count, the first before the others.
    shared : Shared, optional
        Where to look for what they have published.

    Raises
    ------
    TrustError
        If somebody has published another key than the one that was met, or one that is revoked.
    """
    found = {}
    for email in emails:
        key = _of_this_machine(home, email) or _met_or_published(home, email, mine, shared)
        if key is not None:
            found[email] = key
    return found


def _of_this_machine(home: Path, email: str) -> KnownKey | None:
    directory = participant_dir(home, email)
    if not (directory / FILE_NAME).exists():
        return None
    public, _ = read_public(directory, email)
    return KnownKey(public, "its keys are on this machine", (public.previous,) if public.previous else ())


def _met_or_published(
    home: Path, email: str, mine: Sequence[str], shared: PublicDocuments | None
) -> KnownKey | None:
    entry = next(_met(home, email, mine), None)
    document = None if shared is None else _published(shared, email)
    if document is not None:
        _, verdict = decide(entry, document, time.time(), None)
        if isinstance(verdict, TrustError):
            raise verdict
        if entry is None:
            return KnownKey(document, "as it is published; nobody has compared it")
        entry = verdict.entry
    if entry is None or entry.revoked:
        return None
    how = "compared" if entry.verified else "met before; nobody has compared it"
    return KnownKey(entry.identity, how, entry.before)


def _met(home: Path, email: str, mine: Sequence[str]) -> Iterator[Entry]:
    for me in mine:
        directory = participant_dir(home, me)
        entry = Roster(directory / ROSTER).get(email) if (directory / ROSTER).exists() else None
        if entry is not None:
            yield entry


def _published(shared: PublicDocuments, email: str) -> PublicIdentity | None:
    """The identity document in a participant's space; None if there is none that is one."""
    *folder, name = names.IDENTITY_PATH.split("/")
    try:
        with posix.entered(shared.root, [email, *shared.inside, *folder]) as here:
            with os.fdopen(posix.open_plain_file(name, here), "rb") as stream:
                document = parse_public(stream.read(MAX_DOCUMENT + 1))
    except (OSError, RefusedError):
        return None  # whoever begins a run is told what is wrong with it
    return document if document.email == email else None


def shared_place(
    home: Path, transport: str, app_name: str | None, root: Path | None
) -> PublicDocuments | None:
    """Where participants publish their keys, if that is a folder of this machine and known."""
    spec = find_spec(transport)
    return spec.public_documents(transport_options(spec, home, app_name or "", root=root))
