"""What a report says, as values: the run, its rounds, who was asked when, who approved what, what it was made from.

Plain data without I/O; services fill it, `page` shows it. Everything that a participant or an app wrote is
kept as it was written: whoever shows it escapes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Approval", "Phase", "Round", "RunReport", "Span"]


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a round: counts, errors by owner, late answers, seconds, bytes written, and the metrics.

    ``owners`` has each owner's metrics, ``overall`` what was made of them.
    """

    name: str
    asked: int
    answered: int
    failed: Mapping[str, str] = field(default_factory=dict)
    late: Sequence[str] = ()
    seconds: float = 0.0
    bytes_written: int = 0
    overall: Mapping[str, Any] = field(default_factory=dict)
    owners: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Round:
    """A round and its phases, in their order."""

    number: int
    phases: Sequence[Phase]


@dataclass(frozen=True, slots=True)
class Span:
    """What one owner was asked in one phase: from when to when (seconds since 1970), and how it ended.

    ``ended`` is None while nothing has come; ``kind`` is ``answer``, ``error``, ``absent`` or ``open``.
    """

    owner: str
    round: int
    phase: str
    began: float
    ended: float | None
    kind: str


@dataclass(frozen=True, slots=True)
class Approval:
    """What a data owner has decided on which digest, and when (seconds since 1970)."""

    owner: str
    decision: str
    digest: str
    when: float | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """See the module's first paragraph. Times in seconds since 1970; ``made`` is when the report was made."""

    run: str
    app: str
    project: str
    aggregator: str
    datasites: Sequence[str]
    state: str
    reason: str
    began: float
    ended: float | None
    made: float
    code: str
    run_config: Mapping[str, Any]
    versions: Mapping[str, str]
    rounds: Sequence[Round]
    spans: Sequence[Span] = ()
    restarts: Sequence[float] = ()
    approvals: Sequence[Approval] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[str] = ()
    audit: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)
