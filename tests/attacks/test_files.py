"""Attacks by files alone, on a real folder: floods, files that are larger than they say, and files that change later.

Both sides run in this process, so that each attack is made at the moment that matters and nothing is waited for.
"""

import os
import time
import uuid
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from doubles.channels import channel_of

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.folder_reader import BATCH
from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.outbox import Outbox, Reply
from syft_flwr_cli.delivery.payload_fetch import fetch_payload
from syft_flwr_cli.delivery.quarantine import MAX_REFUSED
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, PayloadRef
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.sealing import SealedPayload, content_digest, open_payload
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import FileInfo, Watch
from syft_flwr_cli.transports.folder.transport import FolderTransport

APP, AGGREGATOR, OWNER, RUN = "study", "ds@lab.example", "do@a.example", "77"
FLOOD, FLOODS = 640, 60_000
SPARSE = 64 << 30
CONTENT = b"a model" * 20_000


class Pair:
    """An aggregator and a data owner at one folder."""

    def __init__(self, place: Path) -> None:
        self.root = place / "root"
        self.root.mkdir()
        self.executed: list[str] = []
        self.server, self.owner = self._channel(place, AGGREGATOR), self._channel(place, OWNER)
        self.server.journal.begin_run(RUN, "aggregator", 1.0, {"datasites": [OWNER]}, {})
        self.inbox = Inbox(self.owner, AGGREGATOR, self._execute)
        self.inbox.recover()
        self.outbox = Outbox(self.server, RUN, [OWNER])
        self.requests = self.root / AGGREGATOR / names.rpc_folder(AGGREGATOR, OWNER, APP)

    def _channel(self, place: Path, email: str) -> Channel:
        made = channel_of(place / email, email, FolderTransport(self.root, email, 0.05, events=False), APP)
        made.publish_identity([AGGREGATOR, OWNER])
        return made

    def _execute(self, task: Task) -> TaskResult:
        self.executed.append(task.id)
        return TaskResult(b"bones", [("r", "a")], [CONTENT], None, b"s")

    def ask(self) -> str:
        body = Body(type="train", group="", round=1, skeleton=b"")
        (mid,) = self.outbox.push([OutgoingRequest(OWNER, body, b"d" * 32, {}, [], [], 120.0)])
        return mid

    def answer(self, mid: str) -> Reply:
        """Let the data owner work until its answer is here."""
        deadline = time.monotonic() + 60
        while True:
            self.inbox.step()
            if mid in (got := self.outbox.collect([mid], time.monotonic() + 0.05)):
                return got[mid]
            assert time.monotonic() < deadline

    def close(self) -> None:
        self.outbox.close()
        self.inbox.close()
        self.server.close()
        self.owner.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


def flood(folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(number):
        (folder / f"{uuid.uuid4()}.request").write_bytes(b"{}\n")


def test_a_flood_of_files_before_and_after_a_request_does_not_delay_it(pair: Pair) -> None:
    flood(pair.requests, FLOOD)
    mid = pair.ask()
    flood(pair.requests, FLOOD)
    steps = 0
    while not pair.executed:
        assert steps < FLOOD // 32, "a genuine request had to wait for all of the flood"
        pair.inbox.step()
        steps += 1
    assert pair.executed == [mid]
    assert pair.answer(mid).body is not None


class FloodedWatch:
    """A watch whose first look that finds something finds the flood around it."""

    def __init__(self, inner: Watch, before: list[FileInfo], behind: list[FileInfo]) -> None:
        self._inner, self._before, self._behind = inner, before, behind

    def new(self) -> list[FileInfo]:
        found = list(self._inner.new())
        if not found:
            return []
        before, behind, self._before, self._behind = self._before, self._behind, [], []
        return [*before, *found, *behind]

    def close(self) -> None:
        self._inner.close()


class Flooded(MemoryTransport):
    """A data owner's store in which somebody drops as many small files as he likes among the requests."""

    def __init__(self, store: MemoryStore, before: int, behind: int) -> None:
        super().__init__(store, OWNER)
        self.opened = 0
        self._flood = [
            [FileInfo(f"{uuid.uuid4()}.request", 3, 1.0) for _ in range(number)]
            for number in (before, behind)
        ]
        self._dropped = {file.name for part in self._flood for file in part}

    def watch(self, owner: str, folder: str) -> Watch:
        return FloodedWatch(super().watch(owner, folder), *self._flood)

    def open(self, owner: str, path: str) -> BinaryIO:
        self.opened += 1
        return BytesIO(b"{}\n") if path.rpartition("/")[2] in self._dropped else super().open(owner, path)


@pytest.mark.parametrize(
    ("before", "behind"),
    [(0, FLOODS), (FLOODS, 0), (FLOOD, FLOOD)],
    ids=["behind it", "before it", "around it"],
)
def test_small_files_without_number_delay_a_request_by_bounded_work(
    tmp_path: Path, before: int, behind: int
) -> None:
    """Counted, not timed: what is opened and written down before the genuine request is given to be executed."""
    store = MemoryStore()
    theirs, mine = Flooded(store, before, behind), MemoryTransport(store, AGGREGATOR)
    owner = channel_of(tmp_path / OWNER, OWNER, theirs, APP)
    server = channel_of(tmp_path / AGGREGATOR, AGGREGATOR, mine, APP)
    for channel in (owner, server):
        channel.publish_identity([AGGREGATOR, OWNER])
    outbox = Outbox(server, RUN, [OWNER])
    (mid,) = outbox.push([OutgoingRequest(OWNER, Body(type="train"), bytes(32), response_timeout=600.0)])
    executed: list[str] = []

    def execute(task: Task) -> TaskResult:
        executed.append(task.id)
        return TaskResult(b"s")

    inbox = Inbox(owner, AGGREGATOR, execute)
    inbox.recover()
    steps = 0
    while not executed:
        inbox.step()
        steps += 1
        # Behind or before a flood of any size it is in the first batch; amid one, at most all of that comes first.
        most = 4 if 0 in (before, behind) else (before + behind) // BATCH + 2
        assert steps <= most, "a genuine request had to wait for more than it may"
    assert executed == [mid] and theirs.opened <= most * BATCH + 8
    assert len(owner.journal.refused()) <= min(before + behind, MAX_REFUSED) + 1, "no write for every file"
    for one in (outbox, inbox, server, owner):
        one.close()


@pytest.mark.parametrize("there", ["larger", "smaller"])
def test_of_a_payload_of_another_size_than_announced_nothing_is_copied(
    pair: Pair, tmp_path: Path, there: str
) -> None:
    ref = PayloadRef(str(uuid.uuid4()), "direct", os.urandom(32), len(CONTENT), content_digest([CONTENT]))
    path = names.direct_payload_path(OWNER, AGGREGATOR, APP, ref.id)
    mine = FolderTransport(pair.root, OWNER, events=False)
    mine.publish(path, SealedPayload(ref.key, [CONTENT]), (AGGREGATOR,))
    (file,) = pair.root.rglob(f"{ref.id}.payload")
    os.truncate(file, SPARSE if there == "larger" else file.stat().st_size - 1)
    copy = tmp_path / "copies" / "one.payload"
    with pytest.raises(RefusedError) as caught:
        fetch_payload(FolderTransport(pair.root, AGGREGATOR, events=False), OWNER, path, ref, copy)
    assert caught.value.reason == "damaged"
    assert not list(copy.parent.iterdir())


def test_a_payload_that_is_overwritten_in_place_after_it_was_verified_changes_nothing(pair: Pair) -> None:
    mid = pair.ask()
    reply = pair.answer(mid)
    assert reply.body is not None
    (ref,) = reply.body.payloads
    for file in pair.root.rglob("*.payload"):
        with file.open("r+b") as stream:
            stream.write(bytes(file.stat().st_size))
    out = bytearray(ref.size)
    with pair.outbox.store_path(OWNER, ref.id).open("rb") as stored:
        open_payload(stored, ref.key, ref.size, ref.digest, memoryview(out))
    assert bytes(out) == CONTENT
