"""A store that fails at any call, or does what it was asked and says that it did not: nothing is lost or doubled.

Outbox and inbox in one process, without Flower: what is sent is bytes, and the work is to count.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest
from doubles.channels import channel_of

from fault.waiting import until
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.outbox import Outbox
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.errors import DiskError, TransportError
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.protocol.states import Incoming
from syft_flwr_cli.security.sealing import content_digest
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.testing.faulty import Faulty
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.folder.transport import FolderTransport

APP, AGGREGATOR, OWNER = "study", "ds@lab.example", "do@a.example"
RUN = "77"
T = TypeVar("T")
LARGE = 100_000


@dataclass
class Table:
    """Two participants at one folder, and what they were told."""

    place: Path
    heard: list[str] = field(default_factory=list)
    made: list[Channel] = field(default_factory=list)

    def participant(
        self,
        email: str,
        around: Callable[[Transport], Transport] = lambda inner: inner,
        journal: Callable[[Path], Journal] = Journal,
        clock: Callable[[], float] = time.time,
    ) -> Channel:
        plain = FolderTransport(self.place / "root", email, 0.05)
        home = self.place / "homes" / email
        quiet = channel_of(home, email, plain)
        quiet.publish_identity([AGGREGATOR, OWNER])
        quiet.journal.close()
        made = channel_of(
            home,
            email,
            around(plain),
            emit=lambda event: self.heard.append(event.kind),
            journal=journal,
            clock=clock,
        )
        self.made.append(made)
        return made


@dataclass
class Counting:
    """Counts how often it was asked for what, and answers with something large."""

    calls: dict[str, int] = field(default_factory=dict)
    before: Callable[[Task], None] = lambda work: None

    def __call__(self, work: Task) -> TaskResult:
        self.calls[work.id] = self.calls.get(work.id, 0) + 1
        self.before(work)
        count = int(work.state or b"0") + 1
        blob = bytes([count]) * LARGE
        return TaskResult(b"", [("r", "a")], [blob], None, str(count).encode())


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    made = Table(tmp_path)
    yield made
    for channel in made.made:
        channel.close()


def draft(number: int, response_timeout: float = 60.0) -> OutgoingRequest:
    blob = bytes([number]) * LARGE
    body = Body(type="train", group="", round=number, skeleton=b"")
    return OutgoingRequest(OWNER, body, content_digest([blob]), {}, [("r", "a")], [blob], response_timeout)


def serve(inbox: Inbox, until_: Callable[[], bool]) -> threading.Thread:
    thread = threading.Thread(target=inbox.serve, args=(until_,), daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("seed", range(4))
def test_five_requests_through_a_store_that_fails_at_a_third_of_all_calls(table: Table, seed: int) -> None:
    def bad(inner: Transport) -> Transport:
        return Faulty(inner, seed, refused=0.2, unanswered=0.15)

    server, owner = table.participant(AGGREGATOR, bad), table.participant(OWNER, bad)
    work = Counting()
    inbox = with_patience(lambda: Inbox(owner, AGGREGATOR, work))
    with_patience(inbox.recover)
    done = threading.Event()
    thread = serve(inbox, done.is_set)
    server.transport.retry_timeout = 30.0
    outbox = Outbox(server, RUN, [OWNER])
    try:
        for number in range(1, 6):
            (mid,) = outbox.push([draft(number)])
            replies = outbox.collect([mid], time.monotonic() + 30)
            body = replies[mid].body
            assert body is not None and body.payloads[0].size == LARGE
    finally:
        done.set()
        inbox.interrupt()
        thread.join(20)
        outbox.close()
        inbox.close()
    assert list(work.calls.values()) == [1] * 5, "nothing is executed twice because it could not be published"
    states = [request.state for request in owner.journal.requests(RUN)]
    assert states == [Incoming.ACKNOWLEDGED] * 4 + [Incoming.DONE]
    assert owner.journal.state(RUN) == b"5"
    assert "store-fails" in table.heard


def with_patience(action: Callable[[], T]) -> T:
    """Do it again until the store lets it pass."""
    for _ in range(200):
        try:
            return action()
        except TransportError:
            continue
    raise AssertionError("the store never let it pass")


def test_work_that_cannot_be_written_down_is_kept_in_hand_until_it_can(table: Table) -> None:
    full = threading.Event()

    class Full(Journal):
        def finish(self, *arguments: object, **more: object) -> None:
            if full.is_set():
                raise DiskError("The disk is full.", hint="Free some space.")
            super().finish(*arguments, **more)  # type: ignore[arg-type]

    server, owner = table.participant(AGGREGATOR), table.participant(OWNER, journal=Full)
    work = Counting(before=lambda work: full.set())
    inbox = Inbox(owner, AGGREGATOR, work)
    outbox = Outbox(server, RUN, [OWNER])
    thread = serve(inbox, lambda: bool(inbox.stopped))
    try:
        (mid,) = outbox.push([draft(1)])
        until(lambda: table.heard.count("store-fails") >= 2, "two vain attempts")
        assert work.calls == {mid: 1}
        full.clear()
        assert outbox.collect([mid], time.monotonic() + 30)[mid].body is not None
        assert work.calls == {mid: 1}
    finally:
        inbox.interrupt()
        thread.join(20)
        outbox.close()
        inbox.close()


def test_a_request_that_waits_for_its_arrays_is_replaced_by_the_same_with_more_time(table: Table) -> None:
    clock, ahead = [time.time()], [0.0]
    server = table.participant(AGGREGATOR, clock=lambda: clock[0] + ahead[0])
    owner = table.participant(OWNER, clock=lambda: clock[0])
    work = Counting()
    outbox = Outbox(server, RUN, [OWNER])
    (mid,) = outbox.push([draft(1, response_timeout=5.0)])
    outbox.close()
    (payload,) = server.journal.payloads(RUN)
    away = table.place / "payload"
    (table.place / "root" / AGGREGATOR / payload.path).rename(away)
    inbox = Inbox(owner, AGGREGATOR, work)
    inbox.recover()
    assert not inbox.step(), "the arrays are on their way"
    # The server was down meanwhile, and asks again with time to answer; the first time is over then.
    ahead[0] = 4.0
    again = Outbox(server, RUN, [OWNER])
    assert again.push([draft(1, response_timeout=5.0)]) == [mid]
    clock[0] += 6
    away.rename(table.place / "root" / AGGREGATOR / payload.path)
    until(inbox.step, "the work")
    assert work.calls == {mid: 1}
    assert again.collect([mid], time.monotonic() + 30)[mid].body is not None
    again.close()
    inbox.close()


def test_what_somebody_removes_while_it_is_needed_is_put_there_again(table: Table) -> None:
    server, owner = table.participant(AGGREGATOR), table.participant(OWNER)
    outbox = Outbox(server, RUN, [OWNER], verify_interval=0.1)
    (mid,) = outbox.push([draft(1)])
    space = table.place / "root"
    (request,) = (space / AGGREGATOR).rglob("*.request")
    request.unlink()
    until(request.exists, "the request")
    outbox.close()
    inbox = Inbox(owner, AGGREGATOR, Counting(), verify_interval=0.1)
    until(inbox.step, "the work")
    (response,) = (space / OWNER).rglob("*.response")
    response.unlink()
    until(lambda: not inbox.step() and response.exists(), "the response")
    again = Outbox(server, RUN, [OWNER])
    again.push([draft(1)])
    assert again.collect([mid], time.monotonic() + 30)[mid].body is not None
    again.close()
    inbox.close()


def test_what_was_acknowledged_is_removed_before_the_next_work_begins(table: Table) -> None:
    server, owner = table.participant(AGGREGATOR), table.participant(OWNER)
    there: list[int] = []

    def look(work: Task) -> None:
        there.append(len(list((table.place / "root" / OWNER).rglob("*.payload"))))

    inbox = Inbox(owner, AGGREGATOR, Counting(before=look))
    outbox = Outbox(server, RUN, [OWNER])
    for number in range(1, 5):
        (mid,) = outbox.push([draft(number)])
        until(inbox.step, "the work")
        assert outbox.collect([mid], time.monotonic() + 30)[mid].body is not None
    # The newest answer's payload may be named again by the next.
    assert max(there) == 1
    outbox.close()
    inbox.close()


def test_requests_come_back_in_the_order_in_which_they_were_answered(table: Table) -> None:
    server = table.participant(AGGREGATOR)
    owners: Sequence[str] = [f"do{n}@a.example" for n in (1, 2, 3)]
    inboxes = []
    for email in owners:
        inboxes.append(Inbox(table.participant(email), AGGREGATOR, Counting()))
    outbox = Outbox(server, RUN, owners)
    ids = outbox.push([replace(draft(1), recipient=email) for email in owners])
    for index in (2, 0, 1):
        until(inboxes[index].step, "the work")
        until(lambda i=index: outbox.collect([ids[i]], time.monotonic()) != {}, "the answer")
    replies = outbox.collect(ids, time.monotonic())
    order = sorted(ids, key=lambda mid: replies[mid].sent.completion_order)
    assert order == [ids[2], ids[0], ids[1]]
    outbox.close()
    for inbox in inboxes:
        inbox.close()
