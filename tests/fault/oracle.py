"""What a run must come to, worked out without files, processes, keys or journals: Flower on a Grid in memory.

The same apps, the same seed, one call after the other. Whatever the system under test is through, its
result must be this one bit for bit.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.protocol import names


class MemoryGrid(Grid):
    """A Grid whose nodes are called on the spot."""

    def __init__(
        self, run: int, app: Callable[[Message, Context], Message], contexts: Mapping[int, Context]
    ) -> None:
        self._run = Run.create_empty(run)
        self._app = app
        self._contexts = contexts
        self._replies: dict[str, Message] = {}

    def set_run(self, run: Any) -> None:
        """Nothing to set."""

    @property
    def run(self) -> Run:
        """The run."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """All nodes."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Call the app for each."""
        ids = []
        for message in messages:
            node = message.metadata.dst_node_id
            mid = str(uuid4())
            message.metadata.__dict__["_message_id"] = mid
            runtime.become(self._run.run_id, node)
            reply = self._app(_copied(message), self._contexts[node])
            runtime.become(self._run.run_id, runtime.SERVER_NODE_ID)
            self._replies[mid] = _copied(reply)
            ids.append(mid)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies, each once."""
        return [self._replies.pop(mid) for mid in message_ids if mid in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Push and pull."""
        return self.pull_messages(self.push_messages(messages))


def _copied(message: Message) -> Message:
    """The message as it would come out at the other end."""
    packed = codec.pack_message(message)
    blobs = [bytes(blob) for blob in packed.blobs]
    return codec.unpack_message(packed.skeleton, packed.places, [_giver(blob) for blob in blobs])


def _giver(blob: bytes) -> Callable[[], bytes]:
    return lambda: blob


@contextmanager
def _undisturbed_randomness() -> Any:
    import random

    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


def expected_model(
    project: Path, out: Path, seed: str, run: str, owners: Sequence[str], config: Mapping[str, Any]
) -> dict[str, Any]:
    """The model that the project's ServerApp writes to ``STEADY_OUT`` in a run with this seed."""
    import os

    fused = runtime.fused_run_config(project, config)
    contexts = {}
    for index, owner in enumerate(owners):
        node = {"partition-id": index, "num-partitions": len(owners)}
        contexts[names.node_id(owner)] = runtime.make_context(int(run), names.node_id(owner), fused, node)
    number = int(seed, 16)
    with _undisturbed_randomness():
        server = runtime.load_server_app("steady.server_app:app", project)
        client = runtime.load_client_app("steady.client_app:app", project)
        before = os.environ.get("STEADY_OUT"), os.environ.pop("DATA_DIR", None)
        os.environ["STEADY_OUT"] = str(out)
        try:
            runtime.seed_everything(number)
            runtime.become(int(run), runtime.SERVER_NODE_ID)
            grid = MemoryGrid(int(run), client, contexts)
            runtime.run_server(grid, runtime.make_context(int(run), runtime.SERVER_NODE_ID, fused), server)
        finally:
            os.environ.pop("STEADY_OUT")
            if before[0] is not None:
                os.environ["STEADY_OUT"] = before[0]
            if before[1] is not None:
                os.environ["DATA_DIR"] = before[1]
    with np.load(out) as stored:
        return {name: stored[name] for name in stored.files}
