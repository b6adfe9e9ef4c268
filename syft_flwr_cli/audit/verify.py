"""Whether an audit log is what its participant wrote, whole, in order, and what its peers saw of it.

`verify` accepts a log only if every byte of it is as it was written: each line in its one form, each hash
over its content and the entry before, each signature by the identity that the log names and that the caller
expects; a rotation must be signed by the key before. What a log cannot show by itself is that its last
entries were dropped, or that all of it was written anew with the same key: for that, the heads that peers
saw and recorded must all be in it. `export` makes the copy that goes to a peer. It does not know what the
events mean, and never changes a log.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from syft_flwr_cli.audit.entry import (
    GENESIS,
    MAX_LINE,
    Line,
    LineError,
    parse_line,
    signed_bytes,
    withheld,
)
from syft_flwr_cli.errors import AuditError, SyftFlwrError
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import PublicIdentity, parse_public
from syft_flwr_cli.storage.locks import lock_descriptor, unlock_descriptor

__all__ = [
    "BrokenLogError",
    "PeerHead",
    "Report",
    "export",
    "lines",
    "peer_heads",
    "verify",
    "verify_against_peer",
]


class BrokenLogError(AuditError):
    """A log does not verify; ``entry`` is the number of the first bad entry, None if some are missing."""

    def __init__(self, path: Path, entry: int | None, why: str, hint: str = "") -> None:
        where = f"{path} does not verify" if entry is None else f"Entry {entry} of {path} does not verify"
        super().__init__(
            f"{where}: {why}.",
            hint=hint or "Keep this file as it is, compare it with a backup, and ask who could write to it.",
        )
        self.entry = entry


@dataclass(frozen=True, slots=True)
class PeerHead:
    """A head of somebody's log that a peer saw.

    Parameters
    ----------
    head : str
        The hash, hex.
    peer : str
        Who saw it.
    seq : int
        The number of the entry in which the peer says so.
    time : float
        When, in seconds since 1970, by the peer's clock.
    """

    head: str
    peer: str
    seq: int
    time: float


@dataclass(frozen=True, slots=True)
class Report:
    """A log that verifies.

    ``hidden`` counts the entries whose content was withheld, ``repairs`` those that record a line torn by a
    crash, ``checked_heads`` the heads seen by peers that were found. Times in seconds since 1970, None for an
    empty log. ``hashes`` are the heads this log has had.
    """

    path: Path
    email: str
    fingerprint: str
    entries: int
    head: str
    first: float | None
    last: float | None
    hidden: int
    repairs: int
    checked_heads: int
    hashes: frozenset[str] = field(repr=False)


def verify(
    path: Path,
    public: PublicIdentity | None,
    peer_heads: Iterable[PeerHead] = (),
    *,
    allow_withheld: bool = False,
) -> Report:
    """Check every byte of a log, and that every head in ``peer_heads`` is in it.

    Parameters
    ----------
    path : Path
        The log; its owner may be appending to it meanwhile.
    public : PublicIdentity | None
        Whose log it must be: this key, or keys that lead to it or on from it by signed rotations. None takes
        the log's own word for it, and the caller compares ``email`` and ``fingerprint`` of the report.
    peer_heads : Iterable[PeerHead]
        What peers saw of this log.
    allow_withheld : bool
        Whether content may have been withheld: in a copy made for a peer, not in a log of one's own.

    Raises
    ------
    BrokenLogError
        Names the first bad entry.
    AuditError
        If there is no such log.
    """
    walk = _Walk(path, public, allow_withheld)
    for number, raw in enumerate(lines(path), 1):
        walk.step(number, raw)
    report = walk.finish()
    found = 0
    for seen in peer_heads:
        if seen.head != GENESIS and seen.head not in report.hashes:
            raise BrokenLogError(
                path,
                None,
                f"{seen.peer} recorded (entry {seen.seq} of its log) that it saw the head {seen.head[:16]}…, "
                f"which is in none of the {report.entries} entries: entries were dropped or rewritten",
            )
        found += 1
    return replace(report, checked_heads=found)


def verify_against_peer(
    path: Path, public: PublicIdentity, peer_path: Path, peer: PublicIdentity | None = None
) -> tuple[Report, Report]:
    """Check one's own log, a peer's log or export, and that one's own has every head that the peer saw.

    Parameters
    ----------
    path, public
        One's own log and identity.
    peer_path : Path
        What the peer exported.
    peer : PublicIdentity | None
        The peer as the roster knows it; None takes the export's own word for who made it.

    Raises
    ------
    BrokenLogError
        Names the first bad entry, or the head that is missing.
    """
    theirs = verify(peer_path, peer, allow_withheld=True)
    return verify(path, public, peer_heads(peer_path, theirs.email, public.email)), theirs


def peer_heads(path: Path, peer: str, email: str) -> list[PeerHead]:
    """The heads of the log of ``email`` that ``peer`` recorded in its log at ``path`` (verified before)."""
    heads = []
    for raw in lines(path):
        entry = parse_line(raw).entry
        head = entry.get("peer_head")
        if entry.get("peer") == email and isinstance(head, str) and head:
            heads.append(PeerHead(head, peer, entry["seq"], entry["time"]))
    return heads


def export(path: Path, public: PublicIdentity, destination: Path, visible: Collection[str] | None) -> Report:
    """Write a copy of the log that a peer can verify; an existing file is not overwritten.

    Parameters
    ----------
    path, public
        The log and its owner; verified first.
    destination : Path
        The new file, 0600.
    visible : Collection[str] | None
        The app names whose entries the reader may see; all other content is withheld, its digests stay.
        None: everything.

    Raises
    ------
    BrokenLogError
        If the log does not verify.
    SyftFlwrError
        If the file is there already, or cannot be written.
    """
    report = verify(path, public, allow_withheld=True)
    try:
        descriptor = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            for raw in lines(path):
                line = parse_line(raw)
                stream.write(raw if _is_visible(line, visible) else withheld(line))
    except OSError as error:
        raise SyftFlwrError(
            f"The copy {destination} cannot be written: {error.strerror or error}.",
            hint="Name a file that does not exist, in a directory that you may write to.",
        ) from error
    return report


def _is_visible(line: Line, visible: Collection[str] | None) -> bool:
    if visible is None or "identity" in line.entry or line.entry.get("event") == "repaired":
        return True
    return line.entry.get("app") in visible


class _Walk:
    """What is known of a log after some of its lines."""

    def __init__(self, path: Path, public: PublicIdentity | None, allow_withheld: bool) -> None:
        self._path = path
        self._public = public
        self._allow_withheld = allow_withheld
        self._key: PublicIdentity | None = None
        self._expected_key_seen = False
        self._hashes: set[str] = set()
        self._head = GENESIS
        self._times: list[float] = []
        self._hidden = self._repairs = 0

    def step(self, number: int, raw: bytes) -> None:
        """Check the next line."""
        try:
            line = parse_line(raw)
            if line.seq != number:
                raise LineError(f"it says that it is number {line.seq}")
            if line.prev != self._head:
                raise LineError("it does not follow the entry before it")
            if line.withheld and not self._allow_withheld:
                raise LineError("its content was withheld")
            key = self._key_of(line)
            if not key.verify(signed_bytes(line.hash), line.signature):
                raise LineError(f"its signature is not by {key.email}")
        except LineError as error:
            raise BrokenLogError(self._path, number, str(error)) from error
        self._key = key
        self._expected_key_seen |= self._public is not None and key.fingerprint == self._public.fingerprint
        self._head = line.hash
        self._hashes.add(line.hash)
        if line.withheld:
            self._hidden += 1
        else:
            self._repairs += line.entry["event"] == "repaired"
            self._times = [*self._times[:1], float(line.entry["time"])]

    def finish(self) -> Report:
        """Check what only the end shows."""
        if self._key is None:
            raise BrokenLogError(self._path, 1, "the log is empty")
        expected = self._public
        if expected is not None and not self._expected_key_seen and not self._key.vouches_for(expected):
            raise BrokenLogError(
                self._path,
                1,
                f"it was written with keys that are not those known of {expected.email}",
                hint="Compare the fingerprints: syft-flwr keys list",
            )
        first, last = (self._times[0], self._times[-1]) if self._times else (None, None)
        return Report(
            self._path, self._key.email, self._key.fingerprint, len(self._hashes), self._head, first, last,
            self._hidden, self._repairs, 0, frozenset(self._hashes),
        )  # fmt: skip

    def _key_of(self, line: Line) -> PublicIdentity:
        """The identity that must have signed this line."""
        document = line.entry.get("identity")
        if document is None:
            if self._key is None:
                raise LineError("it does not say whose log this is")
            return self._key
        return _successor(self._key, self._public, document)


def _successor(
    before: PublicIdentity | None, expected: PublicIdentity | None, document: object
) -> PublicIdentity:
    """The identity in ``document`` if it may follow ``before``, or be the first one."""
    if not isinstance(document, str):
        raise LineError("its identity document is no text")
    try:
        public = parse_public(document.encode("ascii", "replace") + b"\n")
    except RefusedError as error:
        raise LineError(f"its identity document is refused: {error.what}") from error
    if before is not None and public.fingerprint != before.fingerprint and not before.vouches_for(public):
        raise LineError("its key does not follow the key before it")
    if expected is not None and public.email != expected.email:
        raise LineError(f"it belongs to {public.email}, not to {expected.email}")
    return public


def lines(path: Path) -> Iterator[bytes]:
    """The lines of what is there now, each bounded; what is appended meanwhile is not looked at."""
    try:
        with path.open("rb") as stream:
            lock_descriptor(stream.fileno(), wait=True)  # so that no half-written append is seen
            rest = os.fstat(stream.fileno()).st_size
            unlock_descriptor(stream.fileno())
            while rest and (raw := stream.readline(min(rest, MAX_LINE + 1))):
                rest -= len(raw)
                yield raw
    except FileNotFoundError as error:
        raise AuditError(
            f"There is no audit log {path}.", hint="One is made with the first run of this participant."
        ) from error
