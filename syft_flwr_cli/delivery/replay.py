"""What an earlier process of a run has sent must be sent again, in the same places, before anything new is.

`Replay` gives every request its place (its number in the order of requests to its recipient) and compares it
with the journal. A request that differs, or is missing, means that the ServerApp does something else than
before: the run has diverged, and nothing more is sent unless that is accepted.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.payload_plan import Digests
from syft_flwr_cli.errors import DivergenceError
from syft_flwr_cli.events import RunDiverged
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.storage.journal import RequestMeta, RequestRow
from syft_flwr_cli.transports.base import Buffer

__all__ = ["OutgoingRequest", "Replay", "SequencedRequest"]


@dataclass(slots=True)
class OutgoingRequest:
    """A request that is about to be pushed.

    Parameters
    ----------
    recipient : str
        The data owner.
    body : Body
        Type, group, round, skeleton and run config; the byte strings are in ``places`` and ``blobs``.
    digest : bytes
        Of the content: what makes this request this one (32 bytes).
    outline : mapping
        The content in words, to say what differs if the run diverges.
    response_timeout : float
        Seconds for which it may be answered.
    """

    recipient: str
    body: Body
    digest: bytes
    outline: Mapping[str, str] = field(default_factory=dict)
    places: Sequence[tuple[str | int, ...]] = ()
    blobs: Sequence[Buffer] = ()
    response_timeout: float = 120.0
    meta: RequestMeta = field(default_factory=lambda: RequestMeta(0.0))
    digests: Digests = field(default_factory=Digests)


@dataclass(frozen=True, slots=True)
class SequencedRequest:
    """A draft in its place: its message id, and what stood there before, if this is a repetition."""

    draft: OutgoingRequest
    id: str
    sequence_number: int
    before: RequestRow | None


class Replay:
    """The order of one run's requests; made in the ServerApp's own thread. Whoever sends holds a lock.

    Parameters
    ----------
    channel : Channel
        The aggregator's.
    run : str
        The run's id in decimal.
    accept_divergence : bool
        Go on live from where the ServerApp does something else than before, instead of raising.
    fail : callable
        Hears of the divergence before it is raised: some callers take an exception for a mere absence.
    """

    def __init__(
        self, channel: Channel, run: str, accept_divergence: bool, fail: Callable[[BaseException], None]
    ) -> None:
        self._email, self._app = channel.email, channel.app
        self._journal, self._transport = channel.journal, channel.transport
        self._audit, self._clock, self._emit = channel.audit, channel.clock, channel.emit
        self._run = run
        self._accept_divergence = accept_divergence
        self._fail = fail
        self._ordinals: dict[str, int] = {}
        self._earlier = {(row.recipient, row.sequence_number): row for row in channel.journal.positions(run)}
        self._home = threading.get_ident()
        self._elsewhere = False

    def place(self, drafts: Sequence[OutgoingRequest]) -> list[SequencedRequest]:
        """Give the drafts of one call their places.

        Raises
        ------
        DivergenceError
            If another request stood in one of these places, or one is missing before them.
        """
        self._elsewhere = self._elsewhere or threading.get_ident() != self._home
        placed = [self._place(draft) for draft in drafts]
        if self._earlier and any(item.before is None for item in placed):
            self._compare_calls(placed)
        return placed

    def _place(self, draft: OutgoingRequest) -> SequencedRequest:
        recipient = draft.recipient
        sequence_number = self._ordinals.get(recipient, 0)
        self._ordinals[recipient] = sequence_number + 1
        mid = names.message_id(self._run, recipient, sequence_number, draft.digest)
        before = self._journal.sent_at(self._run, recipient, sequence_number)
        if before is not None and before.digest != draft.digest:
            self._diverge(_difference(before, draft))
            before = None
        self._earlier.pop((recipient, sequence_number), None)
        return SequencedRequest(draft, mid, sequence_number, before)

    def _compare_calls(self, placed: Sequence[SequencedRequest]) -> None:
        """Something new is sent although not all is sent again that an earlier process sent.

        One call is one transaction, so it is new as a whole or not at all; and who sends from the ServerApp's
        own thread sends in one order. With threads of its own the others may only be late: `finish` will see.
        """
        news = [item.draft for item in placed if item.before is None]
        if len(news) == len(placed) and self._elsewhere:
            return
        self._diverge(
            f"A request to {news[0].recipient} ({_label(news[0].outline, news[0].meta)}) is new, but "
            f"{self._first_missing()}, which was sent before this run was interrupted, is not sent again."
        )

    def finish(self) -> None:
        """The ServerApp is through: see that it has sent all that an earlier process had sent.

        Raises
        ------
        DivergenceError
            If not.
        """
        if self._earlier:
            self._diverge(
                f"The ServerApp ended without sending {self._first_missing()} again, which was sent "
                "before this run was interrupted."
            )

    def _first_missing(self) -> str:
        place = min(self._earlier.values(), key=lambda place: place.position)
        row = self._journal.sent(place.id)
        label = _label(row.outline, row.meta) if row is not None else ""
        return f"request {place.sequence_number + 1} to {place.recipient} ({label})"

    def _diverge(self, sentence: str) -> None:
        """Stop here, or, if that is accepted, forget everything of before that has not been repeated."""
        if not self._accept_divergence:
            error = DivergenceError(
                sentence,
                hint="Something in the ServerApp is not the same each time (unseeded randomness, the clock, "
                "changed code or data). Go on from here with --accept-divergence, or begin anew with --fresh.",
            )
            self._fail(error)
            raise error
        self._emit(RunDiverged(sentence))
        gone = list(self._earlier.values())
        now = self._clock()
        for row in gone:
            self._transport.remove(names.request_path(self._email, row.recipient, self._app, row.id))
        self._journal.drop_sent(
            [row.id for row in gone],
            [
                {
                    "event": "removed",
                    "time": now,
                    "message": row.id,
                    "peer": row.recipient,
                    "why": "the run diverged",
                }
                for row in gone
            ],
        )
        self._earlier.clear()
        self._audit.flush()


def _difference(before: RequestRow, draft: OutgoingRequest) -> str:
    where = f"Request {before.sequence_number + 1} to {before.recipient}"
    old, new = before.outline, draft.outline
    changed = [key for key in [*old, *(key for key in new if key not in old)] if old.get(key) != new.get(key)]
    if not changed:
        return f"{where} is not the one that was sent before this run was interrupted."
    key = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return (
        f"{where} ({_label(new, before.meta)}) is not the one that was sent before this run was interrupted: "
        f"{key} was {old.get(key, 'absent')!r} and is {new.get(key, 'absent')!r} now{more}."
    )


def _label(outline: Mapping[str, str], meta: RequestMeta) -> str:
    return f"{outline.get('type', '')}, {meta.label}".strip(", ")
