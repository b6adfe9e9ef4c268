"""What was executed at a data owner: work that is done and not written down yet, and what was executed before.

The history makes that an id is executed once, also where the journal was lost or is older than what was executed.
"""

from dataclasses import dataclass

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.recent import Recent
from syft_flwr_cli.delivery.request_intake import PendingRequest
from syft_flwr_cli.delivery.response_outbox import ResponseOutbox
from syft_flwr_cli.delivery.task import Task, TaskResult

__all__ = ["ExecutionHistory", "FinishedTask"]

REMEMBERED = 256
"""How many requests that this process has executed it knows by itself; the journal knows them all."""


@dataclass(slots=True)
class FinishedTask:
    """Work that is done, and not written down yet."""

    pending: PendingRequest
    task: Task
    result: TaskResult

    def release(self) -> None:
        """Let go of its memory."""
        self.result.release()
        self.task.close()


class ExecutionHistory:
    """What was executed before, also where the journal has lost it: an id runs once."""

    def __init__(self, channel: Channel, responses: ResponseOutbox) -> None:
        self._journal = channel.journal
        self._app = channel.app
        self._log = channel.account.audit
        self._responses = responses
        self._in_log: set[str] | None = None
        self.started = channel.clock()
        self.executed: Recent[str, None] = Recent(REMEMBERED)

    def was_answered(self, pending: PendingRequest) -> bool:
        """Whether the store, the audit log or this process knows an answer that the journal does not."""
        header = pending.header
        if self._responses.answered_before(header.id, pending.envelope.digest):
            return True
        if self._journal.request(header.id) is not None:
            return False
        if header.id in self.executed:
            return True
        if header.created > self.started:
            return False
        if self._in_log is None:
            self._in_log = {
                str(entry.get("message"))
                for entry in self._log.entries()
                if entry.get("event") in ("executed", "sent") and entry.get("app") == self._app
            }
            self._in_log.update(one.id for one in self._responses.tombstones.all())
        return header.id in self._in_log
