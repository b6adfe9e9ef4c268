"""Intake of requests: genuine ones from the one aggregator, each opened and kept until it is dealt with.

A request is taken only whole, signed, sealed for us, of a run that goes on; anything else is refused with one
sentence and not answered. One that was answered before makes its response go out again. A bounded number of files
is looked at in one turn, so that a flood does not keep genuine requests from being executed. Used from one thread.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.folder_reader import FolderReader
from syft_flwr_cli.delivery.recent import Recent
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, decode_body
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Incoming
from syft_flwr_cli.security.envelope import Envelope, read_envelope
from syft_flwr_cli.storage.journal import Request

__all__ = ["PendingRequest", "RequestIntake"]

REMEMBERED = 256
"""Of how many dropped requests it is remembered, so that they are not looked into again."""


@dataclass(slots=True)
class PendingRequest:
    """A genuine request that has not been dealt with.

    ``claimed`` is its row once it is about to be executed; ``said`` and ``wrong`` are what was told of it so far.
    """

    envelope: Envelope
    body: Body
    claimed: Request | None = None
    said: set[str] = field(default_factory=set)
    wrong: str = ""

    @property
    def header(self) -> Header:
        """The header of its envelope."""
        return self.envelope.header


class RequestIntake:
    """The requests of one aggregator.

    Parameters
    ----------
    channel : Channel
        The data owner's.
    aggregator : str
        The only one whose requests are looked at.
    again : callable
        Hears of a request that has been answered and is here again, and of its digest as it is now.
    mismatch : callable
        Hears of a request that is not sealed as ours are.
    """

    def __init__(
        self,
        channel: Channel,
        aggregator: str,
        again: Callable[[Request, str], None],
        mismatch: Callable[[Envelope], None],
    ) -> None:
        self._channel = channel
        self._journal, self._keys = channel.journal, channel.keys
        self._aggregator = aggregator
        self._again = again
        self._mismatch = mismatch
        self._mismatched: list[Envelope] = []
        folder = names.rpc_folder(aggregator, channel.email, channel.app)
        self._reader = FolderReader(
            channel.transport.once, aggregator, folder, ".request", channel.quarantine
        )
        self._old: set[str] | None = None
        self._ignored: Recent[str, str] = Recent(REMEMBERED)
        self.pending: dict[str, PendingRequest] = {}

    def take_new(self) -> bool:
        """Look at what is new, for one turn; whether something is left for the next."""
        self._reader.note_new()
        if self._old is None:
            self._old = set(self._reader.waiting())
        batch = self._reader.batch()
        for mid in batch:
            known = self._journal.request(mid)
            over = known if known is not None and known.state is not Incoming.CLAIMED else None
            if over is not None and mid in self._old and not self._may_be_anew(over):
                self._reader.done(mid)  # of the time before this process: nobody has asked for it again
            else:
                self._reader.take(mid, partial(self._check, mid), partial(self._accept, mid, over))
            self._old.discard(mid)
        while self._mismatched:  # only now, when the refusal is noted: a later process knows the report by it
            self._mismatch(self._mismatched[0])
            del self._mismatched[0]
        return bool(batch) and self._reader.has_more()

    def _may_be_anew(self, over: Request) -> bool:
        """Whether it may be asked for anew what was acknowledged: by one whose home was restored meanwhile."""
        run = self._journal.run(over.run)
        return over.state is Incoming.ACKNOWLEDGED and run is not None and run.ended is None

    def in_order(self) -> list[PendingRequest]:
        """The pending requests, oldest first."""
        return sorted(self.pending.values(), key=lambda one: (one.header.created, one.header.id))

    def drop(self, mid: str) -> None:
        """A request is not executed, and is not looked at again."""
        pending = self.pending.pop(mid, None)
        if pending is not None:
            self._ignored[mid] = pending.envelope.digest

    def refuse(self, pending: PendingRequest, error: RefusedError) -> None:
        """Drop a request, and say why."""
        mid = pending.header.id
        self.drop(mid)
        self._channel.quarantine.refuse(
            self._aggregator, self._reader.path(mid), pending.envelope.line, error
        )

    def _check(self, mid: str, header: Header) -> None:
        if header.kind != "request" or header.endpoint != names.MESSAGES_ENDPOINT:
            raise RefusedError("misaddressed", "it is no request to this endpoint")
        if header.id != mid:
            raise RefusedError("replayed", "its file has another name than the id it was signed with")
        if header.app != self._channel.app:
            raise RefusedError("wrong-app", f"it is for the app {header.app}")
        if header.sender != self._aggregator:
            raise RefusedError("stranger", f"it says it is from {header.sender}, who is not the aggregator")
        if header.recipient != self._channel.email:
            raise RefusedError("misaddressed", f"it is for {header.recipient}")

    def _accept(self, mid: str, over: Request | None, data: bytes) -> bool:
        if self._keys.of(self._aggregator) is None:
            # The request may overtake the document that says whose it is.
            return False
        envelope = read_envelope(data)
        if over is not None and envelope.digest == over.digest:
            if mid not in (self._old or ()):
                self._again(over, envelope.digest)
            return True
        before = self.pending.get(mid)
        if envelope.digest in (self._ignored.get(mid), before and before.envelope.digest):
            return True
        try:
            body = self._open(envelope)
        except RefusedError as error:
            if error.reason == "plaintext":
                self._mismatched.append(envelope)
            raise
        # Asked again with more time to answer: the later request takes the place of the earlier one.
        if over is not None:
            self._again(over, envelope.digest)
            return True
        self.pending[mid] = PendingRequest(envelope, body)
        return True

    def _open(self, envelope: Envelope) -> Body:
        body = decode_body(self._keys.unseal(envelope, self._aggregator))
        run = self._journal.run(envelope.header.run)
        if run is not None and run.ended is not None and body.stop is None:
            raise RefusedError("wrong-run", f"run {run.run} has ended ({run.reason})")
        if self._journal.is_past(envelope.header.run) and body.stop is None:
            raise RefusedError("wrong-run", f"run {envelope.header.run} ended long ago")
        return body

    def close(self) -> None:
        """Look no more."""
        self._reader.close()
