"""The evidence of a participant as one file that stands on its own, and its verification by somebody else.

The file is a Five Safes RO-Crate in a BagIt bag: the record (with what peers signed), the decisions, what left, the
public keys, a checkpoint. `verify_crate` needs nothing but the file; with peers' exports it also finds an exporter who
left something out and signed everything anew. It says what nobody but the exporter vouches for. Prints nothing.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syft_flwr_cli import __version__
from syft_flwr_cli.audit.compare import Evidence, read_evidence
from syft_flwr_cli.audit.crate import (
    DATA,
    MAX_CRATE,
    SIGNATURE,
    BrokenCrateError,
    bag,
    manifest_digest,
    pack,
    unpack,
)
from syft_flwr_cli.audit.log import read_entries
from syft_flwr_cli.audit.statements import (
    Checkpoint,
    StatementError,
    checkpoint_note,
    envelope,
    read_checkpoint,
    read_envelope,
    statement,
)
from syft_flwr_cli.audit.verify import Report, export
from syft_flwr_cli.errors import AuditError, UsageError
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.security.envelope import is_stated_by
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.security.roster import FILE_NAME as ROSTER
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.services.crate_metadata import metadata
from syft_flwr_cli.services.record import CheckedRecord, check_record

__all__ = ["CheckedCrate", "export_crate", "verify_crate"]

LOG = "log/audit.jsonl"
CHECKPOINT = "log/checkpoint.txt"
METADATA = "ro-crate-metadata.json"
DECISIONS = ("approved", "rejected")


@dataclass(frozen=True, slots=True)
class CheckedCrate:
    """A crate that holds together.

    ``witnessed`` is the newest entry that a peer's own signature (kept in the record) shows to have been there; 0: the
    record is unwitnessed, so that only its exporter vouches for it. ``record`` is the comparison with peers' exports.
    """

    email: str
    fingerprint: str
    made: float
    report: Report
    witnessed: int
    witnesses: tuple[str, ...]
    decisions: int
    egress: int
    record: CheckedRecord


def export_crate(
    directory: Path, identity: Identity, app: str | None, target: Path, now: float | None = None
) -> Report:
    """Write the evidence of a participant to a new file.

    Parameters
    ----------
    directory : Path
        The participant's own directory.
    identity : Identity
        Its keys: they sign what the file holds.
    app : str, optional
        Only what belongs to this app is shown; of the rest of the record the digests stay.
    target : Path
        The file; must not be there.

    Raises
    ------
    BrokenLogError
        If the record does not verify.
    UsageError
        If the file cannot be written.
    """
    moment = time.time() if now is None else now
    payload: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "audit.jsonl"
        report = export(directory / "audit.jsonl", identity.public, copy, None if app is None else {app})
        entries = list(read_entries(copy))
        payload[LOG] = copy.read_bytes()
    origin = _origin(identity.email)
    note = Checkpoint(origin, report.entries, report.head)
    payload[CHECKPOINT] = checkpoint_note(note, identity.public.signing_key, identity.sign)
    for public in _keys(directory, identity.public):
        payload[f"keys/{public.email}.json"] = public.to_bytes()
    sign, keyid = identity.sign, identity.public.fingerprint
    for entry in entries:
        for name, body in _statements(entry, identity.email):
            payload[name] = envelope(body, keyid, sign)
    payload[METADATA] = json.dumps(
        metadata(identity.email, entries, sorted(payload), moment), indent=1, ensure_ascii=True
    ).encode()
    members = bag(
        payload,
        {
            "Source-Organization": identity.email,
            "Bagging-Date": datetime.fromtimestamp(moment, UTC).date().isoformat(),
            "Bag-Software-Agent": f"syft-flwr {__version__}",
            "External-Identifier": report.head,
        },
    )
    facts = {"time": moment, "email": identity.email, "entries": report.entries, "head": report.head}
    signed = statement({"manifest": manifest_digest(members)}, "crate", facts)
    members[SIGNATURE] = envelope(signed, keyid, sign)
    try:
        with target.open("xb") as stream:
            stream.write(pack(members))
    except OSError as error:
        raise UsageError(
            f"{target} cannot be written: {error.strerror}.", hint="Name a file that does not exist yet."
        ) from error
    return report


def verify_crate(
    path: Path,
    peer_logs: Sequence[Path] = (),
    keys: Mapping[str, PublicIdentity] | None = None,
) -> CheckedCrate:
    """Verify a file that `export_crate` made.

    Parameters
    ----------
    path : Path
        The file.
    peer_logs : sequence of Path
        Peers' exports of their records.
    keys : mapping, optional
        Public keys that are known from elsewhere, by e-mail; they win over those in the file.

    Raises
    ------
    BrokenCrateError
        Names the member that was changed, added, dropped, doubled, or exchanged.
    BrokenLogError
        Names the entry that is missing or contradicts.
    """
    members = unpack(_read(path))
    known = {**_public_keys(members), **(keys or {})}
    email, made = _exporter(members, known)
    public = known[email]
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "audit.jsonl"
        log.write_bytes(_member(members, LOG))
        record = check_record(log, public, peer_logs, keys=dict(known))
        evidence = read_evidence(log, public)
        entries = list(read_entries(log))
    _check_checkpoint(members, public, record.report)
    decisions, egress = _check_statements(members, entries, public)
    if not _is_described(members, email, entries, made):
        raise BrokenCrateError(f"{DATA}{METADATA} does not describe what the file holds.")
    newest, who = _witnessed(evidence, known, email)
    return CheckedCrate(
        email, public.fingerprint, made, record.report, newest, who, decisions, egress, record
    )


def _origin(email: str) -> str:
    return f"syft-flwr/{email}"


def _keys(directory: Path, own: PublicIdentity) -> list[PublicIdentity]:
    peers = [entry.identity for entry in Roster(directory / ROSTER).entries()]
    return [own, *(public for public in peers if public.email != own.email)]


def _statements(entry: Mapping[str, Any], email: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The statements that an entry of the record is told in: a decision on a digest, or what left in a reply."""
    event, seq = entry.get("event"), int(entry.get("seq", 0))
    facts = {
        key: value for key, value in entry.items() if key not in ("prev", "hash", "sig", "salt", "identity")
    }
    if event in DECISIONS and isinstance(entry.get("digest"), str):
        subject = {f"project {entry.get('app', '')}": str(entry["digest"])}
        yield f"decisions/{seq:08d}.dsse.json", statement(subject, "decision", {"owner": email, **facts})
    elif event == "egress":
        subject = {f"reply {entry.get('message', '')}": str(entry.get("record", ""))}
        yield f"egress/{seq:08d}.dsse.json", statement(subject, "egress", {"owner": email, **facts})


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_CRATE + 1)
    except OSError as error:
        raise AuditError(
            f"{path} cannot be read: {error.strerror}.", hint="Name a file of an export."
        ) from error


def _member(members: Mapping[str, bytes], path: str) -> bytes:
    try:
        return members[f"{DATA}{path}"]
    except KeyError:
        raise BrokenCrateError(f"{DATA}{path} is missing.") from None


def _is_described(
    members: Mapping[str, bytes], email: str, entries: Sequence[Mapping[str, Any]], made: float
) -> bool:
    """Whether the description is the one of these members; whoever signs one may write what it likes in it."""
    found = _member(members, METADATA)
    try:
        return bool(loads(found) == metadata(email, entries, sorted(_payload(members)), made))
    except (ValueError, OverflowError, OSError):  # no JSON, or a time that no calendar has
        return False


def _payload(members: Mapping[str, bytes]) -> list[str]:
    return [
        name.removeprefix(DATA) for name in members if name.startswith(DATA) and name != f"{DATA}{METADATA}"
    ]


def _public_keys(members: Mapping[str, bytes]) -> dict[str, PublicIdentity]:
    found = {}
    for path in _payload(members):
        if path.startswith("keys/"):
            try:
                public = parse_public(members[f"{DATA}{path}"])
            except RefusedError as error:
                raise BrokenCrateError(f"{DATA}{path} is no public key: {error.what}") from error
            if path != f"keys/{public.email}.json":
                raise BrokenCrateError(f"{DATA}{path} is the key of {public.email}.")
            found[public.email] = public
    return found


def _exporter(members: Mapping[str, bytes], known: Mapping[str, PublicIdentity]) -> tuple[str, float]:
    """Who signed the file, and when: the statement must be about exactly this list of members."""
    by_print = {public.fingerprint: public for public in known.values()}

    def holds(keyid: str, data: bytes, signature: bytes) -> bool:
        return keyid in by_print and by_print[keyid].verify(data, signature)

    try:
        body = read_envelope(members[SIGNATURE], holds)
        digest = body["subject"][0]["digest"]["sha256"]
        email, made = str(body["predicate"]["email"]), float(body["predicate"]["time"])
        signer = json.loads(members[SIGNATURE])["signatures"][0]["keyid"]
    except (StatementError, KeyError, TypeError, ValueError, IndexError) as error:
        raise BrokenCrateError(f"{SIGNATURE} does not hold: {error}.") from error
    if digest != manifest_digest(members):
        raise BrokenCrateError(f"{SIGNATURE} is about another list of members than the file has.")
    if email not in known or known[email].fingerprint != signer:
        raise BrokenCrateError(
            f"{SIGNATURE} is not signed with the key of {email}, whose evidence this is to be."
        )
    return email, made


def _check_checkpoint(members: Mapping[str, bytes], public: PublicIdentity, report: Report) -> None:
    try:
        point = read_checkpoint(_member(members, CHECKPOINT), public.signing_key, public.verify)
    except StatementError as error:
        raise BrokenCrateError(f"{DATA}{CHECKPOINT} does not hold: {error}.") from error
    if (point.origin, point.entries, point.head) != (_origin(public.email), report.entries, report.head):
        raise BrokenCrateError(f"{DATA}{CHECKPOINT} is about another state of the record than the file has.")


def _check_statements(
    members: Mapping[str, bytes], entries: Sequence[Mapping[str, Any]], public: PublicIdentity
) -> tuple[int, int]:
    """Every decision and reply in the record has its statement, which says the same, and there is no other."""
    wanted = {name: body for entry in entries for name, body in _statements(entry, public.email)}
    there = {path for path in _payload(members) if path.startswith(("decisions/", "egress/"))}
    for name in sorted(set(wanted) - there):
        raise BrokenCrateError(f"{DATA}{name} is missing: the record has the entry that it tells.")
    for name in sorted(there - set(wanted)):
        raise BrokenCrateError(f"{DATA}{name} tells what the record does not have.")
    for name, body in wanted.items():
        try:
            found = read_envelope(
                members[f"{DATA}{name}"],
                lambda keyid, data, sig: keyid == public.fingerprint and public.verify(data, sig),
            )
        except StatementError as error:
            raise BrokenCrateError(f"{DATA}{name} does not hold: {error}.") from error
        if found != body:
            raise BrokenCrateError(f"{DATA}{name} says something else than the record.")
    return sum(name.startswith("decisions/") for name in wanted), sum(
        name.startswith("egress/") for name in wanted
    )


def _witnessed(
    evidence: Evidence, known: Mapping[str, PublicIdentity], email: str
) -> tuple[int, tuple[str, ...]]:
    newest, who = 0, set()
    for kept in evidence.kept:
        header = kept.header
        place = evidence.heads.get(header.seen or "", 0)
        peer = known.get(header.sender)
        if header.sender != email and place and peer is not None and is_stated_by(header, [peer]):
            newest = max(newest, place)
            who.add(header.sender)
    return newest, tuple(sorted(who))
