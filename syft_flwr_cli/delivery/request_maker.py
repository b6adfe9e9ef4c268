"""From what the ServerApp sends to rows of the journal: payloads written, body put together, envelope sealed.

`RequestMaker` makes what `Outbox` journals and publishes. A recipient for whom nothing can be sealed fails
alone: its request ends, and the others' go on. It publishes payloads, and nothing else.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.payload_plan import plan_payloads
from syft_flwr_cli.delivery.payloads import EVERYBODY, PayloadWriter
from syft_flwr_cli.delivery.replay import OutgoingRequest, SequencedRequest
from syft_flwr_cli.delivery.sealer import Sealer
from syft_flwr_cli.errors import TransportError, TrustError
from syft_flwr_cli.events import KeyAwaited, KeyWithdrawn, StoreFailed
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, encode_body
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Event, Outgoing, decide
from syft_flwr_cli.security.envelope import file_digest, new_nonce
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.storage.journal import RequestMeta, RequestRow

__all__ = ["RequestMaker", "removed_entry", "sent_entry"]

STOP_SEQUENCE_NUMBER = -1
"""The place of the stop signal: outside the sequence that the ServerApp produces."""

ALL_ACKS = 10_000


class RequestMaker:
    """Makes the requests of one run.

    Parameters
    ----------
    channel : Channel
        The aggregator's.
    run : str
        The run's id in decimal.
    datasites : collection of str
        Who may read its payloads.
    issued : mapping
        By id, the digests of envelopes that this home has issued and does not remember.
    unsynced : callable
        Ids of answers that must not be acknowledged yet.
    """

    def __init__(
        self,
        channel: Channel,
        run: str,
        datasites: Collection[str],
        issued: Mapping[str, Sequence[str]],
        unsynced: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._run = run
        self._journal, self._keys = channel.journal, channel.keys
        self._emit, self._clock = channel.emit, channel.clock
        self._inline_limit = channel.transport.properties.inline_limit
        self._sealer = Sealer(channel)
        self._issued = issued
        self._unsynced = unsynced
        self.payloads = PayloadWriter(
            channel.email, channel.app, run, EVERYBODY, datasites, channel.journal, channel.payloads
        )

    def make(self, placed: SequencedRequest, generation: int, now: float) -> RequestRow:
        """A request that was never sent before, sealed if its recipient's key is known."""
        request = placed.draft
        layout = plan_payloads(request.places, request.blobs, self._inline_limit, request.digests)
        refs = self.payloads.ensure(layout.groups, layout.digests, generation)
        unsynced = self._unsynced()
        due = self._journal.due_acks(self._run, request.recipient)
        acks = tuple(mid for mid in due if mid not in unsynced)
        body = replace(
            request.body,
            inline=layout.inline,
            slots=tuple(layout.slots),
            payloads=tuple(refs),
            acks=acks,
            nonce=new_nonce(),
        )
        meta = replace(request.meta, response_timeout=request.response_timeout, acks=acks)
        row = self._row(placed.id, request.recipient, placed.sequence_number, body, meta, now)
        row = replace(row, digest=request.digest, outline=request.outline, refs=tuple(ref.id for ref in refs))
        return self.seal(row, now)

    def stop(self, recipient: str, body: Body, response_timeout: float) -> RequestRow:
        """The stop signal: outside the sequence, carrying all that is still to be acknowledged."""
        mid = stop_id(self._run, recipient)
        acks = tuple(self._journal.due_acks(self._run, recipient, ALL_ACKS))
        now, meta = self._clock(), RequestMeta(response_timeout, acks=acks)
        row = self._row(
            mid, recipient, STOP_SEQUENCE_NUMBER, replace(body, acks=acks, nonce=new_nonce()), meta, now
        )
        return self.seal(row, now)

    def renew(self, row: RequestRow, request: OutgoingRequest, generation: int) -> RequestRow | None:
        """A request of an earlier process, its payloads written again and with time to answer; None if it has ended."""
        if row.state not in (Outgoing.WAITING, Outgoing.SEALED):
            return None
        now = self._clock()
        layout = plan_payloads(request.places, request.blobs, self._inline_limit, request.digests)
        self.payloads.ensure(layout.groups, layout.digests, generation)
        meta = replace(row.meta, response_timeout=request.response_timeout)
        as_now = row.envelope is not None and self._sealer.is_as_now(row.envelope)
        if as_now and row.expires - now > 0.9 * request.response_timeout:
            return replace(row, meta=meta)
        return self.seal_anew(replace(row, meta=meta), now)

    def seal_anew(self, row: RequestRow, now: float) -> RequestRow:
        """`seal`, with its whole time to answer from ``now``, in the journal too."""
        sealed = self.seal(replace(row, expires=now + row.meta.response_timeout), now)
        if sealed.envelope is not None and sealed.envelope != row.envelope:
            self._journal.seal_sent(row.id, sealed.envelope, sealed.digests[-1], sealed.expires)
        return sealed

    def seal(self, row: RequestRow, now: float) -> RequestRow:
        """The row with a new envelope; as it is while the recipient's key is not known.

        Absent, if nothing can be sealed for its recipient.
        """
        peer = self._key_of(row.recipient)
        if peer is None:
            return row
        assert row.body is not None
        try:
            envelope = self._sealer.request(row.id, self._run, peer, row.body, now, row.expires)
        except RefusedError as error:
            self._emit(StoreFailed(f"Nothing can be sealed for {row.recipient}: {error.what}", error.hint))
            after, _ = decide(row.state, Event.UNSEALABLE)
            return replace(row, state=after)
        state, _ = decide(row.state, Event.SEAL)
        before = dict.fromkeys((*row.digests, *self._issued.get(row.id, ())))
        return replace(row, state=state, envelope=envelope, digests=(*before, file_digest(envelope)))

    def _key_of(self, recipient: str) -> PublicIdentity | None:
        """The key to seal with; None while there is none.

        One that was good and is no more (its owner has revoked it, or we have) makes its data owner absent: that
        must not end the run of the others.
        """
        try:
            peer = self._keys.of(recipient, fresh=True)
        except TransportError as error:  # it is looked up again with the next look at the store
            self._emit(StoreFailed(error.what, error.hint))
            return None
        except TrustError as error:
            if not self._keys.has_met(recipient):
                raise
            self._emit(KeyWithdrawn(recipient, error.what, error.hint))
            return None
        if peer is None:
            self._emit(KeyAwaited(recipient))
        return peer

    def _row(
        self, mid: str, recipient: str, number: int, body: Body, meta: RequestMeta, now: float
    ) -> RequestRow:
        state, _ = decide(Outgoing.NEW, Event.PUSH)
        return RequestRow(
            id=mid,
            run=self._run,
            recipient=recipient,
            sequence_number=number,
            state=state,
            digest=bytes(32),
            outline={},
            meta=meta,
            created=now,
            expires=now + meta.response_timeout,
            body=encode_body(body),
            envelope=None,
            digests=(),
            refs=(),
            reply=None,
            replied=None,
        )


def stop_id(run: str, recipient: str) -> str:
    """The id of the stop signal of a run to a data owner."""
    return names.message_id(run, recipient, STOP_SEQUENCE_NUMBER, bytes(32))


def removed_entry(row: RequestRow, why: str, now: float) -> dict[str, object]:
    """What the audit log hears of a request that ends without an answer."""
    return {"event": "removed", "time": now, "message": row.id, "peer": row.recipient, "why": why}


def sent_entry(row: RequestRow, now: float) -> dict[str, object]:
    """What the audit log hears of a request that goes out."""
    signed = {}
    if row.envelope is not None:
        # We have just made it, so there is nothing in it to be checked.
        signed["header"] = row.envelope.partition(b"\n")[0].decode("ascii")
    return {
        **signed,
        "event": "sent",
        "time": now,
        "message": row.id,
        "peer": row.recipient,
        "run": row.run,
        "digest": row.digest.hex(),
    }
