"""A call that has enough answers waits for the others only for its grace period: the rule, and fifty data owners."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles.channels import channel_of
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.aggregator.waiting import GracePeriod, grace_end
from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.errors import TooFewRepliesError
from syft_flwr_cli.events import Event, ReplyLate
from syft_flwr_cli.execution.inline_runner import InlineRunner
from syft_flwr_cli.execution.runner import AppSetup
from syft_flwr_cli.project.enough import Enough
from syft_flwr_cli.protocol import names
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport

AGGREGATOR, RUN = "ds@lab.example", 4711
OWNERS = [f"do{number:02}@a.example" for number in range(50)]
GONE = OWNERS[-3:]


@pytest.mark.parametrize(
    ("enough", "asked", "answered", "end"),
    [
        (Enough(2), 3, [5.0], None),
        (Enough(2), 3, [7.0, 5.0], 8.0),
        (Enough(2), 3, [9.0, 5.0, 7.0], 8.0),
        (Enough(5), 2, [5.0, 6.0], 7.0),
        (Enough(share=0.9), 50, [float(n) for n in range(44)], None),
        (Enough(share=0.9), 50, [float(n) for n in range(45)], 45.0),
    ],
)
def test_the_period_begins_with_the_answer_that_makes_it_enough(
    enough: Enough, asked: int, answered: list[float], end: float | None
) -> None:
    assert grace_end(enough, 1.0, asked, answered) == end


def test_without_a_grace_period_or_without_enough_all_are_waited_for() -> None:
    for enough, seconds in ((None, 1.0), (Enough(1), None)):
        period = GracePeriod(enough, seconds, lambda mid: True, lambda: 0.0)
        with period.call((1, "train"), ["a", "b"]) as end:
            assert end() is None


def test_an_error_is_not_one_of_the_answers_that_are_enough() -> None:
    usable: dict[str, bool] = {"a": True, "b": False}
    period = GracePeriod(Enough(2), 1.0, usable.get, lambda: 10.0)
    with period.call((1, "train"), ["a", "b", "c"]) as end:
        assert end() is None
        usable["c"] = True
        assert end() == 11.0


def test_calls_with_one_message_each_that_wait_together_are_judged_together() -> None:
    usable: dict[str, bool] = {}
    period = GracePeriod(Enough(2), 1.0, usable.get, lambda: 10.0)
    with (
        period.call((1, "fit"), ["a"]),
        period.call((1, "fit"), ["b"]),
        period.call((1, "fit"), ["c"]) as end,
    ):
        usable["a"] = True
        assert end() is None
        usable["b"] = True
        assert end() == 11.0
    with period.call((1, "fit"), ["d"]) as end:  # the app asks one after the other: nobody is late yet
        assert end() is None


class Federation:
    """A Grid, and fifty data owners of whom those answer who are awake."""

    def __init__(self, place: Path, heard: Callable[[Event], None], owners: list[str]) -> None:
        self.owners = owners
        self._store = MemoryStore()
        self.server = channel_of(
            place / "ds", AGGREGATOR, MemoryTransport(self._store, AGGREGATOR), emit=heard
        )
        self.server.publish_identity(owners)
        self.awake = [owner for owner in owners if owner not in GONE]
        self._channels = {
            owner: channel_of(place / owner, owner, MemoryTransport(self._store, owner)) for owner in owners
        }
        for channel in self._channels.values():
            channel.publish_identity([AGGREGATOR])
        self._inboxes = {owner: self._inbox(owner) for owner in owners}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _inbox(self, owner: str) -> Inbox:
        app = ClientApp()

        def answer(message: Message, context: Any) -> Message:
            return Message(message.content, reply_to=message)

        app.train()(answer)
        setup = AppSetup(project=Path(), clientapp="", app="study", node=names.node_id(owner))
        runner = InlineRunner(setup, app)

        def execute(task: Task) -> TaskResult:
            try:
                return runner(task)
            finally:
                TaskIdentity.run_id, TaskIdentity.node_id = RUN, 1

        return Inbox(self._channels[owner], AGGREGATOR, execute)

    def _serve(self) -> None:
        while not self._over.wait(0.01):
            for owner in list(self.awake):
                while self._inboxes[owner].step():
                    pass

    def grid(self, **options: Any) -> SyftGrid:
        grid = SyftGrid("study", self.owners, self.server, **options)
        grid.set_run(RUN)
        return grid

    def messages(self, grid: SyftGrid) -> list[Message]:
        content = {"config": ConfigRecord({"server-round": 1})}
        return [
            grid.create_message(RecordDict(dict(content)), "train", names.node_id(owner), "1")
            for owner in self.owners
        ]

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(20)
        for one in [self.server, *self._channels.values()]:
            one.close()


@pytest.fixture
def heard() -> list[Event]:
    return []


@pytest.fixture
def federation(tmp_path: Path, heard: list[Event], request: pytest.FixtureRequest) -> Iterator[Federation]:
    made = Federation(tmp_path, heard.append, OWNERS[-getattr(request, "param", len(OWNERS)) :])
    yield made
    made.close()


def test_fifty_owners_of_whom_three_are_gone_go_on_without_them_and_their_late_answers_are_noted(
    federation: Federation, heard: list[Event]
) -> None:
    grid = federation.grid(enough=Enough(share=0.94), grace=1.0)  # 47: nobody is late on a slow machine
    try:
        messages = federation.messages(grid)
        federation.start()
        replies = grid.send_and_receive(messages)  # with no limit: without the rule it would never return
        assert len(replies) == 47
        assert not any(reply.has_error() for reply in replies)
        assert {grid.get_client_email(reply.metadata.src_node_id) for reply in replies} == set(
            federation.awake
        )
        missing = [message.metadata.message_id for message in messages[-3:]]
        federation.awake += GONE
        # Their answers come all the same, and can still be collected.
        assert len(grid.outbox.collect(missing, None)) == 3
        grid.finish()
        assert sorted(event.peer for event in heard if isinstance(event, ReplyLate)) == GONE
    finally:
        grid.close()


@pytest.mark.parametrize("federation", [6], indirect=True)
def test_fewer_than_enough_at_the_timeout_end_the_run(federation: Federation) -> None:
    grid = federation.grid(enough=Enough(4), grace=0.1, timeout=1.0)
    try:
        messages = federation.messages(grid)
        federation.start()
        with pytest.raises(TooFewRepliesError, match=r"3 of 6 .* needs 4") as error:
            grid.send_and_receive(messages)
        assert error.value.exit_code == 15
    finally:
        grid.close()


@pytest.mark.parametrize("federation", [6], indirect=True)
def test_a_run_that_is_taken_up_again_goes_on_without_those_it_went_on_without(
    federation: Federation,
) -> None:
    first = federation.grid(enough=Enough(share=0.5), grace=0.1)
    messages = federation.messages(first)
    federation.start()
    before = [reply.metadata.src_node_id for reply in first.send_and_receive(messages)]
    federation.awake += GONE
    first.outbox.collect([message.metadata.message_id for message in messages], None)
    first.close()
    again = federation.grid(enough=Enough(share=0.5), grace=0.1)
    try:
        after = again.send_and_receive(federation.messages(again))
        assert [reply.metadata.src_node_id for reply in after] == before
    finally:
        again.close()
