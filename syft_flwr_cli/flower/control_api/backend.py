"""What stands behind the Control API: runs, nodes and users as plain values, and the calls that a backend answers.

Nothing here knows Flower's wire; nothing in ``wire`` and ``server`` knows how runs are carried out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Protocol

__all__ = [
    "Backend",
    "ControlError",
    "Failure",
    "FederationSummary",
    "LogChunk",
    "NodeSummary",
    "RunSummary",
    "Scalar",
    "Submission",
    "User",
]

Scalar = bool | int | float | str
"""A value of a run config."""


class Failure(IntEnum):
    """Why a call is refused, with Flower's own number (``ApiErrorCode`` of flwr 1.40 to 1.42)."""

    NO_FEDERATION_MANAGEMENT = 1
    FORBIDDEN = 9
    FAILED_TO_CREATE_RUN = 14
    INVALID_RUN_CONFIG = 15
    RUN_NOT_FOUND = 16
    RUN_ALREADY_FINISHED = 18
    NO_ACCOUNT_AUTH = 19
    PULL_UNFINISHED_RUN = 21
    FEDERATION_NOT_FOUND = 26
    RUN_OF_SOMEBODY_ELSE = 31
    INVALID_APP_SPEC = 33
    NOT_AUTHENTICATED = 36
    UNSUPPORTED_CONTENT_TYPE = 1002
    INVALID_REQUEST = 1003


class ControlError(Exception):
    """A call that is refused; ``sentence`` is shown to the user.

    Parameters
    ----------
    failure : Failure
        Flower's number.
    sentence : str
        What, why and what to do.
    """

    def __init__(self, failure: Failure, sentence: str) -> None:
        super().__init__(sentence)
        self.failure, self.sentence = failure, sentence


@dataclass(frozen=True, slots=True)
class User:
    """Who calls: a name, and whether they see and stop everybody's runs."""

    name: str
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Submission:
    """An app to run: the bytes of the FAB, the values that override its run config, the federation's name.

    ``verifications`` is what Flower says about the FAB; it is kept beside it and nothing is concluded from it.
    """

    fab: bytes
    run_config: Mapping[str, Scalar]
    federation: str
    verifications: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, as lists show it.

    ``status`` is Flower's: pending, starting, running or finished; ``sub_status`` of a finished run is completed,
    failed or stopped. Times are ISO 8601 in UTC, empty where it has not come to that.
    """

    run_id: int
    fab_id: str
    fab_version: str
    fab_hash: str
    federation: str
    user: str
    status: str
    sub_status: str = ""
    details: str = ""
    pending_at: str = ""
    starting_at: str = ""
    running_at: str = ""
    finished_at: str = ""
    run_config: Mapping[str, Scalar] = field(default_factory=dict)
    bytes_sent: int = 0
    bytes_received: int = 0
    client_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NodeSummary:
    """One data owner: its node id, e-mail, whether it was seen lately (``online`` or ``offline``), since when."""

    node_id: int
    email: str
    status: str
    registered_at: str
    last_seen_at: str = ""


@dataclass(frozen=True, slots=True)
class FederationSummary:
    """A named set of data owners."""

    name: str
    description: str
    nodes: Sequence[NodeSummary] = ()
    runs: Sequence[RunSummary] = ()


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Some of a run's log, and the time (seconds since 1970) of its last line. Empty text is a sign of life."""

    text: str
    latest: float


class Backend(Protocol):
    """Answers the calls. Every method may be called from several threads; refusals are `ControlError`."""

    def authenticate(self, token: str | None) -> User | None:
        """Whose token this is; None if it is nobody's."""
        ...

    def start_run(self, user: User, submission: Submission) -> tuple[int, str]:
        """Take a run in; its id and a note for the user (empty if there is nothing to note)."""
        ...

    def list_runs(self, user: User, run_id: int | None, limit: int | None, skip: int) -> Sequence[RunSummary]:
        """The newest runs first, or one run."""
        ...

    def stop_run(self, user: User, run_id: int) -> None:
        """End a run."""
        ...

    def stream_log(self, user: User, run_id: int, after: float) -> Iterator[LogChunk]:
        """The log from a time on; ends with the run. Yields at least once a second."""
        ...

    def artifacts(self, user: User, run_id: int) -> str:
        """The path and query, on this server, from which the run's results can be loaded for a while."""
        ...

    def open_artifacts(self, ticket: str) -> Path | None:
        """The archive that a path of `artifacts` names; None if it names none (any more)."""
        ...

    def nodes(self, user: User) -> Sequence[NodeSummary]:
        """The data owners."""
        ...

    def federations(self, user: User) -> Sequence[FederationSummary]:
        """The federations, with their nodes and runs."""
        ...
