"""What a data owner's node hands to whatever runs the app, and what comes back. Knows no Flower."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.transports.base import Buffer

__all__ = ["EgressRecord", "Hold", "Task", "TaskResult", "WrittenReply"]


@dataclass(slots=True)
class Task:
    """A request, opened: what is executed.

    Parameters
    ----------
    id, run : str
        The request and its run.
    body : Body
        What it says; its slots index into ``body.inline`` and ``shared``.
    offsets : list of int
        Where in ``shared`` each payload's content begins.
    shared : SharedBytes, optional
        The contents of the payloads, one after the other.
    state : bytes, optional
        The state of the run as the last response left it; None at first.
    attempts : int
        As which attempt to execute it this is, from 1.
    """

    id: str
    run: str
    body: Body
    offsets: list[int]
    shared: SharedBytes | None
    state: bytes | None
    attempts: int

    def close(self) -> None:
        """Let go of the memory."""
        if self.shared is not None:
            self.shared.close()


class EgressRecord(Protocol):
    """What leaves with one reply, as it is kept (a document) and logged (an entry of the audit log)."""

    def document(self) -> dict[str, Any]:
        """In the types of JSON."""
        ...

    def audit_entry(self) -> dict[str, Any]:
        """The short form."""
        ...


@dataclass(slots=True)
class TaskResult:
    """What came of it: a reply taken apart or an error, and the new state if it changed.

    ``ran`` says whether the app was executed, and ``withheld`` that what came of that is not sent; ``egress`` is the
    record of what leaves with it.
    """

    skeleton: bytes = b""
    places: Sequence[tuple[str | int, ...]] = ()
    blobs: Sequence[Buffer] = ()
    error: tuple[int, str] | None = None
    state: bytes | None = None
    release: Callable[[], None] = lambda: None
    ran: bool = True
    withheld: bool = False
    egress: EgressRecord | None = None


@dataclass(frozen=True, slots=True)
class WrittenReply:
    """A reply of the app's that is written down and about to be published: of which request, and what is in it.

    ``record`` is its egress record, as the journal keeps it; ``type`` is that of the request.
    """

    id: str
    run: str
    type: str
    record: Mapping[str, Any]


Hold = Callable[[WrittenReply], str | None]
"""Says in a sentence why a reply that is written down is not sent after all; None lets it go."""
