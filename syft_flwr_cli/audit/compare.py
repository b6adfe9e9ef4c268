"""Two participants' records held against each other: what one signed and the other kept, in both directions.

Every message's first line is signed by its sender and says what the head of its record was, which head of the
recipient's it had seen, and what the message held (see `protocol.header`). Both sides keep that line. So a record that
was cut, was written anew, or does not hold what its owner sent is contradicted by its owner's own signature in the
other's record; and whoever claims to have seen what the other never signed has nothing to show for it. Two records, or
exports of them, and the public keys are enough. It does not know who is right where nothing was signed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.audit.entry import GENESIS, parse_line
from syft_flwr_cli.audit.verify import BrokenLogError, lines, verify
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.envelope import is_stated_by, read_statement
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public

__all__ = ["Contradiction", "Evidence", "compare", "read_evidence", "require_agreement"]


@dataclass(frozen=True, slots=True)
class Kept:
    """The first line of a message, in the entry ``seq`` of a record."""

    seq: int
    header: Header


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a record that verifies shows.

    Parameters
    ----------
    path : Path
        Where it lies.
    email : str
        Whose it is.
    keys : tuple of PublicIdentity
        The keys that signed it, one after the other.
    heads : mapping
        The number of an entry by its hash.
    kept : tuple of Kept
        The first lines of messages, sent and received.
    sent : frozenset of str
        The ids of the messages that it says were sent, or ended a run.
    claims : tuple
        Entry, peer and head, where it says that it saw a head of a peer's and keeps no line of that peer's with it.
    hidden : bool
        Whether content was withheld: what it lacks may be in what is not shown.
    """

    path: Path
    email: str
    keys: tuple[PublicIdentity, ...]
    heads: Mapping[str, int] = field(repr=False)
    kept: tuple[Kept, ...] = field(repr=False)
    sent: frozenset[str] = field(repr=False)
    claims: tuple[tuple[int, str, str], ...] = field(repr=False)
    hidden: bool


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Where two records do not agree.

    Parameters
    ----------
    against : str
        Whose record is contradicted.
    by : str
        Whose signature contradicts it; None where it is but the other's word.
    path, entry : Path, int
        The entry that shows it, and in which file.
    text : str
        What is missing or contradicts.
    """

    against: str
    by: str | None
    path: Path
    entry: int
    text: str

    def sentence(self) -> str:
        """All of it, for a person."""
        whose = "" if self.by is None else f", by the signature of {self.by}"
        return f"{self.text} (entry {self.entry} of {self.path}). This contradicts {self.against}{whose}."


def read_evidence(path: Path, public: PublicIdentity | None, *, allow_withheld: bool = True) -> Evidence:
    """Verify a record and gather what it shows; errors as for `verify`."""
    report = verify(path, public, allow_withheld=allow_withheld)
    heads: dict[str, int] = {GENESIS: 0}
    keys: list[PublicIdentity] = []
    entries: list[tuple[int, dict[str, Any]]] = []
    for raw in lines(path):
        line = parse_line(raw)
        if line.seq > report.entries:
            break  # appended since it was verified
        heads[line.hash] = line.seq
        entries.append((line.seq, line.entry))
        document = line.entry.get("identity")
        if isinstance(document, str):
            keys.append(parse_public(document.encode("ascii", "replace") + b"\n"))
    return Evidence(
        path=path,
        email=report.email,
        keys=tuple(keys),
        heads=heads,
        kept=tuple(_kept(entries)),
        sent=frozenset(
            str(entry.get("message")) for _, entry in entries if entry.get("event") in ("sent", "stopped")
        ),
        claims=tuple(_claims(entries)),
        hidden=report.hidden > 0,
    )


def compare(one: Evidence, other: Evidence) -> list[Contradiction]:
    """Where two records contradict each other; empty if nowhere."""
    return [*_against(one, other), *_against(other, one)]


def require_agreement(one: Evidence, other: Evidence) -> None:
    """`BrokenLogError`, naming the first entry that is missing or contradicts, unless two records agree."""
    found = compare(one, other)
    if found:
        more = "" if len(found) == 1 else f" {len(found) - 1} more contradictions follow."
        raise BrokenLogError(
            found[0].path,
            found[0].entry,
            found[0].sentence().rstrip(".") + ("." + more).rstrip("."),
            "Keep both files as they are. If a copy is older than the message, ask for a new one: "
            "syft-flwr audit export --output FILE",
        )


def _kept(entries: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[Kept]:
    for seq, entry in entries:
        text = entry.get("header")
        if isinstance(text, str):
            try:
                yield Kept(seq, read_statement(text.encode("utf-8", "replace")))
            except RefusedError:
                continue  # it is no first line of a message, and shows nothing


def _claims(entries: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, str, str]]:
    for seq, entry in entries:
        peer, head = entry.get("peer"), entry.get("peer_head")
        if isinstance(peer, str) and isinstance(head, str) and head and not _is_proven(entry.get("header")):
            yield seq, peer, head


def _is_proven(line: object) -> bool:
    try:
        return isinstance(line, str) and read_statement(line.encode("utf-8", "replace")).proof is not None
    except RefusedError:
        return False


def _against(accused: Evidence, witness: Evidence) -> Iterator[Contradiction]:
    """What ``witness`` keeps against ``accused``, and what ``accused`` says of ``witness`` and cannot show."""
    received = [
        kept
        for kept in witness.kept
        if (kept.header.sender, kept.header.recipient) == (accused.email, witness.email)
    ]
    for kept in received:
        yield from _signed(kept, accused, witness)
    signed = {
        kept.header.audit
        for kept in accused.kept
        if kept.header.sender == witness.email and is_stated_by(kept.header, witness.keys)
    }
    for kept in accused.kept:
        header = kept.header
        mine = (header.sender, header.recipient) == (accused.email, witness.email)
        if mine and header.seen and header.seen not in witness.heads and header.seen not in signed:
            yield Contradiction(
                accused.email,
                None,
                accused.path,
                kept.seq,
                f"{accused.email} says that it had seen the head {header.seen[:16]}… of {witness.email}, whose record "
                f"has it in none of its {len(witness.heads) - 1} entries, and shows nothing signed that says so",
            )
    for seq, peer, head in witness.claims:
        if peer == accused.email and head not in accused.heads:
            yield Contradiction(
                accused.email,
                None,
                witness.path,
                seq,
                f"{witness.email} recorded that it saw the head {head[:16]}… of {accused.email}, which is in none of "
                f"its {len(accused.heads) - 1} entries: entries were dropped or rewritten, or that is not so; no "
                f"signature was kept with it, and only the word of {witness.email} stands for it",
            )


def _signed(kept: Kept, accused: Evidence, witness: Evidence) -> Iterator[Contradiction]:
    header = kept.header
    if header.proof is None:
        return  # of a version that did not sign what it states: it proves nothing to others
    if not is_stated_by(header, accused.keys):
        yield Contradiction(
            witness.email,
            None,
            witness.path,
            kept.seq,
            f"It is said to be message {header.id} of {accused.email}, and is not signed by the keys of "
            f"{accused.email}",
        )
        return
    if header.audit and header.audit not in accused.heads:
        yield Contradiction(
            accused.email,
            accused.email,
            witness.path,
            kept.seq,
            f"{accused.email} signed in message {header.id} that the head of its record was {header.audit[:16]}…, "
            f"which is in none of the {len(accused.heads) - 1} entries of {accused.path}: entries were dropped or "
            "rewritten, or that copy is older than the message",
        )
    elif header.id not in accused.sent and not accused.hidden:
        yield Contradiction(
            accused.email,
            accused.email,
            witness.path,
            kept.seq,
            f"{accused.email} signed message {header.id}, and its record does not say that it was sent",
        )
    else:
        yield from _other_content(kept, accused, witness)


def _other_content(kept: Kept, accused: Evidence, witness: Evidence) -> Iterator[Contradiction]:
    """A response has the contents that the record of its sender shows. One with another was given in secret."""
    header = kept.header
    if header.kind != "response":
        return
    own_lines = [
        own
        for own in accused.kept
        if (own.header.kind, own.header.id, own.header.sender, own.header.answers)
        == (header.kind, header.id, header.sender, header.answers)
    ]
    if all(own.header.content != header.content for own in own_lines):
        for own in own_lines:
            yield Contradiction(
                accused.email,
                accused.email,
                witness.path,
                kept.seq,
                f"{accused.email} signed message {header.id} with the content {str(header.content)[:16]}…, and its "
                f"record shows it (entry {own.seq}) with {str(own.header.content)[:16]}…",
            )
