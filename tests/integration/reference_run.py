"""Run a Flower project in one process: ``reference_run.py PROJECT CLIENTS RUN-CONFIG-AS-JSON``.

What a federation over files has to give, too. A Grid in memory calls the project's ClientApp for every
message; nothing of this package is loaded. A program, because the project's package is imported.
"""

import copy
import importlib
import json
import sys
import tomllib
import traceback
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.common.config import flatten_dict
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

folder, count = Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, str(folder))
about = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
config = {**flatten_dict(about.get("config", {})), **json.loads(sys.argv[3])}
TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 5, 1, 1


def load(part: str) -> Any:
    module, name = about["components"][part].split(":")
    return getattr(importlib.import_module(module), name)


def context(node: int, **node_config: Any) -> Context:
    return Context(run_id=5, node_id=node, node_config=node_config, state=RecordDict(), run_config=config)


class InMemory(Grid):
    """Every message is answered before its push returns."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._nodes = {
            100 + i: context(100 + i, **{"partition-id": i, "num-partitions": count}) for i in range(count)
        }
        self._replies: dict[str, Message] = {}

    @property
    def run(self) -> Run:
        return Run.create_empty(5)

    def set_run(self, run: Any) -> None:
        """There is one run."""

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        return list(self._nodes)

    def get_nodes(self) -> list[NodeInfo]:
        return [NodeInfo(node_id=node) for node in self._nodes]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        ids = []
        for message in messages:
            mid = str(uuid.uuid4())
            message.metadata.__dict__.update(_message_id=mid, _src_node_id=1, _run_id=5)
            asked = copy.deepcopy(message)
            try:
                reply = self._client(asked, self._nodes[message.metadata.dst_node_id])
            except Exception:
                reply = Message(Error(code=2, reason=traceback.format_exc()), reply_to=message)
            reply.metadata.__dict__.update(_message_id=str(uuid.uuid4()))
            self._replies[mid] = copy.deepcopy(reply)
            ids.append(mid)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [self._replies.pop(mid) for mid in list(message_ids) if mid in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        return self.pull_messages(self.push_messages(messages))


load("serverapp")(InMemory(load("clientapp")), context(1))
assert "syft_flwr_cli" not in sys.modules, "the app needs this package to run"
