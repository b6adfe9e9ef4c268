"""Genuine messages that make no sense: signed and sealed by a participant that has turned bad, on both sides.

Both sides run in this process, at one store. What is dropped ends neither of them: what is no body is refused, a
stop signal ends its own run alone, an answer that cannot be used is an error of who gave it, and the next honest
request is executed and answered.
"""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.channels import channel_of
from forgery import header_of, sealed

from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.outbox import Outbox, Reply
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, Stop, encode_body
from syft_flwr_cli.security.envelope import read_envelope
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

APP, AGGREGATOR, OWNER, RUN = "study", "ds@lab.example", "do@a.example", "77"
MANY = tuple(str(uuid.UUID(int=number, version=4)) for number in range(10_000))


class World:
    """An aggregator and a data owner, each of whom can be played by a test that has its keys."""

    def __init__(self, place: Path) -> None:
        store = MemoryStore()
        self.server, self.owner = (
            channel_of(place / email, email, MemoryTransport(store, email), APP)
            for email in (AGGREGATOR, OWNER)
        )
        for channel in (self.server, self.owner):
            channel.publish_identity([AGGREGATOR, OWNER])
        self.executed: list[str] = []
        self.inbox = Inbox(self.owner, AGGREGATOR, self._execute)
        self.inbox.recover()
        self.outbox = Outbox(self.server, RUN, [OWNER])

    def _execute(self, task: Task) -> TaskResult:
        self.executed.append(task.id)
        return TaskResult(b"bones", state=b"s")

    def push(self) -> str:
        """An honest request."""
        (mid,) = self.outbox.push(
            [OutgoingRequest(OWNER, Body(type="train"), bytes(32), response_timeout=600.0)]
        )
        return mid

    def work(self) -> None:
        """Let the data owner do all that is there."""
        while self.inbox.step():
            pass

    def reply(self, mid: str) -> Reply:
        """The answer to a request, whoever gave it."""
        return self.outbox.collect([mid], time.monotonic() + 60)[mid]

    def goes_on(self) -> None:
        """The next honest request is executed and answered."""
        mid = self.push()
        self.work()
        body = self.reply(mid).body
        assert body is not None and body.error is None and self.executed[-1] == mid

    def ask(self, plaintext: bytes, **changes: object) -> str:
        """Drop a request with the aggregator's keys; its id."""
        mid = str(uuid.uuid4())
        folder = names.rpc_folder(AGGREGATOR, OWNER, APP)
        (path,) = [path for path, _ in self.server.transport.list_own(folder)][:1]
        with self.server.transport.open(AGGREGATOR, path) as stream:
            genuine = read_envelope(stream.read())
        header = header_of(genuine, id=mid, audit=None, seen=None, **changes)
        data = sealed(header, plaintext, self.server.account.identity, self.owner.account.identity.public)
        path = names.request_path(AGGREGATOR, OWNER, APP, mid)
        self.server.transport.publish(path, BytesContent(data), [OWNER])
        return mid

    def answer(self, mid: str, plaintext: bytes) -> None:
        """Answer a request with the data owner's keys, before the owner does."""
        with self.server.transport.open(AGGREGATOR, names.request_path(AGGREGATOR, OWNER, APP, mid)) as file:
            asked = read_envelope(file.read())
        header = header_of(
            asked,
            kind="response",
            sender=OWNER,
            recipient=AGGREGATOR,
            answers=asked.digest,
            audit=None,
            seen=None,
        )
        data = sealed(header, plaintext, self.owner.account.identity, self.server.account.identity.public)
        path = names.response_path(OWNER, AGGREGATOR, APP, mid)
        self.owner.transport.publish(path, BytesContent(data), [AGGREGATOR])

    def refused(self) -> list[str]:
        """The reasons for which the data owner refused something."""
        return [one["reason"] for one in self.owner.journal.refused()]

    def close(self) -> None:
        for one in (self.outbox, self.inbox, self.server, self.owner):
            one.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.goes_on()
    yield made
    made.close()


BODIES = {
    "bytes that are no body": b"\xff" * 64,
    "nothing": b"",
    "a length without end": b"\xff\xff\xff\xff{}",
    "a body of another kind": b"\0\0\0\x02[]",
}


@pytest.mark.parametrize("plaintext", BODIES.values(), ids=list(BODIES))
def test_a_genuine_request_with_a_body_that_makes_no_sense_is_refused(world: World, plaintext: bytes) -> None:
    before = len(world.executed)
    world.ask(plaintext)
    world.work()
    assert len(world.executed) == before and world.refused() == ["garbage"]
    world.goes_on()


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"run": "78"}, Body(type="system", stop=Stop("over"))),
        ({"run": "78", "created": 1.0, "expires": 4e9}, Body(type="system", stop=Stop(""))),
        ({"run": "78", "created": 3.9e9, "expires": 4e9}, Body(type="system", stop=Stop("from the future"))),
        ({"run": "0"}, Body(type="system", stop=Stop("\x1b[2J\n" * 400))),
        ({"run": "78"}, Body(type="train", skeleton=b"x", stop=Stop("and train"), acks=MANY)),
    ],
    ids=["of another run", "of long ago", "of the future", "with a long reason", "that is a request, too"],
)
def test_a_stop_signal_that_makes_no_sense_does_not_end_the_run(
    world: World, changes: dict[str, object], body: Body
) -> None:
    world.ask(encode_body(body), **changes)
    world.work()
    run = world.owner.journal.run(RUN)
    assert run is not None and run.ended is None
    world.goes_on()


def test_a_run_ends_once_and_nothing_of_it_is_executed_after_that(world: World) -> None:
    end = encode_body(Body(type="system", stop=Stop("over")))
    for _ in range(3):
        world.ask(end)
        world.work()
    assert [one.run for one in world.inbox.stopped] == [RUN]
    before = len(world.executed)
    world.ask(encode_body(Body(type="train")))
    world.work()
    assert len(world.executed) == before and "wrong-run" in world.refused()


@pytest.mark.parametrize(
    "body",
    [
        Body(type="train", acks=MANY),
        Body(type="train", open_runs=("1", RUN, "2")),
        Body(type="train", owners=10**9, round=10**9, group="g" * 1000),
        Body(type="evaluate", error=(3, "I am an error")),
        Body(type="train", code="f" * 64, run_config={"a." * 30: 1.5}),
    ],
    ids=[
        "acknowledging everything",
        "naming other runs",
        "with odd numbers",
        "that is an error",
        "with odd settings",
    ],
)
def test_a_request_that_says_odd_things_is_dealt_with_and_done(world: World, body: Body) -> None:
    world.ask(encode_body(body))
    world.work()
    world.goes_on()


@pytest.mark.parametrize(
    ("plaintext", "says"),
    [
        *((plaintext, "The answer cannot be read") for plaintext in BODIES.values()),
        (encode_body(Body(type="train", error=(1 << 31, "\x1b[2J"))), ""),
        (encode_body(Body(type="train", error=(-5, ""))), ""),
    ],
    ids=[*BODIES, "an error without a code that is one", "an error without a word"],
)
def test_an_answer_that_makes_no_sense_is_an_error_of_who_gave_it(
    world: World, plaintext: bytes, says: str
) -> None:
    mid = world.push()
    world.answer(mid, plaintext)
    body = world.reply(mid).body
    assert body is not None and body.error is not None and says in body.error[1]
    world.work()
    assert world.reply(mid).body == body, "and it stands, whatever comes after it"
    world.goes_on()


@pytest.mark.parametrize(
    "body",
    [
        Body(type="evaluate", skeleton=b"x"),
        Body(type="train", stop=Stop("I end it"), acks=MANY),
        Body(type="train", open_runs=("1", "2"), run_config={"lr": 1.0}, owners=3, code="0" * 64),
    ],
    ids=["of another type", "that ends a run", "that says what an aggregator says"],
)
def test_an_answer_that_says_what_is_not_its_to_say_ends_nothing(world: World, body: Body) -> None:
    mid = world.push()
    world.answer(mid, encode_body(body))
    assert world.reply(mid).body is not None
    world.work()
    assert world.server.journal.run(RUN) is None  # nobody began one here, and nothing ended it
    world.goes_on()
