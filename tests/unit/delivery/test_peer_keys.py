"""What a participant does about peers' keys and about what it refuses, on a store in memory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from doubles.channels import channel_of, identity_of

from syft_flwr_cli.audit.log import verify
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.quarantine import MAX_REFUSED
from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.events import Event
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

ALICE, BOB = "alice@a.example", "bob@b.example"


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
def alice(tmp_path: Path, store: MemoryStore, heard: Heard) -> Channel:
    transport = MemoryTransport(store, ALICE)
    return channel_of(tmp_path, ALICE, transport, emit=heard, clock=lambda: 1_750_000_000.0)


@pytest.fixture
def shown(store: MemoryStore) -> Callable[[bytes], None]:
    """What Bob shows as his key from now on."""
    his = MemoryTransport(store, BOB)
    return lambda document: his.publish(IDENTITY_PATH, BytesContent(document), [ALICE])


def test_a_peer_without_a_key_is_nobody_yet(alice: Channel) -> None:
    assert alice.keys.of(BOB) is None


def test_first_contact_is_said_once_and_recorded(
    alice: Channel, shown: Callable[[bytes], None], heard: Heard
) -> None:
    shown(identity_of(BOB).public.to_bytes())
    for _ in range(3):
        assert alice.keys.of(BOB, again=True) == identity_of(BOB).public
    assert [facts["words"] for facts in heard.of("pinned")] == [identity_of(BOB).public.words]
    alice.audit.flush()
    assert [e["event"] for e in alice.account.audit.entries()].count("pinned") == 1


def test_many_first_contacts_are_one_event_without_words_and_each_is_recorded(
    alice: Channel, store: MemoryStore, heard: Heard
) -> None:
    peers = [f"do{number}@a.example" for number in range(7)]
    for peer in peers[:6]:
        document = BytesContent(identity_of(peer).public.to_bytes())
        MemoryTransport(store, peer).publish(IDENTITY_PATH, document, [ALICE])
    forged = BytesContent(identity_of(peers[0]).public.to_bytes())
    MemoryTransport(store, peers[6]).publish(IDENTITY_PATH, forged, [ALICE])
    for _ in range(2):
        alice.keys.meet(peers)
    told = heard.of("many-pinned")
    assert [facts["peers"] for facts in told] == [tuple(peers[:6])] and not heard.of("pinned")
    assert told[0]["fingerprints"][0] == identity_of(peers[0]).public.fingerprint
    assert all(alice.keys.of(peer) == identity_of(peer).public for peer in peers[:6])
    assert alice.keys.of(peers[6]) is None, "the document of another is nobody's"
    alice.audit.flush()
    recorded = [entry for entry in alice.account.audit.entries() if entry["event"] == "pinned"]
    assert [entry["peer"] for entry in recorded] == peers[:6]


def test_the_document_of_another_is_refused_and_waited_over(
    alice: Channel, shown: Callable[[bytes], None], heard: Heard
) -> None:
    shown(identity_of("carol@c.example").public.to_bytes())
    assert alice.keys.of(BOB) is None
    assert heard.of("refused")[0]["detail"] == f"the identity document of {BOB} names carol@c.example"
    shown(identity_of(BOB).public.to_bytes())
    assert alice.keys.of(BOB) == identity_of(BOB).public


def test_a_changed_key_is_an_error_and_the_known_one_goes_on_to_count(
    alice: Channel, shown: Callable[[bytes], None], heard: Heard
) -> None:
    shown(identity_of(BOB).public.to_bytes())
    alice.keys.of(BOB)
    shown(identity_of(BOB, "other").public.to_bytes())
    with pytest.raises(TrustError, match="has changed: pinned on 2025-06-15 15:06 UTC was"):
        alice.keys.of(BOB, again=True)
    assert alice.keys.of(BOB) == identity_of(BOB).public
    (facts,) = heard.of("refused")
    assert facts["reason"] == "key" and "syft-flwr keys trust" in facts["hint"]


def test_the_same_file_is_refused_aloud_once_and_counted_each_time(alice: Channel, heard: Heard) -> None:
    for _ in range(5):
        alice.quarantine.refuse(BOB, "a/b.request", b"noise", RefusedError("garbage", "It is noise."))
    alice.quarantine.refuse(BOB, "a/b.request", b"other noise", RefusedError("garbage", "It is noise."))
    assert len(heard.of("refused")) == 2
    assert sorted(one["times"] for one in alice.journal.refused()) == [1, 5]
    alice.audit.flush()
    assert [e["event"] for e in alice.account.audit.entries()].count("refused") == 2


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\u202e", "\udcff", "b\\n", "é"])
def test_names_are_told_in_plain_letters(alice: Channel, heard: Heard, name: str) -> None:
    alice.quarantine.refuse_name(BOB, f"folder/{name}.request")
    (facts,) = heard.of("refused")
    for text in (facts["path"], facts["detail"]):
        assert text.isascii() and text.isprintable()
    assert alice.journal.refused()[0]["path"] == facts["path"]


def test_a_sentence_that_no_database_takes_is_spelled_out(alice: Channel) -> None:
    alice.quarantine.refuse(BOB, "a", b"", RefusedError("garbage", "It says \ud800."))
    assert alice.journal.refused()[0]["sentence"] == "It says \\ud800."


def test_a_flood_is_counted_and_does_not_fill_the_disk(
    alice: Channel, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syft_flwr_cli.delivery.quarantine.MAX_REFUSED", 10)
    for number in range(200):
        alice.quarantine.refuse(
            BOB, f"{number}.request", b"%d" % number, RefusedError("garbage", "It is noise.")
        )
    alice.quarantine.refuse("carol@c.example", "0.request", b"", RefusedError("garbage", "It is noise."))
    alice.quarantine.flush()
    alice.audit.flush()
    told = [(facts["peer"], facts["path"]) for facts in heard.of("refused")]
    assert told == [
        *((BOB, f"{number}.request") for number in range(10)),
        (BOB, "(more)"),
        ("carol@c.example", "0.request"),
    ]
    assert {one["path"]: one["times"] for one in alice.journal.refused()}["(more)"] == 190
    assert verify(alice.account.audit.path, alice.account.identity.public).entries < 20
    assert MAX_REFUSED == 1000
