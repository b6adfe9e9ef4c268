"""What a participant does about peers' keys and about what it refuses, on a store in memory."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.audit.log import AuditLog, verify
from syft_flwr_cli.delivery.participant import MAX_REFUSED, Participant
from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.events import Event
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

ALICE, BOB = "alice@a.example", "bob@b.example"


def identity(email: str, seed: str = "") -> Identity:
    return Identity.create(email, 1.0, hashlib.shake_256((email + seed).encode()).digest(SECRETS_SIZE))


class Heard(list[tuple[str, Mapping[str, Any]]]):
    """Everything that a participant told."""

    def __call__(self, event: Event) -> None:
        self.append((event.kind, event.facts()))

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [facts for name, facts in self if name == event]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def alice(tmp_path: Path, store: MemoryStore, heard: Heard) -> Participant:
    me = identity(ALICE)
    return Participant(
        email=ALICE,
        app="app",
        directory=tmp_path,
        identity=me,
        roster=Roster(tmp_path / "roster.json"),
        transport=MemoryTransport(store, ALICE),
        journal=Journal(tmp_path / "journal.sqlite3"),
        audit=AuditLog(tmp_path / "audit.jsonl", me),
        emit=heard,
        clock=lambda: 1_750_000_000.0,
    )


@pytest.fixture
def shown(store: MemoryStore) -> Callable[[bytes], None]:
    """What Bob shows as his key from now on."""
    his = MemoryTransport(store, BOB)
    return lambda document: his.publish(IDENTITY_PATH, BytesContent(document), [ALICE])


def test_a_peer_without_a_key_is_nobody_yet(alice: Participant) -> None:
    assert alice.peer(BOB) is None


def test_first_contact_is_said_once_and_recorded(
    alice: Participant, shown: Callable[[bytes], None], heard: Heard
) -> None:
    shown(identity(BOB).public.to_bytes())
    for _ in range(3):
        assert alice.peer(BOB, again=True) == identity(BOB).public
    assert [facts["words"] for facts in heard.of("pinned")] == [identity(BOB).public.words]
    alice.flush_audit()
    assert [e["event"] for e in alice.audit.entries()].count("pinned") == 1


def test_the_document_of_another_is_refused_and_waited_over(
    alice: Participant, shown: Callable[[bytes], None], heard: Heard
) -> None:
    shown(identity("carol@c.example").public.to_bytes())
    assert alice.peer(BOB) is None
    assert heard.of("refused")[0]["detail"] == f"the identity document of {BOB} names carol@c.example"
    shown(identity(BOB).public.to_bytes())
    assert alice.peer(BOB) == identity(BOB).public


def test_a_changed_key_is_an_error_and_the_known_one_goes_on_to_count(
    alice: Participant, shown: Callable[[bytes], None], heard: Heard
) -> None:
    shown(identity(BOB).public.to_bytes())
    alice.peer(BOB)
    shown(identity(BOB, "other").public.to_bytes())
    with pytest.raises(TrustError, match="has changed: pinned on 2025-06-15 15:06 UTC was"):
        alice.peer(BOB, again=True)
    assert alice.peer(BOB) == identity(BOB).public
    (facts,) = heard.of("refused")
    assert facts["reason"] == "key" and "syft-flwr keys trust" in facts["hint"]


def test_the_same_file_is_refused_aloud_once_and_counted_each_time(alice: Participant, heard: Heard) -> None:
    for _ in range(5):
        alice.refuse(BOB, "a/b.request", b"noise", RefusedError("garbage", "It is noise."))
    alice.refuse(BOB, "a/b.request", b"other noise", RefusedError("garbage", "It is noise."))
    assert len(heard.of("refused")) == 2
    assert sorted(one["times"] for one in alice.journal.refused()) == [1, 5]
    assert [e["event"] for e in alice.audit.entries()].count("refused") == 2


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\u202e", "\udcff", "b\\n", "é"])
def test_names_are_told_in_plain_letters(alice: Participant, heard: Heard, name: str) -> None:
    alice.refuse_name(BOB, f"folder/{name}.request")
    (facts,) = heard.of("refused")
    for text in (facts["path"], facts["detail"]):
        assert text.isascii() and text.isprintable()
    assert alice.journal.refused()[0]["path"] == facts["path"]


def test_a_sentence_that_no_database_takes_is_spelled_out(alice: Participant) -> None:
    alice.refuse(BOB, "a", b"", RefusedError("garbage", "It says \ud800."))
    assert alice.journal.refused()[0]["sentence"] == "It says \\ud800."


def test_a_flood_is_counted_and_does_not_fill_the_disk(
    alice: Participant, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syft_flwr_cli.delivery.participant.MAX_REFUSED", 10)
    for number in range(200):
        alice.refuse(BOB, f"{number}.request", b"%d" % number, RefusedError("garbage", "It is noise."))
    alice.refuse("carol@c.example", "0.request", b"", RefusedError("garbage", "It is noise."))
    told = [(facts["peer"], facts["path"]) for facts in heard.of("refused")]
    assert told == [
        *((BOB, f"{number}.request") for number in range(10)),
        (BOB, "(more)"),
        ("carol@c.example", "0.request"),
    ]
    assert {one["path"]: one["times"] for one in alice.journal.refused()}["(more)"] == 190
    assert verify(alice.audit.path, alice.identity.public).entries < 20
    assert MAX_REFUSED == 1000
