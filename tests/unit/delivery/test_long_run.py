"""A long run leaves no more in the store than a short one, and what was withdrawn is not executed again."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from doubles.channels import channel_of

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.outbox import Outbox
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.delivery.withdrawal import KEPT
from syft_flwr_cli.events import AnsweredBefore, Event
from syft_flwr_cli.protocol.body import Body, Stop
from syft_flwr_cli.security.sealing import content_digest
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport

APP, AGGREGATOR, OWNER, RUN = "study", "ds@lab.example", "do@a.example", "77"
LARGE = 20_000
SECRET = b"this update is of one owner only"


@dataclass
class World:
    """Two participants at one store in memory, each with a home."""

    place: Path
    store: MemoryStore = field(default_factory=MemoryStore)
    events: list[Event] = field(default_factory=list)

    def participant(self, email: str) -> Channel:
        transport = MemoryTransport(self.store, email)
        made = channel_of(self.place / email, email, transport, APP, emit=self.events.append)
        made.publish_identity([AGGREGATOR, OWNER])
        return made

    def files(self, email: str) -> dict[str, bytes]:
        """What a participant has in the store, but for its identity: paths and contents."""
        me = MemoryTransport(self.store, email)
        found = {}
        for path, _ in me.list_own():
            if "rpc" in path or "payloads" in path:
                with me.open(email, path) as stream:
                    found[path] = stream.read()
        return found

    def home(self, email: str) -> bytes:
        """Everything in a participant's home, but for the audit log."""
        return b"".join(
            path.read_bytes()
            for path in sorted((self.place / email).rglob("*"))
            if path.is_file() and path.name != "audit.jsonl"
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Federation:
    """Both sides at work, in one process; `again` starts them anew over what they have written down."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[str] = []
        self.server, self.owner = world.participant(AGGREGATOR), world.participant(OWNER)
        self.server.journal.begin_run(RUN, "aggregator", 1.0, {"datasites": [OWNER]}, {})
        self.start()

    def start(self) -> None:
        self.inbox = Inbox(self.owner, AGGREGATOR, self.execute)
        self.inbox.recover()
        self.outbox = Outbox(self.server, RUN, [OWNER])
        inbox = self.inbox
        self._thread = threading.Thread(target=inbox.serve, args=(lambda: bool(inbox.stopped),), daemon=True)
        self._thread.start()

    def execute(self, task: Task) -> TaskResult:
        self.calls.append(task.id)
        blob = len(self.calls).to_bytes(4) * (LARGE // 4)
        return TaskResult(SECRET, [("r", "a")], [blob], None, b"s")

    def round(self, number: int) -> None:
        blob = number.to_bytes(4) * (LARGE // 4)
        body = Body(type="train", group="", round=number, skeleton=b"")
        request = OutgoingRequest(OWNER, body, content_digest([blob]), {}, [("r", "a")], [blob], 120.0)
        (mid,) = self.outbox.push([request])
        reply = self.outbox.collect([mid], time.monotonic() + 60)[mid].body
        assert reply is not None and reply.error is None

    def again(self) -> None:
        self.end()
        self.start()

    def end(self) -> None:
        self.inbox.interrupt()
        self._thread.join(30)
        self.outbox.close()
        self.inbox.close()


@pytest.fixture
def run(world: World) -> Iterator[Federation]:
    made = Federation(world)
    yield made
    made.end()
    made.server.close()
    made.owner.close()


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_after_many_rounds_the_store_holds_the_newest_messages_only(world: World, run: Federation) -> None:
    most = 0
    for number in range(1, 121):
        run.round(number)
        most = max(most, len(world.files(AGGREGATOR)), len(world.files(OWNER)))
    # Up to twice as many as stay, the payloads that may still be needed, and what is on its way.
    assert most <= 2 * KEPT + 6
    assert len(run.calls) == 120
    lines = (world.place / OWNER / "tombstones.jsonl").read_bytes().splitlines()
    assert 120 - 2 * KEPT <= len(lines) <= 120 - KEPT
    assert max(map(len, lines)) < 600


@pytest.mark.slow
def test_what_an_earlier_process_left_is_withdrawn_by_the_next(world: World, run: Federation) -> None:
    rounds = 0
    for _ in range(4):
        for number in range(1, rounds + 2 * KEPT - 1):
            run.round(number)  # those that were answered before are answered from the journal
        rounds = number
        run.again()
    assert len(run.calls) == rounds > 3 * KEPT
    assert max(len(world.files(AGGREGATOR)), len(world.files(OWNER))) <= 2 * KEPT + 6


def test_a_withdrawn_response_is_not_given_again_though_journal_and_audit_log_are_lost(
    world: World, run: Federation
) -> None:
    run.round(1)
    (old,) = [(path, data) for path, data in world.files(AGGREGATOR).items() if path.endswith(".request")]
    for number in range(2, 3 * KEPT):
        run.round(number)
    assert old[0] not in world.files(AGGREGATOR)
    run.end()
    run.owner.close()
    for name in ("journal.sqlite3", "audit.jsonl"):
        (world.place / OWNER / name).rename(world.place / f"lost-{name}")
    world.store.put(AGGREGATOR, old[0], old[1], [OWNER])
    owner = world.participant(OWNER)
    before = list(run.calls)
    run.owner = owner
    run.start()
    until(lambda: any(isinstance(event, AnsweredBefore) for event in world.events))
    assert run.calls == before


def test_when_the_run_is_over_neither_journal_holds_an_update_or_a_key_to_one(
    world: World, run: Federation
) -> None:
    for number in range(1, 30):
        run.round(number)
    keys = [row.key for me in (run.server, run.owner) for row in me.journal.payloads()]
    assert keys and SECRET in world.home(AGGREGATOR), "while the run goes on a replay needs them"
    run.outbox.stop(OWNER, Body(type="system", stop=Stop("all is done")), 600.0)
    until(lambda: bool(run.inbox.stopped))
    run.server.journal.end_run(RUN, "finished", 9.0, "all is done", {})
    run.outbox.clear()
    run.end()
    for email in (AGGREGATOR, OWNER):
        left = world.home(email)
        assert SECRET not in left
        assert not [key for key in keys if key in left]
    for email in (AGGREGATOR, OWNER):
        db = sqlite3.connect(world.place / email / "journal.sqlite3")
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.close()
        assert pages < 40, "small again"
