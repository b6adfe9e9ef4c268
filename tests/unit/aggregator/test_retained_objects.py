"""What both sides hold in memory does not grow with the number of rounds."""

import gc
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from doubles.channels import channel_of
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from syft_flwr_cli.aggregator import grid as grid_of_flower
from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.audit import log
from syft_flwr_cli.delivery import executed, peer_keys, request_intake, response_intake
from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.protocol import names
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport

AGGREGATOR, APP, RUN = "ds@lab.example", "study", 77
OWNERS = ["do1@a.example", "do2@a.example"]


def reachable(*roots: object) -> Counter[str]:
    """Containers and strings that hang on ``roots``, by type; modules, classes and functions are not entered."""
    found: Counter[str] = Counter()
    seen, waiting = set[int](), list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(
            one, type | type(gc) | type(reachable) | threading.Thread | MemoryStore
        ):
            continue
        seen.add(id(one))
        found[type(one).__name__] += 1
        waiting.extend(gc.get_referents(one))
    return found


def test_neither_side_holds_more_after_many_rounds(tmp_path: Path, monkeypatch: Any) -> None:
    # What is remembered for a while is remembered for a shorter one here, so that few rounds fill it.
    for module in (grid_of_flower, log, executed, request_intake, response_intake):
        monkeypatch.setattr(module, "REMEMBERED", 8)
    monkeypatch.setattr(peer_keys, "REMEMBERED_HEADS", 8)
    store = MemoryStore()
    channels = {
        email: channel_of(tmp_path / email, email, MemoryTransport(store, email), APP)
        for email in [AGGREGATOR, *OWNERS]
    }
    for email, channel in channels.items():
        channel.publish_identity([other for other in channels if other != email])
    channels[AGGREGATOR].journal.begin_run(str(RUN), "aggregator", 1.0, {"datasites": OWNERS}, {})

    def execute(task: Task) -> TaskResult:
        return TaskResult(task.body.skeleton, [], [], None, b"state")

    inboxes = [Inbox(channels[owner], AGGREGATOR, execute) for owner in OWNERS]
    grid = SyftGrid(APP, OWNERS, channels[AGGREGATOR])
    grid.set_run(RUN)
    served = [threading.Thread(target=inbox.serve, args=(lambda: False,), daemon=True) for inbox in inboxes]
    for thread in served:
        thread.start()

    def rounds(first: int, last: int) -> None:
        for number in range(first, last):
            content = {"config": ConfigRecord({"server-round": number, "padding": str(number)})}
            content["arrays"] = ArrayRecord([np.zeros(1, np.float32)])  # type: ignore[assignment]
            sent = [
                Message(RecordDict(dict(content)), names.node_id(owner), "train", group_id=str(number))
                for owner in OWNERS
            ]
            assert len(grid.send_and_receive(sent, timeout=60)) == len(OWNERS)

    def held() -> Counter[str]:
        gc.collect()
        return reachable(grid, *inboxes, *channels.values())

    try:
        rounds(1, 31)
        before = held()
        rounds(31, 91)
        after = held()
    finally:
        for inbox in inboxes:
            inbox.interrupt()
        for thread in served:
            thread.join(30)
        grid.close()
        for inbox in inboxes:
            inbox.close()
        for channel in channels.values():
            channel.close()
    # SQLite keeps weak references to its cursors and statements, and lets go of them in batches.
    grown = {kind: more for kind, count in after.items() if (more := count - before[kind]) > 0}
    for kind in ("ReferenceType", "Statement", "_lru_list_elem"):
        grown.pop(kind, None)
    # Of each round stay its line in the round log, packed, and its number; of its messages nothing.
    for_rounds = sum(grown.pop(kind, 0) for kind in ("bytes", "tuple", "int", "float"))
    assert for_rounds <= 60 * 10
    assert sum(grown.values()) < 30, grown
