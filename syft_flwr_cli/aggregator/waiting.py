"""The rules of waiting: how long a call waits for its replies, and when what came is too little.

A timeout in the call wins; else what a person set (``--timeout``, own settings, project); else
``SYFT_FLWR_MSG_TIMEOUT``; else there is no limit. Two values that Flower passes without being asked count as none:
the 3,600 s of `Strategy.start`, and a message's default time to live of twelve hours. The legacy API has no timeout
in its calls; it gives a round's timeout to the messages as their time to live, so that counts as the call's.

Where a person set a grace period, a call that has enough usable answers waits for the others only that much longer.
Knows neither store nor journal; what has been answered is asked of a function that is passed in.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from syft_flwr_cli.errors import TooFewRepliesError
from syft_flwr_cli.project.enough import Enough

__all__ = [
    "NO_LIMIT",
    "STRATEGY_TIMEOUT",
    "AnswerCount",
    "GracePeriod",
    "QuestionCount",
    "grace_end",
    "lifetime",
    "wait_limit",
]

Phase = tuple[int, str]
"""The round and the type of message, as the app counts them."""

STRATEGY_TIMEOUT = 3600.0
"""What `Strategy.start` passes to every call unless it is told otherwise, in seconds."""

NO_LIMIT = 10 * 365 * 86400.0
"""Seconds until a message expires whose app set no time to live: the envelope has to name some time."""

MANY_QUESTIONS, LONG = 5, 4.0
"""Asked so often in so many seconds who takes part, without a message sent so far, an app waits for more."""


def wait_limit(
    timeout: float | None,
    ttls: Collection[float],
    *,
    default_ttl: float,
    chosen: float | None,
    default: float | None,
) -> float | None:
    """How many seconds a call waits; None is without limit.

    Parameters
    ----------
    timeout : float, optional
        The call's own.
    ttls : collection of float
        The times to live of its messages.
    default_ttl : float
        The one that Flower gives to a message whose app says nothing.
    chosen, default : float, optional
        What a person set, and the default where one is set.
    """
    if timeout is not None and timeout != STRATEGY_TIMEOUT:
        return max(0.0, timeout)
    if ttls and all(ttl != default_ttl for ttl in ttls):
        return None  # the messages expire by themselves
    return chosen if chosen is not None else default


def lifetime(ttl: float, age: float, default_ttl: float) -> float:
    """Seconds for which a message may still be answered, ``age`` seconds after it was made."""
    return NO_LIMIT if ttl == default_ttl else ttl - age


def grace_end(enough: Enough, grace: float, asked: int, answered: Collection[float]) -> float | None:
    """When a call goes on without the others; None while too few have answered.

    Parameters
    ----------
    enough : Enough
        How many usable answers are enough.
    grace : float
        Seconds for which the others are waited for after that.
    asked : int
        How many data owners were asked.
    answered : collection of float
        The times of the usable answers so far, of one clock, in seconds; the result is of the same clock.
    """
    needed = enough.of(asked)
    return sorted(answered)[needed - 1] + grace if 0 < needed <= len(answered) else None


@dataclass(slots=True)
class _Joint:
    """Calls that wait together: the ids of their messages, and when the usable answers were seen."""

    waiting: int = 0
    open: set[str] = field(default_factory=set)
    asked: int = 0
    answered: list[float] = field(default_factory=list)


class GracePeriod:
    """Until when calls wait for the remaining answers, once enough have come. Thread-safe.

    A call with several messages is judged by itself. Calls with one message each that wait at the same time in the
    same phase are judged together: the legacy API makes one for every data owner, each in a thread of its own.

    Parameters
    ----------
    enough : Enough, optional
        How many usable answers are enough.
    seconds : float, optional
        The grace period; without it, and without ``enough``, all are waited for.
    usable : callable
        Of a message's id: whether its answer is usable; None while it is open. An error is no usable answer, nor
        is the end of a request without one.
    clock : callable
        Seconds, the same as the deadlines of the calls.
    """

    def __init__(
        self,
        enough: Enough | None,
        seconds: float | None,
        usable: Callable[[str], bool | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._enough, self._seconds = enough, seconds
        self._usable, self._clock = usable, clock
        self._single: dict[Phase, _Joint] = {}
        self._lock = threading.Lock()

    @contextmanager
    def call(self, phase: Phase, ids: Collection[str]) -> Iterator[Callable[[], float | None]]:
        """A call waits for the answers to ``ids``; what it is given says when it goes on (None: not yet known)."""
        with self._lock:
            joint = self._single.setdefault(phase, _Joint()) if len(ids) == 1 else _Joint()
            joint.waiting += 1
            joint.open.update(ids)
            joint.asked += len(ids)
        try:
            yield lambda: self._end(joint)
        finally:
            with self._lock:
                joint.waiting -= 1
                if not joint.waiting and self._single.get(phase) is joint:
                    del self._single[phase]

    def _end(self, joint: _Joint) -> float | None:
        if self._enough is None or self._seconds is None:
            return None
        with self._lock:
            now = self._clock()
            found = {mid: usable for mid in joint.open if (usable := self._usable(mid)) is not None}
            joint.open.difference_update(found)
            joint.answered.extend(now for usable in found.values() if usable)
            return grace_end(self._enough, self._seconds, joint.asked, joint.answered)


@dataclass(slots=True)
class AnswerCount:
    """Counts who was asked and who answered well in the phases of a run, and says when that is too little.

    A call with several messages is a phase of its own and is judged when it returns. The legacy API makes a call
    for every message, each in a thread of its own: those of a phase are judged when the next phase begins.
    """

    enough: Enough | None
    _open: dict[tuple[int, str], tuple[set[str], set[str]]] = field(default_factory=dict)

    def begin(self, phase: tuple[int, str]) -> None:
        """A request of ``phase`` is about to go out. Raises `TooFewRepliesError` for the phase before."""
        for other in [key for key in self._open if key != phase]:
            asked, good = self._open.pop(other)
            self._judge(asked, good)

    def returned(self, phase: tuple[int, str], asked: Sequence[str], good: Collection[str]) -> None:
        """A call that waited for replies returns. Raises `TooFewRepliesError`."""
        if len(asked) > 1:
            self._judge(set(asked), set(good))
        else:
            known = self._open.setdefault(phase, (set(), set()))
            known[0].update(asked)
            known[1].update(good)

    def finish(self) -> None:
        """The ServerApp is through. Raises `TooFewRepliesError` for the last phase."""
        self.begin((-1, ""))

    def _judge(self, asked: set[str], good: set[str]) -> None:
        if self.enough is None or len(good) >= self.enough.of(len(asked)):
            return
        raise TooFewRepliesError(
            f"{len(good)} of {len(asked)} data owners answered; the run needs {self.enough}. "
            f"No answer of use from {', '.join(sorted(asked - good))}.",
            hint="Give them more time (--timeout 24h), find out what keeps them (their run-client says it), "
            "or ask for fewer (--enough).",
        )


@dataclass(slots=True)
class QuestionCount:
    """Counts how often an app that has sent nothing asks who takes part."""

    asked: int = 0
    first: float = 0.0

    def too_many(self, now: float) -> bool:
        """Note one more question at ``now`` (seconds); whether they show that the app waits for more data owners."""
        self.asked += 1
        if self.asked == 1:
            self.first = now
        elif self.asked > MANY_QUESTIONS and now > self.first + LONG:
            self.asked = 0
            return True
        return False
