"""What a message states beside its content: signed for third persons, and held against one's own record."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doubles.channels import channel_of, identity_of

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.events import Event
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.envelope import read_envelope, stating, write_envelope
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

ALICE, BOB = "alice@a.example", "bob@b.example"
APP = "alice@a.example_study_1"
HEAD = "c" * 64


@pytest.fixture
def heard() -> list[Mapping[str, Any]]:
    return []


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    his = MemoryTransport(made, BOB)
    his.publish(IDENTITY_PATH, BytesContent(identity_of(BOB).public.to_bytes()), [ALICE])
    return made


@pytest.fixture
def alice(tmp_path: Path, store: MemoryStore, heard: list[Mapping[str, Any]]) -> Channel:
    def emit(event: Event) -> None:
        heard.append(event.facts())

    return channel_of(tmp_path, ALICE, MemoryTransport(store, ALICE), emit=emit, clock=lambda: 1.0)


@pytest.fixture
def write(alice: Channel) -> Callable[..., bytes]:
    """A message of Bob's to Alice, with what is changed in its header; ``stated`` is what it claims to hold."""

    def made(*, stated: bytes | None = b"body", **changes: Any) -> bytes:
        header = Header(
            kind="request",
            id="0b8c5d7e-3c1f-8a2b-9d4e-5f6a7b8c9d0e",
            app=APP,
            run="7",
            sender=BOB,
            recipient=ALICE,
            endpoint="messages",
            created=1.0,
            expires=2.0,
            audit=HEAD,
        )
        header = replace(header, **changes)
        header = header if stated is None else stating(header, stated)
        return write_envelope(header, b"body", identity_of(BOB), alice.account.identity.public)

    return made


def test_what_is_stated_is_opened_and_the_head_is_remembered(
    alice: Channel, write: Callable[..., bytes]
) -> None:
    assert alice.keys.unseal(read_envelope(write()), BOB) == b"body"
    assert alice.keys.seen_head(BOB) == HEAD


def test_a_message_that_holds_something_else_than_it_states_is_refused(
    alice: Channel, write: Callable[..., bytes]
) -> None:
    with pytest.raises(RefusedError, match="not the one that") as refused:
        alice.keys.unseal(read_envelope(write(stated=b"another body")), BOB)
    assert refused.value.reason == "signature"


def test_whoever_has_signed_what_it_states_goes_on_doing_so(
    alice: Channel, write: Callable[..., bytes]
) -> None:
    """Else a participant could deny some of its messages: those that it chose to sign only for their reader."""
    alice.keys.unseal(read_envelope(write(stated=None)), BOB)  # of an earlier version
    alice.keys.unseal(read_envelope(write()), BOB)
    with pytest.raises(RefusedError, match="as it did before"):
        alice.keys.unseal(read_envelope(write(stated=None)), BOB)


def test_a_head_of_ones_own_that_is_not_in_the_record_is_that_of_a_restored_home(
    alice: Channel, write: Callable[..., bytes], heard: list[Mapping[str, Any]]
) -> None:
    head = alice.account.audit.append([{"event": "run-started"}])
    alice.keys.unseal(read_envelope(write(seen=head)), BOB)
    assert [facts for facts in heard if facts["event"] == "home-restored"] == []
    for later in ("d" * 64, "e" * 64):
        alice.keys.unseal(read_envelope(write(seen=later)), BOB)
    (said,) = [facts for facts in heard if facts["event"] == "home-restored"]
    assert (said["peer"], said["head"]) == (BOB, "d" * 64)
    alice.audit.flush()
    assert [entry["event"] for entry in alice.account.audit.entries()].count("restored") == 1


def test_a_key_that_was_revoked_at_another_terminal_counts_at_once(
    alice: Channel, write: Callable[..., bytes]
) -> None:
    data = read_envelope(write())
    alice.keys.unseal(data, BOB)
    alice.account.roster.revoke(BOB)
    with pytest.raises(RefusedError) as refused:
        alice.keys.unseal(data, BOB)
    assert refused.value.reason == "key"
    with pytest.raises(TrustError, match="is revoked"):
        alice.keys.of(BOB)
