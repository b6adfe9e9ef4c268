"""Events of a run at the aggregator: what the ServerApp asked, got, and waits for."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syft_flwr_cli.events.base import Event, lasting, with_full_stop

__all__ = [
    "ReplyDelivered",
    "ReplyLate",
    "ReplyMissing",
    "RequestPrepared",
    "RequestsPublished",
    "RunBegun",
    "RunDiverged",
    "RunEnded",
    "StillWaiting",
    "WaitsForMore",
]


@dataclass(frozen=True, slots=True)
class RunBegun(Event):
    """The aggregator begins a run, or takes up an unfinished one."""

    kind = "run"
    run: str
    resumed: bool
    datasites: tuple[str, ...]

    def sentence(self) -> str:
        how = "Taking up" if self.resumed else "Starting"
        return f"{how} run {self.run} with {len(self.datasites)} data owners."


@dataclass(frozen=True, slots=True)
class RequestPrepared(Event):
    """The ServerApp asks a data owner for something; the first thing of a round."""

    kind = "asked"
    level = "detail"
    peer: str
    type: str
    round: int


@dataclass(frozen=True, slots=True)
class RequestsPublished(Event):
    """All requests of one push to the data owners are on their way."""

    kind = "requests-published"
    level = "detail"
    type: str
    round: int


@dataclass(frozen=True, slots=True)
class ReplyDelivered(Event):
    """The ServerApp got a reply: metrics or an error; whether it was executed (``partakes``), and on which data."""

    kind = "reply"
    level = "detail"
    peer: str
    type: str
    round: int
    metrics: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    partakes: bool = True
    data: str | None = None


@dataclass(frozen=True, slots=True)
class ReplyMissing(Event):
    """The ServerApp was told that a data owner has not answered."""

    kind = "reply-missing"
    level = "detail"
    peer: str


@dataclass(frozen=True, slots=True)
class ReplyLate(Event):
    """At the end of a run: an answer came after its time, and the ServerApp did not ask for it any more."""

    kind = "reply-late"
    level = "notice"
    peer: str
    type: str
    round: int

    def sentence(self) -> str:
        return f"The answer of {self.peer} to {self.type} of round {self.round} came too late to count."


@dataclass(frozen=True, slots=True)
class StillWaiting(Event):
    """The ServerApp waits for these data owners, since ``since`` and, where it has a limit, until ``until``."""

    kind = "still-waiting"
    level = "notice"
    peers: tuple[str, ...]
    since: float
    waited: float = 0.0
    until: float | None = None

    def sentence(self) -> str:
        some = ", ".join(self.peers[:10]) + (f" and {len(self.peers) - 10} more" if self.peers[10:] else "")
        if self.until is None:
            end = "no limit (Ctrl-C pauses the run; --timeout limits the waiting)"
        else:
            now = time.localtime(self.since + self.waited)
            then = time.localtime(self.until)
            same_day = now[:3] == then[:3]
            end = f"until {time.strftime('%H:%M' if same_day else '%d %b %H:%M', then)}"
        return f"Still waiting for {some}, {lasting(self.waited)}; {end}."


@dataclass(frozen=True, slots=True)
class RunDiverged(Event):
    """A ServerApp that was started again did something else than before, and goes on live as it was told to."""

    kind = "diverged"
    level = "notice"
    detail: str

    def sentence(self) -> str:
        return self.detail


@dataclass(frozen=True, slots=True)
class WaitsForMore(Event):
    """The ServerApp seems to wait for more data owners than the run has."""

    kind = "waits-for-more"
    level = "warning"
    repeats = float("inf")
    count: int

    def sentence(self) -> str:
        return (
            f"The ServerApp goes on asking who takes part and sends nothing. This run has {self.count} data owners, "
            "and there will not be more: should it wait for more (min_available_nodes, min_train_nodes, …), pause it "
            "with Ctrl-C, and name more data owners or ask for fewer."
        )


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """A run of the aggregator's ended: ``finished``, ``failed`` or ``stopped``."""

    kind = "run-ended"
    level = "detail"
    run: str
    state: str
    reason: str

    def sentence(self) -> str:
        return f"Run {self.run} {self.state}: {with_full_stop(self.reason)}"
