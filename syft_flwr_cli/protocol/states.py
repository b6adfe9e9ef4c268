"""What may happen to a message, as two tables: a request seen from its sender, and seen from its recipient.

The tables are the whole rule; the outbox and the inbox only drive them, and the journal refuses any
step that is not in them. Pure.

Outgoing (aggregator): a request is *waiting* for its recipient's key, then *sealed* (its bytes are in
the journal and may be published any number of times), and ends *answered*, *absent* (nobody answered
in time) or *withdrawn* (the run was stopped). An answer that comes after that is *late*: it is noted,
so that its sender may clean up, and changes nothing.

Incoming (data owner): a request is *claimed* (once), then *done*: its response and the new state are in
the journal, together; the response is published, again if asked again, until it is *acknowledged*. What
was claimed and not done when the run ended is *withdrawn*.
"""

from enum import StrEnum

from syft_flwr_cli.errors import SyftFlwrError

__all__ = ["INCOMING", "OUTGOING", "Event", "Incoming", "Outgoing", "advance"]


class Outgoing(StrEnum):
    """Where a request of ours stands."""

    WAITING = "waiting"
    SEALED = "sealed"
    ANSWERED = "answered"
    ABSENT = "absent"
    WITHDRAWN = "withdrawn"


class Incoming(StrEnum):
    """Where a request to us stands."""

    CLAIMED = "claimed"
    DONE = "done"
    ACKNOWLEDGED = "acknowledged"
    WITHDRAWN = "withdrawn"


class Event(StrEnum):
    """What can happen."""

    SEAL = "seal"
    ANSWER = "answer"
    DEADLINE = "deadline"
    WITHDRAW = "withdraw"
    CLAIM = "claim"
    FINISH = "finish"
    ACKNOWLEDGE = "acknowledge"


OUTGOING: dict[tuple[Outgoing, Event], Outgoing] = {
    (Outgoing.WAITING, Event.SEAL): Outgoing.SEALED,
    (Outgoing.WAITING, Event.DEADLINE): Outgoing.ABSENT,
    (Outgoing.WAITING, Event.WITHDRAW): Outgoing.WITHDRAWN,
    (Outgoing.SEALED, Event.SEAL): Outgoing.SEALED,
    (Outgoing.SEALED, Event.ANSWER): Outgoing.ANSWERED,
    (Outgoing.SEALED, Event.DEADLINE): Outgoing.ABSENT,
    (Outgoing.SEALED, Event.WITHDRAW): Outgoing.WITHDRAWN,
    (Outgoing.ANSWERED, Event.ANSWER): Outgoing.ANSWERED,
    (Outgoing.ABSENT, Event.ANSWER): Outgoing.ABSENT,
    (Outgoing.WITHDRAWN, Event.ANSWER): Outgoing.WITHDRAWN,
}

INCOMING: dict[tuple[Incoming, Event], Incoming] = {
    (Incoming.CLAIMED, Event.CLAIM): Incoming.CLAIMED,
    (Incoming.CLAIMED, Event.FINISH): Incoming.DONE,
    (Incoming.CLAIMED, Event.WITHDRAW): Incoming.WITHDRAWN,
    (Incoming.DONE, Event.ACKNOWLEDGE): Incoming.ACKNOWLEDGED,
    (Incoming.ACKNOWLEDGED, Event.ACKNOWLEDGE): Incoming.ACKNOWLEDGED,
}


def advance(state: Outgoing | Incoming, event: Event) -> Outgoing | Incoming:
    """The state after ``event``.

    Raises
    ------
    SyftFlwrError
        If the event cannot happen in this state: a mistake in this program, not in a message.
    """
    after = OUTGOING.get((state, event)) if isinstance(state, Outgoing) else INCOMING.get((state, event))
    if after is None:
        raise SyftFlwrError(
            f"A message that is {state} cannot {event}.", hint="This is a bug; please report it."
        )
    return after
