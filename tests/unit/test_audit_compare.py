"""Two records held against each other: who denies what it signed, or claims what nobody signed, is named."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from syft_flwr_cli.audit.compare import Contradiction, compare, read_evidence
from syft_flwr_cli.audit.log import AuditLog, BrokenLogError, verify
from syft_flwr_cli.audit.verify import export
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.suites import SUITE_NONE
from syft_flwr_cli.security.envelope import open_envelope, read_envelope, stating, write_envelope
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.services.record import check_record

RUN = "7"


@dataclass
class Person:
    """A participant with a record, who writes to others as the package does."""

    name: str
    folder: Path
    identity: Identity = field(init=False)
    log: AuditLog = field(init=False)
    seen: dict[str, str] = field(default_factory=dict)
    answered: int = 0

    def __post_init__(self) -> None:
        seed = hashlib.shake_256(self.name.encode()).digest(SECRETS_SIZE)
        self.identity = Identity.create(f"{self.name}@x.example", 1, seed)
        self.begin("record")

    @property
    def email(self) -> str:
        return self.identity.email

    @property
    def path(self) -> Path:
        return self.log.path

    def begin(self, name: str) -> None:
        """Begin a record; a second one is a second history."""
        self.log = AuditLog(self.folder / f"{self.name}-{name}.jsonl", self.identity, clock=lambda: 1000.0)
        self.log.append([{"event": "run-started", "run": RUN}])

    def message(self, to: "Person", number: int, *, content: str = "", **changes: object) -> bytes:
        """A message, sealed to nobody for the sake of the test; its first line is what counts."""
        body = f"body {number} {content}".encode()
        header = Header(
            kind="request",
            id=f"{number:08x}-0000-8000-8000-000000000000",
            app="app",
            run=RUN,
            sender=self.email,
            recipient=to.email,
            endpoint="messages",
            created=1000.0 + number,
            expires=5000.0,
            suite=SUITE_NONE,
            audit=self.log.head(),
            seen=self.seen.get(to.email),
        )
        header = replace(header, **changes)  # type: ignore[arg-type]
        return write_envelope(stating(header, body), body, self.identity, None)

    def sends(self, to: "Person", number: int, *, denies: bool = False, **changes: object) -> None:
        """Send it and record that, unless it is to be denied later; the recipient records it, too."""
        data = self.message(to, number, **changes)  # type: ignore[arg-type]
        line = read_envelope(data).line.decode().rstrip()
        if not denies:
            entry = {
                "event": "sent",
                "message": read_envelope(data).header.id,
                "peer": to.email,
                "header": line,
            }
            self.log.append([entry])
        to.receives(self, data)

    def receives(self, sender: "Person", data: bytes) -> None:
        envelope = read_envelope(data)
        open_envelope(envelope, self.identity, sender.identity.public, encryption=False)
        assert envelope.header.audit is not None
        self.seen[sender.email] = envelope.header.audit
        entry = {
            "event": "received",
            "message": envelope.header.id,
            "peer": sender.email,
            "peer_head": envelope.header.audit,
            "header": envelope.line.decode().rstrip(),
        }
        self.log.append([entry])


@pytest.fixture
def alice(tmp_path: Path) -> Person:
    return Person("alice", tmp_path)


@pytest.fixture
def bob(tmp_path: Path) -> Person:
    return Person("bob", tmp_path)


def exchange(alice: Person, bob: Person, rounds: int = 3) -> None:
    for number in range(rounds):
        alice.sends(bob, 2 * number)
        bob.sends(alice, 2 * number + 1)


def found(one: Person, other: Person) -> list[Contradiction]:
    return compare(read_evidence(one.path, None), read_evidence(other.path, None))


def test_records_of_people_who_did_what_they_say_agree(alice: Person, bob: Person) -> None:
    exchange(alice, bob)
    assert found(alice, bob) == found(bob, alice) == []
    checked = check_record(alice.path, alice.identity.public, [bob.path], keys={})
    assert (checked.peers[0].witnessed, checked.peers[0].unproven) == (3, 0)


@pytest.mark.parametrize("cut", ["own", "peer's"])
def test_a_cut_record_is_contradicted_by_its_owners_own_signature(
    alice: Person, bob: Person, cut: str
) -> None:
    exchange(alice, bob)
    cutter = alice if cut == "own" else bob
    lines = cutter.path.read_bytes().splitlines(keepends=True)
    cutter.path.write_bytes(b"".join(lines[:-3]))
    verify(cutter.path, cutter.identity.public)
    (first, *_) = found(alice, bob)
    assert (first.against, first.by) == (cutter.email, cutter.email)
    other = bob if cut == "own" else alice
    assert (first.path, first.entry > 0) == (other.path, True)
    with pytest.raises(BrokenLogError, match=f"by the signature of {cutter.email}") as caught:
        check_record(alice.path, alice.identity.public, [bob.path], keys={})
    assert caught.value.exit_code == 16 and f"Entry {first.entry} of " in caught.value.what


def test_a_second_history_is_contradicted_whoever_shows_it(alice: Person, bob: Person) -> None:
    exchange(alice, bob)
    bob.begin("second")
    (first, *_) = found(alice, bob)
    assert (first.against, first.by) == (bob.email, bob.email)
    assert "entries were dropped or rewritten" in first.text


def test_a_message_that_its_sender_denies_is_shown_by_its_signature(alice: Person, bob: Person) -> None:
    exchange(alice, bob)
    alice.sends(bob, 100, denies=True)
    (only,) = found(alice, bob)
    assert (only.against, only.by) == (alice.email, alice.email)
    assert "does not say that it was sent" in only.text


def test_an_answer_that_was_given_twice_is_shown_by_its_signature(alice: Person, bob: Person) -> None:
    alice.sends(bob, 1)
    bob.sends(alice, 1, kind="response", answers="ab" * 32)
    other = bob.message(alice, 1, kind="response", answers="ab" * 32, content="another")
    alice.receives(bob, other)
    contradictions = found(alice, bob)
    assert {(c.against, c.by) for c in contradictions} == {(bob.email, bob.email)}
    assert "with the content" in contradictions[0].text


def test_an_invented_head_falls_back_on_who_invented_it(alice: Person, bob: Person) -> None:
    """Honest Alice is not accused by it: Bob has nothing to show that she signed."""
    exchange(alice, bob)
    bob.seen[alice.email] = "f" * 64
    bob.sends(alice, 101)
    (only,) = found(alice, bob)
    assert (only.against, only.by) == (bob.email, None)
    assert "shows nothing signed that says so" in only.text


def test_an_invented_message_falls_back_on_who_invented_it(alice: Person, bob: Person) -> None:
    exchange(alice, bob)
    forged = json.loads(read_envelope(alice.message(bob, 200)).line)
    forged["audit"] = "e" * 64
    line = json.dumps(forged, separators=(",", ":"))
    bob.log.append([{"event": "received", "message": forged["id"], "peer": alice.email, "header": line}])
    (only,) = found(alice, bob)
    assert (only.against, only.by) == (bob.email, None)
    assert "is not signed by the keys of" in only.text


def test_a_third_person_settles_it_with_two_exports_and_the_keys(
    alice: Person, bob: Person, tmp_path: Path
) -> None:
    exchange(alice, bob)
    bob.begin("second")
    copies = []
    for person in (alice, bob):
        copies.append(tmp_path / f"{person.name}-export.jsonl")
        export(person.path, person.identity.public, copies[-1], None)
    keys = {person.email: person.identity.public for person in (alice, bob)}
    with pytest.raises(BrokenLogError, match=f"contradicts {bob.email}, by the signature of {bob.email}"):
        check_record(copies[0], None, [copies[1]], keys=keys)
    with pytest.raises(BrokenLogError, match=f"contradicts {bob.email}, by the signature of {bob.email}"):
        check_record(copies[1], None, [copies[0]], keys=keys)
    stranger = Identity.create(bob.email, 2, bytes(range(SECRETS_SIZE)))
    with pytest.raises(BrokenLogError, match="keys that are not those known"):
        check_record(copies[0], None, [copies[1]], keys={**keys, bob.email: stranger.public})
    with pytest.raises(UsageError, match=r"a record of alice@x\.example itself"):
        check_record(copies[0], None, [copies[0]], keys={})


@pytest.mark.parametrize("time", ["1e308", "-1", "253402300800000", "1e400", "true", "1" + "0" * 400])
def test_absurd_numbers_in_a_peers_record_are_a_broken_entry_and_nothing_worse(
    bob: Person, time: str, tmp_path: Path
) -> None:
    from syft_flwr_cli.audit import entry as entries

    def sign(data: bytes) -> bytes:
        return bob.identity.sign(data)

    lines = bob.path.read_bytes().splitlines(keepends=True)
    last = entries.parse_line(lines[-1])
    value = json.loads(time)
    if value == float("inf"):
        pytest.skip("no JSON writer writes it")
    line, _ = entries.make_line(last.seq + 1, {"event": "sent", "time": value}, "00", last.hash, sign)
    bob.path.write_bytes(b"".join([*lines, line]))
    with pytest.raises(BrokenLogError, match=r"Entry 3 of .*is none"):
        check_record(bob.path, None, [], keys={})
