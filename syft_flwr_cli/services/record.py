"""Whether records hold: one's own or a stranger's, each by itself and each against the others. Prints nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.audit.compare import Evidence, read_evidence, require_agreement
from syft_flwr_cli.audit.verify import Report, verify
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.security.identity import MAX_DOCUMENT
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.security.roster import Roster

__all__ = ["CheckedRecord", "PeerRecord", "check_record", "read_keys"]


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """A record that was held against another: its report, whether its keys were known, and what it showed.

    ``witnessed`` counts the messages of the other that it keeps with a signature which a third person can check, and
    ``unproven`` those that it keeps without one.
    """

    report: Report
    known: bool
    witnessed: int
    unproven: int


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """A record that verifies and that none of the others contradicts."""

    report: Report
    peers: tuple[PeerRecord, ...]


def read_keys(files: Sequence[Path]) -> dict[str, PublicIdentity]:
    """The public keys in identity documents, by e-mail.

    Raises
    ------
    UsageError
        If a file cannot be read.
    RefusedError
        If it is no identity document.
    """
    keys = {}
    for file in files:
        try:
            with file.open("rb") as stream:
                public = parse_public(stream.read(MAX_DOCUMENT + 1))
        except OSError as error:
            raise UsageError(
                f"{file} cannot be read ({error.strerror}).", hint="Name a file with somebody's public keys."
            ) from error
        keys[public.email] = public
    return keys


def check_record(
    path: Path,
    public: PublicIdentity | None,
    others: Sequence[Path],
    *,
    keys: dict[str, PublicIdentity],
    roster: Roster | None = None,
) -> CheckedRecord:
    """Verify a record, the others, and that none contradicts another.

    Parameters
    ----------
    path, public
        The record, and whose it must be; None takes its own word, or the key in ``keys``.
    others : Sequence[Path]
        Records or exports of peers.
    keys : dict
        Public keys that were given, by e-mail.
    roster : Roster, optional
        The peers that are known.

    Raises
    ------
    BrokenLogError
        Names the first entry that is bad, missing, or contradicts.
    """
    report = verify(path, public, allow_withheld=public is None)
    if public is None and report.email in keys:
        report = verify(path, keys[report.email], allow_withheld=True)
    if not others:
        return CheckedRecord(report, ())
    mine = read_evidence(path, public or keys.get(report.email))
    evidence = [_of_peer(other, keys, roster) for other in others]
    for number, (theirs, _, _) in enumerate(evidence):
        if theirs.email == mine.email:
            raise UsageError(
                f"{theirs.path} is a record of {mine.email} itself.",
                hint="Give what another participant exported.",
            )
        require_agreement(mine, theirs)
        for other, _, _ in evidence[:number]:
            require_agreement(other, theirs)
    return CheckedRecord(report, tuple(_summary(mine, *item) for item in evidence))


def _of_peer(
    path: Path, keys: dict[str, PublicIdentity], roster: Roster | None
) -> tuple[Evidence, Report, bool]:
    report = verify(path, None, allow_withheld=True)
    entry = None if roster is None else roster.get(report.email)
    public = keys.get(report.email) or (None if entry is None else entry.identity)
    if public is not None:  # then it must be that very peer, not somebody who took its name
        report = verify(path, public, allow_withheld=True)
    return read_evidence(path, public), report, public is not None


def _summary(mine: Evidence, theirs: Evidence, report: Report, known: bool) -> PeerRecord:
    proven = [
        kept for kept in theirs.kept if kept.header.sender == mine.email and kept.header.proof is not None
    ]
    claims = [head for _, peer, head in theirs.claims if peer == mine.email]
    return PeerRecord(report, known, len(proven), len(claims))
