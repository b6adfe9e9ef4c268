"""Records travel sealed and signed, are taken in once, and only the newest of each key holds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from doubles.channels import channel_of, identity_of

from syft_flwr_cli.catalogue.mailbox import Mailbox, payload_for
from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.catalogue.records import APP, Record, record_bytes, record_id
from syft_flwr_cli.events import Event, MessageRejected
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.envelope import write_envelope
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

DS, DO, EVE = "ds@lab.example", "do1@a.example", "eve@e.example"


class World:
    """Participants on one store in memory."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.store = MemoryStore()
        self.now = 1_750_000_000.0
        self.refused: list[str] = []

    def emit(self, event: Event) -> None:
        if isinstance(event, MessageRejected):
            self.refused.append(event.detail)

    def identity(self, email: str) -> Identity:
        return identity_of(email)

    def mailbox(
        self, email: str, check: Callable[[str, Record], None] = lambda sender, record: None
    ) -> Mailbox:
        directory = self.place / email
        directory.mkdir(exist_ok=True)
        transport = MemoryTransport(self.store, email)
        channel = channel_of(directory, email, transport, APP, emit=self.emit, clock=lambda: self.now)
        return Mailbox(channel, RecordStore(directory / "federation", email), check)

    def files(self, owner: str, kind: str) -> list[str]:
        return [
            path
            for path, _ in MemoryTransport(self.store, owner).list_own()
            if f"/{kind}/" in path and path.endswith(".request")
        ]

    def drop(
        self, sender: Identity, recipient: Mailbox, record: Record, *, under: str = "", **header: str
    ) -> None:
        """Put a record there that ``sender`` signs, as it pleases, into the space of ``under`` (the sender)."""
        owner = under or sender.email
        mid = header.pop("id", record_id(sender.email, recipient.channel.email, record))
        facts = {"app": APP, "endpoint": record.kind, "recipient": recipient.channel.email} | header
        head = Header(
            kind="request", id=mid, run="0", sender=sender.email, created=1.0, expires=1e11, **facts
        )
        data = write_envelope(head, record_bytes(record), sender, recipient.channel.account.identity.public)
        path = names.request_path(owner, recipient.channel.email, APP, mid, record.kind)
        MemoryTransport(self.store, owner).publish(path, BytesContent(data), [recipient.channel.email])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_record_waits_for_the_key_of_its_recipient_and_is_taken_in_once(world: World) -> None:
    ds, do = world.mailbox(DS), world.mailbox(DO)
    ds.put(DO, "offer", "study", {"n": 1})
    assert [sent.recipient for sent in ds.post().waiting] == [DO]
    do.channel.publish_identity([DS])
    ds.channel.publish_identity([DO])
    assert len(ds.post().sent) == 1
    assert ds.post().sent == []
    assert [received.record.content for received in do.collect([DS])] == [{"n": 1}]
    assert do.collect([DS]) == []
    assert world.mailbox(DO).collect([DS]) == []
    assert [received.record.content for received in do.store.received("offer")] == [{"n": 1}]


@pytest.fixture
def two(world: World) -> tuple[Mailbox, Mailbox]:
    ds, do = world.mailbox(DS), world.mailbox(DO)
    do.channel.publish_identity([DS])
    ds.channel.publish_identity([DO])
    return ds, do


def test_the_same_content_is_not_sent_again(two: tuple[Mailbox, Mailbox]) -> None:
    ds, _ = two
    first = ds.put(DO, "offer", "study", {"n": 1})
    ds.post()
    assert ds.put(DO, "offer", "study", {"n": 1}).record == first.record
    assert ds.post().sent == []


def test_a_later_record_overtakes_the_earlier_one_which_is_removed(
    two: tuple[Mailbox, Mailbox], world: World
) -> None:
    ds, do = two
    for number in (1, 2):
        ds.put(DO, "offer", "study", {"n": number})
        ds.post()
    assert len(world.files(DS, "offer")) == 1
    assert [received.record.content for received in do.collect([DS])] == [{"n": 2}]


def test_a_record_that_was_overtaken_counts_no_more_when_it_is_put_back(
    two: tuple[Mailbox, Mailbox], world: World
) -> None:
    ds, do = two
    ds.put(DO, "offer", "study", {"n": 1})
    ds.post()
    do.collect([DS])
    (path,) = world.files(DS, "offer")
    store = MemoryTransport(world.store, DS)
    with store.open(DS, path) as stream:
        old = stream.read()
    world.now += 1
    ds.put(DO, "offer", "study", {"n": 2})
    ds.post()
    do.collect([DS])
    store.publish(path, BytesContent(old), [DO])
    assert do.collect([DS]) == []
    assert any("overtaken" in sentence for sentence in world.refused)
    kept = do.store.received_from(DS, "offer", "study")
    assert kept is not None and kept.record.content == {"n": 2}


def test_what_a_crash_published_without_noting_it_is_published_again_without_effect(
    two: tuple[Mailbox, Mailbox], world: World
) -> None:
    ds, do = two
    sent = ds.put(DO, "offer", "study", {"n": 1})
    ds.post()
    do.collect([DS])
    for path in (world.place / DS / "federation" / "sent").rglob("*.json"):
        path.unlink()
    RecordStore(world.place / DS / "federation", DS).put(DO, "offer", "study", {"n": 1}, world.now)
    assert ds.post().sent[0].record == sent.record
    assert do.collect([DS]) == []
    assert world.refused == []


def test_only_the_sender_itself_speaks_for_it(two: tuple[Mailbox, Mailbox], world: World) -> None:
    _, do = two
    eve = world.identity(EVE)
    record = Record("offer", "study", 10, 1.0, {"n": 1})
    world.drop(eve, do, record, under=DS)
    impostor = Identity.create(DS, 1.0, b"\x07" * SECRETS_SIZE)
    world.drop(impostor, do, record)
    assert do.collect([DS]) == []
    assert len(world.refused) == 2


@pytest.mark.parametrize(
    "header",
    [{"app": "another"}, {"endpoint": "decision"}, {"id": "11111111-1111-4111-8111-111111111111"}],
)
def test_a_record_under_a_false_name_is_refused(
    header: dict[str, str], two: tuple[Mailbox, Mailbox], world: World
) -> None:
    ds, do = two
    world.drop(ds.channel.account.identity, do, Record("offer", "study", 10, 1.0, {"n": 1}), **header)
    assert do.collect([DS]) == []
    assert len(world.refused) == 1


def test_two_contents_under_one_number_are_refused(two: tuple[Mailbox, Mailbox], world: World) -> None:
    ds, do = two
    for n in (1, 2):
        world.drop(ds.channel.account.identity, do, Record("offer", "study", 10, 1.0, {"n": n}))
        do.collect([DS])
    assert len(world.refused) == 1
    kept = do.store.received_from(DS, "offer", "study")
    assert kept is not None and kept.record.content == {"n": 1}


def test_what_the_rules_of_its_kind_refuse_is_not_kept(world: World) -> None:
    def nothing(sender: str, record: Record) -> None:
        raise RefusedError("unexpected", "not wanted")

    ds, do = world.mailbox(DS), world.mailbox(DO, nothing)
    do.channel.publish_identity([DS])
    ds.channel.publish_identity([DO])
    ds.put(DO, "offer", "study", {"n": 1})
    ds.post()
    assert do.collect([DS]) == []
    assert list(do.store.received()) == []
    assert world.refused == ["not wanted"]


def test_garbage_and_odd_names_are_refused_and_change_nothing(
    two: tuple[Mailbox, Mailbox], world: World
) -> None:
    _, do = two
    folder = names.rpc_folder(DS, DO, APP, "offer")
    store = MemoryTransport(world.store, DS)
    store.publish(f"{folder}/evil.request", BytesContent(b"x"), [DO])
    store.publish(f"{folder}/11111111-1111-4111-8111-111111111111.request", BytesContent(b"x" * 100), [DO])
    assert do.collect([DS]) == []
    assert len(world.refused) == 2


def test_a_payload_is_read_by_all_who_know_its_key_and_no_further_than_promised(
    two: tuple[Mailbox, Mailbox], world: World
) -> None:
    ds, do = two
    payload = payload_for(b"content" * 1000)
    assert payload_for(b"content" * 1000, payload) == payload
    assert payload_for(b"other", payload).key != payload.key
    assert do.read_payload(DS, payload) is None
    for _ in range(2):
        ds.publish_payload(b"content" * 1000, payload, [DO])
    content = do.read_payload(DS, payload)
    assert content is not None and bytes(content) == b"content" * 1000
    path = names.payload_path(DS, APP, payload.id)
    MemoryTransport(world.store, DS).publish(path, BytesContent(bytes(1 << 20)), [DO])
    with pytest.raises(RefusedError):
        do.read_payload(DS, payload)
    MemoryTransport(world.store, DS).remove(path)
    assert do.read_payload(DS, payload) is None
