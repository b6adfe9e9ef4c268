"""Events of a run at a data owner: what was executed, answered, withheld, and how it ended."""

from dataclasses import dataclass

from syft_flwr_cli.events.base import Event, with_full_stop

__all__ = [
    "AnsweredBefore",
    "AppRaised",
    "NodeReady",
    "PayloadAwaited",
    "PayloadDamaged",
    "ReplyWithheld",
    "RequestAnswered",
    "RequestExecuting",
    "RequestNotExecuted",
    "ResponseConsumed",
    "RunConfigDiffers",
    "RunJoined",
    "RunStopped",
    "StopWasEarlier",
]


@dataclass(frozen=True, slots=True)
class NodeReady(Event):
    """A data owner's app is ready for requests."""

    kind = "node-ready"
    email: str
    aggregator: str

    def sentence(self) -> str:
        return f"{self.email} is ready and waits for {self.aggregator}."


@dataclass(frozen=True, slots=True)
class RunJoined(Event):
    """The first request of a run has come."""

    kind = "run-started"
    run: str

    def sentence(self) -> str:
        return f"Run {self.run} has begun."


@dataclass(frozen=True, slots=True)
class RequestExecuting(Event):
    """The app works on a request."""

    kind = "executing"
    message: str
    type: str
    round: int | None
    run: str

    def sentence(self) -> str:
        number = f", round {self.round}" if self.round is not None else ""
        return f"Working on {'an' if self.type[:1] in 'aeiou' else 'a'} {self.type} request{number}."


@dataclass(frozen=True, slots=True)
class RequestAnswered(Event):
    """A request was answered. ``error`` is the first line of what went wrong in the app."""

    kind = "answered"
    level = "detail"  # of an error `AppRaised` has told before
    message: str
    type: str
    error: str | None = None

    def sentence(self) -> str:
        return "Answered." if self.error is None else f"The app failed; the aggregator was told: {self.error}"


@dataclass(frozen=True, slots=True)
class PayloadAwaited(Event):
    """A request has come, and its arrays have not."""

    kind = "payload-awaited"
    message: str

    def sentence(self) -> str:
        return "A request is here, its arrays are still on their way."


@dataclass(frozen=True, slots=True)
class PayloadDamaged(Event):
    """A request's arrays are not what it says they are."""

    kind = "payload-damaged"
    level = "notice"
    message: str
    detail: str

    def sentence(self) -> str:
        return "A request's arrays are damaged; it waits until they are whole."


@dataclass(frozen=True, slots=True)
class AppRaised(Event):
    """The owner's app failed; what it said is kept here, and the aggregator knows it by ``error`` alone."""

    kind = "app-raised"
    level = "warning"
    message: str
    error: str
    headline: str
    file: str

    def sentence(self) -> str:
        return f"The app failed (error {self.error}): {self.headline}\n    All that it said: {self.file}"


@dataclass(frozen=True, slots=True)
class RunConfigDiffers(Event):
    """The aggregator set a run config that differs from the approved one, as the owner's policy allows."""

    kind = "run-config"
    level = "notice"
    run: str
    detail: str

    def sentence(self) -> str:
        return f"{self.detail}."


@dataclass(frozen=True, slots=True)
class ReplyWithheld(Event):
    """The owner's policy does not let leave what came of a request; the aggregator was told which rule."""

    kind = "withheld"
    level = "notice"
    message: str
    detail: str

    def sentence(self) -> str:
        return f"A reply was withheld by your policy: {with_full_stop(self.detail)}"


@dataclass(frozen=True, slots=True)
class RequestNotExecuted(Event):
    """The owner's approval or policy did not let a request pass; the aggregator was told."""

    kind = "policy"
    level = "notice"
    message: str
    detail: str

    def sentence(self) -> str:
        return f"A request was not executed: {with_full_stop(self.detail)}"


@dataclass(frozen=True, slots=True)
class ResponseConsumed(Event):
    """The aggregator has what was answered to a request."""

    kind = "consumed"
    level = "detail"
    message: str


@dataclass(frozen=True, slots=True)
class AnsweredBefore(Event):
    """A request is one that an earlier installation answered."""

    kind = "answered-before"
    message: str

    def sentence(self) -> str:
        return f"Request {self.message} was answered by an earlier installation; not executed again."


@dataclass(frozen=True, slots=True)
class StopWasEarlier(Event):
    """A stop signal is of a run that ended before this node joined. ``ended``: seconds since 1970."""

    kind = "old-stop"
    run: str
    reason: str
    ended: float

    def sentence(self) -> str:
        return f"Run {self.run} ended before this node joined ({self.reason}); it waits for the next one."


@dataclass(frozen=True, slots=True)
class RunStopped(Event):
    """The aggregator has ended a run."""

    kind = "stopped"
    run: str
    reason: str
    answered: int

    def sentence(self) -> str:
        return f"Run {self.run} is over: {with_full_stop(self.reason)} Answered {self.answered} requests."
