"""What may happen to a message, as two tables: a request seen from its sender, and seen from its recipient.

The tables are the whole rule. `decide` says, of a state and an event, which state comes next and what is to be
done about it; whoever does I/O carries that out, and nothing else writes a state. What is not in the tables
cannot happen. docs/durability.md shows the same tables; a test compares them. Pure.

Outgoing (aggregator): a *new* request becomes *waiting* (journaled, its recipient's key not known yet) or *sealed*
(its bytes are in the journal and may be published any number of times), and ends *answered*, *absent* (nobody
answered in time, or nothing can be sealed for its recipient) or *withdrawn* (the run was stopped). An answer that
comes after that is *late*: it is noted, so that its sender may clean up, and changes nothing.

Incoming (data owner): a *new* request is *claimed* (once), then *done*: its response and the new state are in
the journal, together; the response is published, again if it is asked for again or goes missing, until it is
*acknowledged*. What was claimed and not done when the run ended is *withdrawn*. A response that may not leave any
more, or that is asked for when it is gone, is replaced by an error that says so: whoever waits is not left waiting.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from syft_flwr_cli.errors import SyftFlwrError

__all__ = [
    "INCOMING",
    "OUTGOING",
    "Action",
    "Event",
    "Incoming",
    "Outgoing",
    "decide",
    "markdown",
]


class Outgoing(StrEnum):
    """Where a request of ours stands. A *new* one is nowhere yet, also not in the journal."""

    NEW = "new"
    WAITING = "waiting"
    SEALED = "sealed"
    ANSWERED = "answered"
    ABSENT = "absent"
    WITHDRAWN = "withdrawn"


class Incoming(StrEnum):
    """Where a request to us stands. A *new* one is nowhere yet, also not in the journal."""

    NEW = "new"
    CLAIMED = "claimed"
    DONE = "done"
    ACKNOWLEDGED = "acknowledged"
    WITHDRAWN = "withdrawn"


class Event(StrEnum):
    """What can happen."""

    PUSH = "push"
    """The ServerApp sends it."""
    SEAL = "seal"
    """It is sealed for its recipient, at first or anew."""
    ANSWER = "answer"
    """A genuine response to it is here, with its payloads."""
    DAMAGED = "damaged"
    """A response to it is here, and is not whole or not genuine."""
    LOST = "lost"
    """The file that we published is gone from the store, or is not what we wrote."""
    DEADLINE = "deadline"
    """Its time to be answered is over."""
    UNSEALABLE = "unsealable"
    """Nothing can be sealed for its recipient: the published key is none."""
    WITHDRAW = "withdraw"
    """Its run ends."""
    CLAIM = "claim"
    """It is genuine, and about to be executed."""
    REPEAT = "repeat"
    """It is here once more."""
    FINISH = "finish"
    """It was executed, or will not be; the response is written."""
    WITHHOLD = "withhold"
    """Its response, which is written, may not leave any more."""
    ACKNOWLEDGE = "acknowledge"
    """The aggregator says that it has the response for good."""


class Action(StrEnum):
    """What is to be done."""

    PUBLISH = "publish"
    """Put its file (request or response) into the store, in place of what is there."""
    REMOVE = "remove"
    """Remove its file from the store."""
    KEEP_REPLY = "keep the reply"
    """Keep the opened reply in the journal, for Flower and for a replay."""
    ACKNOWLEDGE = "acknowledge"
    """Say with the next request that the response was taken."""
    REPORT_ABSENT = "report the owner as absent"
    """Let whoever waits go on without this data owner."""
    EXECUTE = "execute"
    """Run the app on it."""
    REPLACE = "replace the response by an error"
    """Write down an error in place of the response, which is not or cannot be sent, and say why."""
    REMOVE_PAYLOADS = "remove its payloads"
    """Remove the payloads of the response that nothing else needs."""


OutgoingTable = Mapping[tuple[Outgoing, Event], tuple[Outgoing, tuple[Action, ...]]]
IncomingTable = Mapping[tuple[Incoming, Event], tuple[Incoming, tuple[Action, ...]]]

OUTGOING: OutgoingTable = {
    (Outgoing.NEW, Event.PUSH): (Outgoing.WAITING, ()),
    (Outgoing.WAITING, Event.SEAL): (Outgoing.SEALED, (Action.PUBLISH,)),
    (Outgoing.WAITING, Event.UNSEALABLE): (Outgoing.ABSENT, (Action.REPORT_ABSENT,)),
    (Outgoing.WAITING, Event.DEADLINE): (Outgoing.ABSENT, (Action.REPORT_ABSENT,)),
    (Outgoing.WAITING, Event.WITHDRAW): (Outgoing.WITHDRAWN, ()),
    (Outgoing.SEALED, Event.SEAL): (Outgoing.SEALED, (Action.PUBLISH,)),
    (Outgoing.SEALED, Event.LOST): (Outgoing.SEALED, (Action.PUBLISH,)),
    (Outgoing.SEALED, Event.DAMAGED): (Outgoing.SEALED, (Action.PUBLISH,)),
    (Outgoing.SEALED, Event.ANSWER): (Outgoing.ANSWERED, (Action.KEEP_REPLY, Action.ACKNOWLEDGE)),
    (Outgoing.SEALED, Event.UNSEALABLE): (Outgoing.ABSENT, (Action.REMOVE, Action.REPORT_ABSENT)),
    (Outgoing.SEALED, Event.DEADLINE): (Outgoing.ABSENT, (Action.REMOVE, Action.REPORT_ABSENT)),
    (Outgoing.SEALED, Event.WITHDRAW): (Outgoing.WITHDRAWN, (Action.REMOVE,)),
    # The same response once more, and a time limit that came to an end while the answer was written down.
    (Outgoing.ANSWERED, Event.ANSWER): (Outgoing.ANSWERED, (Action.ACKNOWLEDGE,)),
    (Outgoing.ANSWERED, Event.DEADLINE): (Outgoing.ANSWERED, ()),
    (Outgoing.ANSWERED, Event.WITHDRAW): (Outgoing.ANSWERED, ()),
    (Outgoing.ABSENT, Event.ANSWER): (Outgoing.ABSENT, (Action.ACKNOWLEDGE,)),
    (Outgoing.ABSENT, Event.WITHDRAW): (Outgoing.ABSENT, ()),
    (Outgoing.WITHDRAWN, Event.ANSWER): (Outgoing.WITHDRAWN, (Action.ACKNOWLEDGE,)),
    (Outgoing.WITHDRAWN, Event.DEADLINE): (Outgoing.WITHDRAWN, ()),
}

INCOMING: IncomingTable = {
    (Incoming.NEW, Event.CLAIM): (Incoming.CLAIMED, (Action.EXECUTE,)),
    # By the next process, or because the same request came again with more time to answer.
    (Incoming.CLAIMED, Event.CLAIM): (Incoming.CLAIMED, (Action.EXECUTE,)),
    (Incoming.CLAIMED, Event.FINISH): (Incoming.DONE, (Action.PUBLISH,)),
    (Incoming.CLAIMED, Event.WITHDRAW): (Incoming.WITHDRAWN, ()),
    (Incoming.DONE, Event.REPEAT): (Incoming.DONE, (Action.PUBLISH,)),
    (Incoming.DONE, Event.LOST): (Incoming.DONE, (Action.PUBLISH,)),
    (Incoming.DONE, Event.WITHHOLD): (
        Incoming.DONE,
        (Action.REPLACE, Action.REMOVE_PAYLOADS, Action.PUBLISH),
    ),
    (Incoming.DONE, Event.ACKNOWLEDGE): (Incoming.ACKNOWLEDGED, (Action.REMOVE_PAYLOADS,)),
    # By an aggregator whose home was restored from an older state: what it had acknowledged is gone.
    (Incoming.ACKNOWLEDGED, Event.REPEAT): (Incoming.DONE, (Action.REPLACE, Action.PUBLISH)),
    (Incoming.ACKNOWLEDGED, Event.ACKNOWLEDGE): (Incoming.ACKNOWLEDGED, ()),
    (Incoming.WITHDRAWN, Event.REPEAT): (Incoming.WITHDRAWN, ()),
}

S = TypeVar("S", Outgoing, Incoming)


def decide(state: S, event: Event) -> tuple[S, tuple[Action, ...]]:
    """The state after ``event``, and what is to be done about it, in this order.

    Raises
    ------
    SyftFlwrError
        If the event cannot happen in this state: a mistake in this program, not in a message.
    """
    table: Mapping[tuple[S, Event], tuple[S, tuple[Action, ...]]] = (
        OUTGOING if isinstance(state, Outgoing) else INCOMING
    )
    step = table.get((state, event))
    if step is None:
        raise SyftFlwrError(
            f"A message that is {state} cannot {event}.", hint="This is a bug; please report it."
        )
    return step


def markdown(table: OutgoingTable | IncomingTable) -> str:
    """A table as docs/durability.md shows it."""
    lines = ["| state | event | next state | actions |", "|---|---|---|---|"]
    for (state, event), (after, actions) in table.items():
        lines.append(f"| {state} | {event} | {after} | {', '.join(actions) or 'none'} |")
    return "\n".join(lines) + "\n"
