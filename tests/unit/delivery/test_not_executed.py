"""What the audit log says of a request that was answered without being run."""

import time
from pathlib import Path

from doubles.channels import channel_of

from syft_flwr_cli.delivery.inbox import Inbox
from syft_flwr_cli.delivery.outbox import Outbox
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport

AGGREGATOR, OWNER, RUN = "ds@lab.example", "do@a.example", "77"


def never(task: Task) -> TaskResult:
    raise AssertionError("it was run")


def test_it_says_that_it_was_refused_and_not_that_it_was_executed(tmp_path: Path) -> None:
    store = MemoryStore()
    server = channel_of(tmp_path / "server", AGGREGATOR, MemoryTransport(store, AGGREGATOR))
    owner = channel_of(tmp_path / "owner", OWNER, MemoryTransport(store, OWNER))
    server.publish_identity([OWNER])
    owner.publish_identity([AGGREGATOR])
    outbox = Outbox(server, RUN, [OWNER])
    inbox = Inbox(owner, AGGREGATOR, never, gate=lambda task: "The policy allows no such request.")
    inbox.recover()
    (mid,) = outbox.push([OutgoingRequest(OWNER, Body(type="train"), bytes(32), response_timeout=60.0)])
    deadline = time.monotonic() + 30
    while not inbox.step():
        assert time.monotonic() < deadline
    body = outbox.collect([mid], deadline)[mid].body
    assert body is not None and body.error is not None and body.error[0] == 6
    owner.audit.flush()
    events = [entry["event"] for entry in owner.account.audit.entries() if entry.get("message") == mid]
    assert events == ["received", "refused", "sent"]
    outbox.close()
    inbox.close()
    server.close()
    owner.close()
