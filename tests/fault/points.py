"""The points that a run passes, who passes them, and how often: what the kills are made of.

Written down, so that the tests are the same everywhere; `test_kill_points` compares it with what a run really
passes, so that a new write without a kill is noticed. Where the number varies (two answers may be taken in
at one look), the smallest is given.
"""

SERVER_POINTS: dict[str, int] = {
    "private.begin": 4,
    "private.written": 4,
    "private.renamed": 4,
    "private.done": 4,
    "journal.create": 1,
    "journal.run.before-commit": 1,
    "journal.run.after-commit": 1,
    "journal.payload.before-commit": 13,
    "journal.payload.after-commit": 13,
    "payload.before-write": 4,
    "payload.after-write": 4,
    "publish.begin": 19,
    "publish.written": 19,
    "publish.synced": 19,
    "publish.renamed": 19,
    "publish.done": 19,
    "journal.push.before-commit": 8,
    "journal.push.after-commit": 8,
    "outbox.before-publish": 14,
    "outbox.after-publish": 14,
    "fetch.begin": 6,
    "fetch.copied": 6,
    "fetch.done": 6,
    "outbox.before-answer": 6,
    "journal.answer.before-commit": 6,
    "journal.answer.after-commit": 6,
    "outbox.after-answer": 6,
    "audit.before-write": 7,
    "audit.written": 7,
    "audit.synced": 7,
    "payload.before-remove": 4,
    "remove.begin": 4,
    "remove.done": 4,
    "journal.drop.before-commit": 3,
    "journal.drop.after-commit": 3,
    "journal.hear.before-commit": 2,
    "journal.hear.after-commit": 2,
    "outbox.before-stop": 2,
    "journal.end.before-commit": 1,
    "journal.end.after-commit": 1,
    "journal.prune.before-commit": 2,
    "journal.prune.after-commit": 2,
    "journal.tell.before-commit": 1,
    "journal.tell.after-commit": 1,
}
"""Arrivals of the aggregator in a run of three rounds with two owners."""

CLIENT_POINTS: dict[str, int] = {
    "private.begin": 2,
    "private.written": 2,
    "private.renamed": 2,
    "private.done": 2,
    "journal.create": 1,
    "journal.run.before-commit": 2,
    "journal.run.after-commit": 2,
    "journal.claim.before-commit": 6,
    "journal.claim.after-commit": 6,
    "journal.acknowledge.before-commit": 6,
    "journal.acknowledge.after-commit": 6,
    "inbox.before-execute": 6,
    "inbox.after-execute": 6,
    "journal.payload.before-commit": 9,
    "journal.payload.after-commit": 9,
    "payload.before-write": 3,
    "payload.after-write": 3,
    "publish.begin": 10,
    "publish.written": 10,
    "publish.synced": 10,
    "publish.renamed": 10,
    "publish.done": 10,
    "fetch.begin": 1,
    "fetch.copied": 1,
    "fetch.done": 1,
    "journal.finish.before-commit": 6,
    "journal.finish.after-commit": 6,
    "inbox.before-publish": 6,
    "inbox.after-publish": 6,
    "audit.before-write": 4,
    "audit.written": 4,
    "audit.synced": 4,
    "payload.before-remove": 3,
    "remove.begin": 3,
    "remove.done": 3,
    "journal.drop.before-commit": 3,
    "journal.drop.after-commit": 3,
    "journal.hear.before-commit": 1,
    "journal.hear.after-commit": 1,
    "journal.end.before-commit": 1,
    "journal.end.after-commit": 1,
    "journal.prune.before-commit": 2,
    "journal.prune.after-commit": 2,
    "journal.tell.before-commit": 1,
    "journal.tell.after-commit": 1,
}
"""Arrivals of one owner in that run."""

RUNNER_POINTS: dict[str, int] = {"runner.before-send": 6, "runner.sent": 6, "runner.received": 6}
"""Arrivals of one owner whose app runs in a process of its own, beyond `CLIENT_POINTS`."""

WORKER_POINTS = ("worker.received", "worker.executed", "worker.sent")
"""Arrivals of that process. Its death is no death of the participant, but an error reply."""

SAMPLE = {
    "server": (
        "private.written:1",
        "journal.run.after-commit:1",
        "payload.before-write:1",
        "publish.written:4",
        "journal.push.after-commit:3",
        "outbox.after-answer:2",
        "remove.begin:2",
        "journal.end.after-commit:1",
    ),
    "owner": (
        "private.written:2",
        "journal.claim.after-commit:2",
        "inbox.after-execute:3",
        "payload.after-write:2",
        "journal.finish.after-commit:4",
        "audit.written:3",
        "publish.synced:5",
        "journal.end.after-commit:1",
    ),
}
"""What is tried each time; all of it is tried by ``make test-fault``."""


AFTER_ALL = "journal.tell.after-commit"
"""Passed when the result has been shown and that is written down: the same command means a new run then."""


def kills(table: dict[str, int]) -> list[str]:
    """``name:n`` for every arrival but the last of all."""
    return [f"{name}:{n}" for name, count in table.items() for n in range(1, count + 1) if name != AFTER_ALL]
