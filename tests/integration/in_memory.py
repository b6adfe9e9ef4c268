"""Run the apps of a Flower project over a Grid in memory: ``in_memory.py PROJECT CLIENTS``; prints JSON.

A program, not a module: the project's package is imported, so each run needs a process of its own.
"""

import copy
import importlib
import json
import sys
import tomllib
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.common.config import flatten_dict
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

folder, count = Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, str(folder))
about = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["flwr"]["app"]
config = flatten_dict(about["config"])
server, client = (
    importlib.import_module(about["components"][part].split(":")[0]).app
    for part in ("serverapp", "clientapp")
)
assert "syft_flwr_cli" not in sys.modules, "the template needs this package to run"
TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 5, 1, 3


def context(node: int, **node_config: Any) -> Context:
    return Context(run_id=5, node_id=node, node_config=node_config, state=RecordDict(), run_config=config)


class InMemory(Grid):
    """Answers every message at once; notes the metrics that come back."""

    def __init__(self) -> None:
        self.nodes = {
            100 + i: context(100 + i, **{"partition-id": i, "num-partitions": count}) for i in range(count)
        }
        self.replies: dict[str, Message] = {}
        self.metrics: list[tuple[str, dict[str, Any]]] = []

    @property
    def run(self) -> Any:
        return SimpleNamespace(run_id=5)

    def set_run(self, run_id: int) -> None:
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
        return list(self.nodes)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        ids = []
        for message in messages:
            about = message.metadata
            about.__dict__.update(_message_id=uuid.uuid4().hex, _src_node_id=1, _run_id=5)
            # A copy, as on any way to another process: mods take out of a message what is theirs.
            reply = client(copy.deepcopy(message), self.nodes[about.dst_node_id])
            self.replies[about.message_id] = reply
            self.metrics.append((about.message_type, dict(reply.content.get("metrics", {}))))
            ids.append(about.message_id)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [self.replies.pop(one) for one in message_ids if one in self.replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        return self.pull_messages(self.push_messages(messages))


grid = InMemory()
here = context(1)
server(grid, here)
# The state of an app may hold arrays too; what is compared is plain.
state = {name: dict(record) for name, record in here.state.items() if not isinstance(record, ArrayRecord)}
print(json.dumps({"metrics": grid.metrics, "state": state}))
