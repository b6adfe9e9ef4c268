"""A home that was restored from an older state goes on: nothing stalls, and nothing is executed twice."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.channels import channel_of

from syft_flwr_cli.audit.compare import compare, read_evidence
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.outbox import Outbox
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.delivery.response_outbox import GONE
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.events import Event, MessagesForgotten
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.security.sealing import content_digest
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport

AGGREGATOR, OWNER, RUN = "ds@lab.example", "do@a.example", "77"


class World:
    """An aggregator and a data owner at one store, each of whom can be stopped, backed up and restored."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.store = MemoryStore()
        self.events: list[Event] = []
        self.calls: list[str] = []

    def channel(self, email: str) -> Channel:
        transport = MemoryTransport(self.store, email)
        made = channel_of(self.place / email, email, transport, emit=self.events.append)
        made.publish_identity([AGGREGATOR, OWNER])
        return made

    def backup(self, email: str) -> None:
        shutil.copytree(self.place / email, self.place / "backup" / email)

    def restore(self, email: str) -> None:
        shutil.rmtree(self.place / email)
        shutil.move(self.place / "backup" / email, self.place / email)

    def execute(self, task: Task) -> TaskResult:
        self.calls.append(task.id)
        return TaskResult(b"", [("r", "a")], [len(self.calls).to_bytes(4) * 25_000], None, b"s")

    def rounds(self, numbers: range, gone: tuple[int, ...] = ()) -> None:
        """Both sides at work, from the start of their processes to the end; of rounds ``gone`` an error comes."""
        server, owner = self.channel(AGGREGATOR), self.channel(OWNER)
        inbox, outbox = Inbox(owner, AGGREGATOR, self.execute), Outbox(server, RUN, [OWNER])
        inbox.recover()
        done = threading.Event()
        thread = threading.Thread(target=inbox.serve, args=(done.is_set,), daemon=True)
        thread.start()
        try:
            for number in numbers:
                blob = number.to_bytes(4) * 25_000
                body = Body(type="train", round=number)
                request = OutgoingRequest(OWNER, body, content_digest([blob]), {}, [("r", "a")], [blob], 60.0)
                (mid,) = outbox.push([request])
                reply = outbox.collect([mid], time.monotonic() + 60)[mid].body
                assert reply is not None and (reply.error is not None) == (number in gone), number
                assert reply.error is None or reply.error[1] == GONE
        finally:
            done.set()
            inbox.interrupt()
            thread.join(20)
            outbox.close()
            inbox.close()
            server.close()
            owner.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.rounds(range(1, 2))
    made.backup(AGGREGATOR)
    made.backup(OWNER)
    made.rounds(range(1, 3))
    assert len(made.calls) == 2
    made.events.clear()
    yield made


def test_an_aggregator_takes_the_answers_to_what_it_does_not_remember(world: World) -> None:
    world.restore(AGGREGATOR)
    world.rounds(range(1, 4))
    assert len(world.calls) == 3, "what was answered is answered from what lies in the store"
    assert any(isinstance(event, MessagesForgotten) for event in world.events)


def test_an_aggregator_is_told_that_what_it_had_acknowledged_is_gone(world: World) -> None:
    world.rounds(range(1, 6))
    world.restore(AGGREGATOR)
    # Rounds 2 to 4 were acknowledged with the requests after them; of round 5 the answer is still there.
    world.rounds(range(1, 7), gone=(2, 3, 4))
    assert len(world.calls) == 6, "and nothing is executed again"
    (server, owner) = (world.place / who / "audit.jsonl" for who in (AGGREGATOR, OWNER))
    accused = {one.against for one in compare(read_evidence(server, None), read_evidence(owner, None))}
    assert OWNER not in accused, "it has said openly that it answered twice"


def test_a_data_owner_executes_nothing_again(world: World) -> None:
    world.restore(OWNER)
    world.rounds(range(1, 4))
    assert len(world.calls) == len(set(world.calls)) == 3


def test_a_home_that_was_not_restored_says_nothing_of_it(world: World) -> None:
    world.rounds(range(1, 4))
    assert not [event for event in world.events if isinstance(event, MessagesForgotten)]
