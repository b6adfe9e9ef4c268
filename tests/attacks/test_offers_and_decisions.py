"""Offers, decisions and data sets by somebody who lies: over a store in memory, without any process."""

import hashlib
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from doubles.channels import channel_of, identity_of

from syft_flwr_cli.catalogue import record_store
from syft_flwr_cli.catalogue.bundle import unpack
from syft_flwr_cli.catalogue.datasets import DataSet, data_set_document, read_data_set
from syft_flwr_cli.catalogue.mailbox import Mailbox
from syft_flwr_cli.catalogue.payload import Payload
from syft_flwr_cli.catalogue.projects import Offer, ProjectDecision, decision_document, offer_document
from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.catalogue.records import APP, Kind, Record, record_bytes, record_id
from syft_flwr_cli.catalogue.rules import check_record
from syft_flwr_cli.consent.manifest import Entry, Manifest
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Event, MessageRejected
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.envelope import write_envelope
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

DS, DO, DO2, EVE = "ds@lab.example", "do1@a.example", "do2@b.example", "eve@e.example"
STUDY = f"{DS}_study_1"
ID = "5f0c2c5e-0d5c-4b43-9a3d-1f6a8b7f5d11"
OTHER_ID = "6f0c2c5e-0d5c-4b43-9a3d-1f6a8b7f5d12"
TREE = Payload(OTHER_ID, bytes(32), 100, bytes(32))


class World:
    """Participants at one store, all of whom have each other's keys."""

    def __init__(self, place: Path) -> None:
        self.store = MemoryStore()
        self.refused: list[str] = []
        self.boxes: dict[str, Mailbox] = {}
        for email in (DS, DO, DO2, EVE):
            transport = MemoryTransport(self.store, email)
            channel = channel_of(place / email, email, transport, APP, emit=self.emit, clock=lambda: 1e9)
            self.boxes[email] = Mailbox(
                channel,
                RecordStore(place / email / "federation", email),
                lambda sender, record, me=email: check_record(me, sender, record),
            )
            channel.publish_identity([DS, DO, DO2, EVE])

    def emit(self, event: Event) -> None:
        if isinstance(event, MessageRejected):
            self.refused.append(event.detail)

    def says(self, sender: str, recipient: str, record: Record, *, path_of: Record | None = None) -> None:
        """A record that ``sender`` signs and seals, past its own mailbox."""
        mid = record_id(sender, recipient, path_of or record)
        header = Header(
            kind="request",
            id=mid,
            app=APP,
            run="0",
            sender=sender,
            recipient=recipient,
            endpoint=record.kind,
            created=1.0,
            expires=1e11,
        )
        reader = identity_of(recipient).public
        data = write_envelope(header, record_bytes(record), identity_of(sender), reader)
        self.drop(sender, recipient, record.kind, mid, data)

    def drop(self, owner: str, recipient: str, kind: Kind, mid: str, data: bytes) -> None:
        path = names.request_path(owner, recipient, APP, mid, kind)
        MemoryTransport(self.store, owner).publish(path, BytesContent(data), [recipient])

    def taken(self, who: str, peer: str) -> list[Record]:
        return [received.record for received in self.boxes[who].collect([peer])]

    def close(self) -> None:
        for box in self.boxes.values():
            box.close()
            box.channel.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def offer(**other: Any) -> dict[str, Any]:
    made = Offer(ID, STUDY, "study", "1.0", 1, "a" * 64, "please", (DO, DO2), TREE)
    return {**offer_document(made), **other}


def record(kind: Kind, key: str, content: dict[str, Any], number: int = 1) -> Record:
    return Record(kind, key, number, 1.0, content)


@pytest.mark.parametrize(
    "name", ["study --approve", "study\u00a0x", "-study", "a&reboot", "$HOME", "~", "it's", "x;y", "study "]
)
def test_no_name_of_a_project_is_more_than_a_word_of_a_command(world: World, name: str) -> None:
    """What a person is told to type has it in it."""
    world.says(DS, DO, record("offer", STUDY, offer(project=name)))
    app = f"{DS}_{name}_1750000000"
    world.says(DS, DO, record("offer", app, offer(app_name=app)))
    assert world.taken(DO, DS) == []


@pytest.mark.parametrize("email", ["a&rm$ifs-rf$ifs~&b@x.example", "--approve@x.example", "-m@x.example"])
def test_no_e_mail_is_an_option_or_the_end_of_a_command(email: str) -> None:
    with pytest.raises(UsageError):
        names.check_email(email)


def test_of_a_file_no_more_is_read_than_its_first_line_announces(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    class Counted(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            found = super().read(size)
            read.append(len(found))
            return found

    opened = MemoryTransport.open
    monkeypatch.setattr(MemoryTransport, "open", lambda *words: Counted(opened(*words).read()))
    for _ in range(20):
        world.drop(DS, DO, "offer", str(uuid.uuid4()), b"{" * (1 << 20))
    assert world.taken(DO, DS) == []
    assert sum(read) < 20 * 8192 + (1 << 15), read


def test_an_offer_of_the_one_who_leads_is_taken(world: World) -> None:
    world.says(DS, DO, record("offer", STUDY, offer()))
    assert [one.key for one in world.taken(DO, DS)] == [STUDY]


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (STUDY, offer()),
        (f"{EVE}_study_1", offer(app_name=STUDY)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", project=STUDY)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", datasites=[DO2])),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", project="../../x")),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", project="study\x1b[2J")),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", digest="../../../x")),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", digest="A" * 64)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", datasites=[DO] * 5001)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", datasites=["DO1@A.example", DO])),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", message="x" * 4001)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", revision=-1)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", revision=True)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", withdrawn=1)),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", tree={**offer()["tree"], "size": 1 << 40})),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", tree={**offer()["tree"], "id": "../x"})),
        (f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1", tree=None)),
    ],
    ids=[
        "of another's app",
        "filed under its own",
        "called like another's app",
        "not to this owner",
        "name that leaves",
        "name with an escape",
        "digest that leaves",
        "digest in capitals",
        "too many owners",
        "owner in capitals",
        "long message",
        "negative revision",
        "revision true",
        "withdrawn 1",
        "huge tree",
        "tree that leaves",
        "no tree",
    ],
)
def test_an_offer_that_lies_is_not_kept(world: World, key: str, content: dict[str, Any]) -> None:
    world.says(EVE, DO, record("offer", key, content))
    assert world.taken(DO, EVE) == [] and len(world.refused) == 1
    assert list(world.boxes[DO].store.received()) == []


def test_an_older_revision_that_is_put_back_is_not_taken(world: World) -> None:
    old, new = record("offer", STUDY, offer(), 5), record("offer", STUDY, offer(revision=2, id=OTHER_ID), 6)
    world.says(DS, DO, new)
    assert len(world.taken(DO, DS)) == 1
    world.says(DS, DO, old)
    world.says(DS, DO, record("offer", STUDY, offer(revision=9), 6), path_of=new)
    assert world.taken(DO, DS) == []
    (kept,) = world.boxes[DO].store.received("offer")
    assert kept.record.content["id"] == OTHER_ID


def test_a_record_to_another_owner_is_nothing_to_this_one(world: World) -> None:
    sent = record("offer", STUDY, offer())
    world.says(DS, DO2, sent)
    (path,) = [path for path, _ in MemoryTransport(world.store, DS).list_own() if path.endswith(".request")]
    with MemoryTransport(world.store, DO2).open(DS, path) as stream:
        data = stream.read()
    for mid in (record_id(DS, DO2, sent), record_id(DS, DO, sent)):
        world.drop(DS, DO, "offer", mid, data)
    assert world.taken(DO, DS) == [] and len(world.refused) == 2


def test_a_record_in_anothers_space_is_nothing(world: World) -> None:
    sent = record("offer", f"{EVE}_x_1", offer(app_name=f"{EVE}_x_1"))
    world.says(EVE, DO, sent)
    (path,) = [path for path, _ in MemoryTransport(world.store, EVE).list_own() if path.endswith(".request")]
    with MemoryTransport(world.store, DO).open(EVE, path) as stream:
        data = stream.read()
    world.drop(DS, DO, "offer", record_id(EVE, DO, sent), data)
    world.drop(DS, DO, "offer", record_id(DS, DO, sent), data)
    assert world.taken(DO, DS) == [] and len(world.refused) == 2


def decision(app: str = STUDY, choice: str = "approve", **other: Any) -> dict[str, Any]:
    return {**decision_document(ProjectDecision(ID, app, "a" * 64, "approve")), "decision": choice, **other}


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (f"{EVE}_x_1", decision(f"{EVE}_x_1")),
        (STUDY, decision(f"{DS}_other_1")),
        (STUDY, decision(choice="approve ")),
        (STUDY, decision(until=float("1e300"))),
        (STUDY, decision(until="never")),
        (STUDY, decision(offer="not an id")),
        (STUDY, decision(message="x" * 4001)),
        (STUDY, decision(message="\ud800")),
    ],
)
def test_a_decision_that_makes_no_sense_is_not_kept(world: World, key: str, content: dict[str, Any]) -> None:
    try:
        world.says(EVE, DS, record("decision", key, content))
    except UnicodeEncodeError:
        return  # it cannot even be written
    assert world.taken(DS, EVE) == [] and len(world.refused) == 1


def test_a_decision_of_one_owner_cannot_be_shown_as_another_owners(world: World) -> None:
    reject = record("decision", STUDY, decision(choice="reject"))
    world.says(DO, DS, reject)
    (path,) = [path for path, _ in MemoryTransport(world.store, DO).list_own() if path.endswith(".request")]
    with MemoryTransport(world.store, DS).open(DO, path) as stream:
        data = stream.read()
    world.drop(DO2, DS, "decision", record_id(DO2, DS, reject), data)
    world.drop(DO2, DS, "decision", record_id(DO, DS, reject), data)
    assert world.taken(DS, DO2) == []
    assert [one.content["decision"] for one in world.taken(DS, DO)] == ["reject"]


def test_an_approval_that_was_taken_back_does_not_come_back(world: World) -> None:
    yes, no = (
        record("decision", STUDY, decision(), 1),
        record("decision", STUDY, decision(choice="reject"), 2),
    )
    for sent in (yes, no):
        world.says(DO, DS, sent)
        world.taken(DS, DO)
    world.says(DO, DS, yes)
    assert world.taken(DS, DO) == []
    (kept,) = world.boxes[DS].store.received("decision")
    assert kept.record.content["decision"] == "reject"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../x"},
        {"name": "X"},
        {"description": "x" * 70_000},
        {"files": -1},
        {"bytes": 1.5},
        {"schema": {"fields": [{"name": "x" * 201}]}},
        {"schema": {"fields": [{"name": "x"}] * 5001}},
        {"schema": {"fields": [{"name": 3}]}},
        {"mock": {"id": OTHER_ID, "key": "AA==", "size": 1, "digest": "AA=="}},
        {"withdrawn": "yes"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_description_of_data_that_makes_no_sense_is_not_kept(world: World, change: dict[str, Any]) -> None:
    content = {**data_set_document(DataSet("heart", "A", (), 1, 1)), **change}
    with pytest.raises(RefusedError):
        read_data_set(content)
    world.says(DO, DS, record("dataset", str(content["name"]), content))
    assert world.taken(DS, DO) == []


def test_a_trusted_peer_cannot_fill_the_disk_with_records(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_store, "MAX_KEPT", 5)
    for number in range(9):
        content = data_set_document(DataSet(f"d{number}", "A", (), 1, 1))
        world.says(DO, DS, record("dataset", f"d{number}", content))
    assert len(world.taken(DS, DO)) == 5
    assert len(world.refused) == 4 and "no more are taken" in world.refused[0]
    # What is known is still renewed, and others are not touched by it.
    (first, *_) = sorted(one.record.key for one in world.boxes[DS].store.received("dataset", DO))
    world.says(DO, DS, record("dataset", first, data_set_document(DataSet(first, "B", (), 1, 1)), 2))
    assert len(world.taken(DS, DO)) == 1
    world.says(DO2, DS, record("dataset", "mine", data_set_document(DataSet("mine", "B", (), 1, 1))))
    assert len(world.taken(DS, DO2)) == 1


def test_the_bytes_of_a_peers_records_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_store, "MAX_KEPT_BYTES", 10_000)
    for number in range(4):
        content = data_set_document(DataSet(f"d{number}", "A" * 4000, (), 1, 1))
        world.says(DO, DS, record("dataset", f"d{number}", content))
    assert len(world.taken(DS, DO)) == 2 and len(world.refused) == 2


def test_a_notice_of_leaving_is_one(world: World) -> None:
    for key in ("a", "b"):
        world.says(DO, DS, record("leave", key, {"reason": "", "left": True}))
    assert world.taken(DS, DO) == []


@pytest.mark.parametrize(
    "files",
    [
        [("../x", b"")],
        [("/etc/x", b"")],
        [("a/../../x", b"")],
        [("a//x", b"")],
        [("x", b"1"), ("x", b"2")],
        [("b", b""), ("a", b"")],
        [("a", b""), ("a/b", b"")],
        [("A/x", b""), ("a/y", b"")],
        [(".git/hooks/post-checkout", b"")],
        [("__pycache__/x.pyc", b"")],
        [(".venv/bin/python", b"")],
        [("sitecustomize.py", b"")],
        [("a\\b", b"")],
        [("x.egg-info/entry_points.txt", b"")],
    ],
    ids=lambda files: " ".join(path for path, _ in files),
)
def test_no_bundle_leaves_its_folder_or_hides(tmp_path: Path, files: list[tuple[str, bytes]]) -> None:
    lines = "".join(f"100644 {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in files)
    head = b"syft-flwr bundle 1 %d\n" % len(lines)
    data = head + lines.encode() + b"".join(content for _, content in files)
    entries = [Entry(path, "100644", len(data), hashlib.sha256(data).hexdigest()) for path, data in files]
    with pytest.raises(RefusedError) as caught:
        unpack(memoryview(data), Manifest(tuple(entries)).digest, tmp_path / "in" / "out")
    assert caught.value.reason == "garbage"
    assert list(tmp_path.rglob("*")) in ([], [tmp_path / "in"])
