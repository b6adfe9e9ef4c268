"""The life of a submitted run, as a table: what an event makes of a state, and what has to be done then. No I/O.

======== ============ ============ ==============
state    event        next state   action
======== ============ ============ ==============
queued   slot         running      start
queued   stop         stopped      end
running  completed    completed    \\-
running  failed       failed       \\-
running  died         queued       \\-
running  stop         stopping     stop
stopping completed    completed    \\-
stopping failed       stopped      end
stopping died         stopped      end
stopping stop         stopping     stop
======== ============ ============ ==============

``died`` is a process that is gone without a result: it was killed, or the machine was restarted. The run is started
again and goes on where it was. ``stop`` of a run that is stopping asks its process once more.
"""

from enum import StrEnum

__all__ = ["Action", "Event", "NoSuchStepError", "State", "decide"]


class State(StrEnum):
    """Where a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    STOPPING = "stopping"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self in (State.COMPLETED, State.FAILED, State.STOPPED)


class Event(StrEnum):
    """What happens to a run."""

    SLOT = "slot"
    COMPLETED = "completed"
    FAILED = "failed"
    DIED = "died"
    STOP = "stop"


class Action(StrEnum):
    """What has to be done."""

    START = "start"
    STOP = "stop"
    END = "end"


class NoSuchStepError(ValueError):
    """The event cannot happen in this state."""


_TABLE: dict[tuple[State, Event], tuple[State, tuple[Action, ...]]] = {
    (State.QUEUED, Event.SLOT): (State.RUNNING, (Action.START,)),
    (State.QUEUED, Event.STOP): (State.STOPPED, (Action.END,)),
    (State.RUNNING, Event.COMPLETED): (State.COMPLETED, ()),
    (State.RUNNING, Event.FAILED): (State.FAILED, ()),
    (State.RUNNING, Event.DIED): (State.QUEUED, ()),
    (State.RUNNING, Event.STOP): (State.STOPPING, (Action.STOP,)),
    (State.STOPPING, Event.COMPLETED): (State.COMPLETED, ()),
    (State.STOPPING, Event.FAILED): (State.STOPPED, (Action.END,)),
    (State.STOPPING, Event.DIED): (State.STOPPED, (Action.END,)),
    (State.STOPPING, Event.STOP): (State.STOPPING, (Action.STOP,)),
}


def decide(state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """The next state, and what has to be done.

    Raises
    ------
    NoSuchStepError
        If the table has no such row.
    """
    try:
        return _TABLE[state, event]
    except KeyError:
        raise NoSuchStepError(f"{event} cannot happen to a run that is {state}.") from None
