"""Two worlds with the same two nodes: Flower's own Grid in memory, and ours over a store in memory.

A row of the suite is a script that is run in both. A node answers only while it is awake, so that a script decides
who is late; both worlds run the same ClientApp on what a node is asked.
"""

import copy
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flwr.app import ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

PATIENCE = 20.0
NODES = ("do1@a.example", "do2@b.example")
AGGREGATOR = "ds@lab.example"


def client_app() -> ClientApp:
    """Gives back what it is given; counts; fails when it is told to."""
    app = ClientApp()

    def answer(message: Message, context: Context) -> Message:
        told = message.content.config_records.get("config") if message.has_content() else None
        if told is not None and told.get("do") == "raise":
            raise ValueError("the ledger of ward seven is missing")
        count = context.state.metric_records.get("count", MetricRecord({"n": 0}))
        context.state["count"] = MetricRecord({"n": int(count["n"]) + 1})
        content = RecordDict(dict(message.content.items()))
        content["seen"] = MetricRecord({"n": int(count["n"]) + 1})
        return Message(content, reply_to=message)

    app.query()(answer)
    app.train()(answer)
    app.evaluate()(answer)
    app.train("custom")(answer)
    return app


class World:
    """What a script may use."""

    grid: Grid
    nodes: list[int]
    run_id: int

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._awake: set[int] = set()
        self._over = threading.Event()

    def awake(self, *indices: int) -> None:
        """From now on exactly these nodes answer."""
        self._awake = set(indices)

    def is_awake(self, index: int) -> bool:
        return index in self._awake

    def leave(self, index: int) -> None:
        """A node goes offline, as far as the world can know."""

    def message(
        self,
        node: int = 0,
        *,
        do: str = "echo",
        kind: str = "query",
        ttl: float | None = None,
        group: str = "",
        content: RecordDict | None = None,
        to: int | None = None,
    ) -> Message:
        """A message to a node of this world (by index), or to a node id."""
        if content is None:
            content = RecordDict({"config": ConfigRecord({"do": do})})
        target = self.nodes[node] if to is None else to
        with self.lock:
            TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = self.run_id, 1, 1
            return Message(content, target, kind, ttl=ttl, group_id=group)

    def pull(self, *ids: str, count: int = 1) -> list[Message]:
        """Pull until ``count`` replies have come."""
        end, found = time.monotonic() + PATIENCE, []
        waiting = list(ids)
        while len(found) < count:
            assert time.monotonic() < end, "no reply came"
            new = list(self.grid.pull_messages(waiting))
            found += new
            waiting = [mid for mid in waiting if mid not in {m.metadata.reply_to_message_id for m in new}]
            time.sleep(0.01)
        return found

    def answered(self, index: int, count: int) -> None:
        """Wait until the replies to ``count`` messages of a node are where the Grid can pull them."""
        raise NotImplementedError

    def index(self, node: int) -> int:
        """0 or 1 for the nodes, -1 for the server, -2 for anything else."""
        return self.nodes.index(node) if node in self.nodes else -1 if node == 1 else -2

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)


class FlowerWorld(World):
    """Flower's Grid on its state in memory, as its Simulation Runtime sets it up."""

    def __init__(self) -> None:
        super().__init__()
        from flwr.server.superlink.linkstate import LinkStateFactory
        from flwr.server.superlink.linkstate.in_memory_linkstate import RunRecord
        from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
        from flwr.supercore.object_store import ObjectStoreFactory
        from flwr.supercore.run import Run
        from flwr.superlink.federation import NoOpFederationManager

        try:
            from flwr.superlink.grid.inmemory_grid import InMemoryGrid
        except ImportError:
            from flwr.server.grid import InMemoryGrid  # type: ignore[no-redef]

        factory = LinkStateFactory(FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), ObjectStoreFactory())
        self.state: Any = factory.state()
        self.run_id = 4711
        run = Run.create_empty(self.run_id)
        with suppress(ImportError):
            from flwr.supercore.constant import NOOP_FEDERATION_ID

            run.federation_id = NOOP_FEDERATION_ID
        self.state.run_ids[self.run_id] = RunRecord(run=run)
        with suppress(Exception):  # versions that keep a task for each run
            from flwr.proto.task_pb2 import Task

            run.primary_task_id = 9
            self.state.task_store[9] = Task(task_id=9, run_id=self.run_id)
        self.nodes = []
        for name in NODES:
            node = self.state.create_node(name, name, name.encode(), 1e6)
            self.state.acknowledge_node_heartbeat(node_id=node, heartbeat_interval=1e6)
            self.nodes.append(node)
        self.grid = InMemoryGrid(factory, pull_interval=0.01)
        self.grid.set_run(run)
        self._app = client_app()
        self._done = [0, 0]
        self._contexts = [
            Context(run_id=self.run_id, node_id=n, node_config={}, state=RecordDict(), run_config={})
            for n in self.nodes
        ]
        self._threads = [threading.Thread(target=self._work, args=(i,), daemon=True) for i in range(2)]
        for thread in self._threads:
            thread.start()

    def leave(self, index: int) -> None:
        self.state.deactivate_node(self.nodes[index])

    def answered(self, index: int, count: int) -> None:
        self.until(lambda: self._done[index] >= count)

    def _work(self, index: int) -> None:
        while not self._over.wait(0.005):
            if not self.is_awake(index):
                continue
            for asked in self.state.get_message_ins(self.nodes[index], limit=None):
                with self.lock:
                    try:
                        reply = self._app(copy.deepcopy(asked), self._contexts[index])
                    except Exception:
                        reply = Message(Error(code=2, reason=traceback.format_exc()), reply_to=asked)
                reply.metadata.__dict__["_message_id"] = str(uuid.uuid4())
                self.state.store_message_res(reply)
                self._done[index] += 1

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(10)


class FileWorld(World):
    """Our Grid, and two data owners' inboxes, over a store in memory."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        from syft_flwr_cli.aggregator.grid import SyftGrid
        from syft_flwr_cli.protocol import names
        from syft_flwr_cli.testing.memory_transport import MemoryStore

        self.run_id = 4711
        self._store = MemoryStore()
        self._taken: list[int] = [0, 0]
        server = self._participant(place, AGGREGATOR)
        owners = [self._participant(place, email) for email in NODES]
        for one in [server, *owners]:
            one.publish_identity([p for p in (AGGREGATOR, *NODES) if p != one.email])
        self.nodes = [names.node_id(email) for email in NODES]
        self.heard: list[Any] = []
        self.grid = self.syft_grid = SyftGrid("study", list(NODES), server)
        self.syft_grid.set_run(self.run_id)
        self._inboxes = [self._inbox(index, owner) for index, owner in enumerate(owners)]
        self._threads = [
            threading.Thread(target=inbox.serve, args=(self._over.is_set,), daemon=True)
            for inbox in self._inboxes
        ]
        for thread in self._threads:
            thread.start()
        self._participants = [server, *owners]

    def _participant(self, place: Path, email: str) -> Any:
        from doubles.channels import channel_of

        from syft_flwr_cli.events import Event, ResponseReceived
        from syft_flwr_cli.testing.memory_transport import MemoryTransport

        def hear(event: Event) -> None:
            if isinstance(event, ResponseReceived):
                self._taken[NODES.index(event.peer)] += 1

        return channel_of(place / email, email, MemoryTransport(self._store, email), emit=hear)

    def _inbox(self, index: int, owner: Any) -> Any:
        from syft_flwr_cli.delivery.inbox import Inbox
        from syft_flwr_cli.delivery.task import Task, TaskResult
        from syft_flwr_cli.execution.inline_runner import InlineRunner
        from syft_flwr_cli.execution.runner import AppSetup

        setup = AppSetup(project=Path(), clientapp="", app="study", node=self.nodes[index])
        runner = InlineRunner(setup, client_app())

        def execute(task: Task) -> TaskResult:
            while not self.is_awake(index) and not self._over.is_set():
                time.sleep(0.005)
            with self.lock:  # this process is one node at a time
                try:
                    return runner(task)
                finally:
                    TaskIdentity.run_id, TaskIdentity.node_id = self.run_id, 1

        return Inbox(owner, AGGREGATOR, execute)

    def answered(self, index: int, count: int) -> None:
        self.until(lambda: self._taken[index] >= count)
        time.sleep(0.05)  # it is said a moment before it is journaled

    def close(self) -> None:
        self._over.set()
        for inbox in self._inboxes:
            inbox.interrupt()
        for thread in self._threads:
            thread.join(10)
        self.syft_grid.close()
        for one in self._participants:
            one.close()


@contextmanager
def world(kind: str, place: Path) -> Iterator[World]:
    """A world of a kind: ``flower`` or ``here``."""
    made = FlowerWorld() if kind == "flower" else FileWorld(place)
    try:
        yield made
    finally:
        made.close()


def names_of(found: list[NodeInfo]) -> list[str]:
    return sorted(info.name for info in found)
