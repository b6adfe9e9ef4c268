"""The points that a run passes, who passes them, and how often: what the kills are made of.

Written down, so that the tests are the same everywhere; `test_kill_points` compares it with what a run really
passes, so that a new write without a kill is noticed.
"""

SERVER_POINTS: dict[str, int] = {
    "publish.begin": 19,
    "publish.written": 19,
    "publish.synced": 19,
    "publish.renamed": 19,
    "publish.done": 19,
    "outbox.before-publish": 14,
    "outbox.after-publish": 14,
    "outbox.before-answer": 12,
    "journal.answer.before-commit": 12,
    "journal.answer.after-commit": 12,
    "outbox.after-answer": 12,
    "journal.payload.before-commit": 8,
    "journal.payload.after-commit": 8,
    "journal.push.before-commit": 8,
    "journal.push.after-commit": 8,
    "journal.use.before-commit": 6,
    "journal.use.after-commit": 6,
    "fetch.begin": 6,
    "fetch.copied": 6,
    "fetch.done": 6,
    "payload.before-write": 4,
    "payload.after-write": 4,
    "remove.begin": 4,
    "remove.done": 4,
    "journal.drop.before-commit": 3,
    "journal.drop.after-commit": 3,
    "journal.hear.before-commit": 2,
    "journal.hear.after-commit": 2,
    "journal.run.before-commit": 1,
    "journal.run.after-commit": 1,
    "journal.end.before-commit": 1,
    "journal.end.after-commit": 1,
}
"""Arrivals of the aggregator in a run of three rounds with two owners."""

CLIENT_POINTS: dict[str, int] = {
    "publish.begin": 10,
    "publish.written": 10,
    "publish.synced": 10,
    "publish.renamed": 10,
    "publish.done": 10,
    "journal.acknowledge.before-commit": 7,
    "journal.acknowledge.after-commit": 7,
    "journal.claim.before-commit": 6,
    "journal.claim.after-commit": 6,
    "inbox.before-execute": 6,
    "inbox.after-execute": 6,
    "journal.payload.before-commit": 6,
    "journal.payload.after-commit": 6,
    "journal.finish.before-commit": 6,
    "journal.finish.after-commit": 6,
    "inbox.before-publish": 6,
    "inbox.after-publish": 6,
    "payload.before-write": 3,
    "payload.after-write": 3,
    "remove.begin": 3,
    "remove.done": 3,
    "journal.drop.before-commit": 3,
    "journal.drop.after-commit": 3,
    "journal.run.before-commit": 2,
    "journal.run.after-commit": 2,
    "journal.hear.before-commit": 1,
    "journal.hear.after-commit": 1,
    "journal.end.before-commit": 1,
    "journal.end.after-commit": 1,
}
"""Arrivals of one owner in that run."""


def kills(table: dict[str, int]) -> list[str]:
    """``name:n`` for every arrival."""
    return [f"{name}:{n}" for name, count in table.items() for n in range(1, count + 1)]
