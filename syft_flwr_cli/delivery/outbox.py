"""The aggregator's side: requests out, responses in, each journaled before it has an effect.

`push` gives every request an id that is derived from the run, its place and its content, writes it into
the journal, and only then into the store; pushed again after a crash it is the same file with the same
meaning, or, if it was answered before, nothing at all (`replay`). A thread of its own takes responses in
(`responses`). It does not know Flower; what a message means stands in its body, unread.
"""

import shutil
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from syft_flwr_cli.delivery.participant import Participant
from syft_flwr_cli.delivery.payloads import (
    EVERYBODY,
    PayloadWriter,
    plan_payloads,
    remove_payloads,
)
from syft_flwr_cli.delivery.replay import OutgoingRequest, Replay, SequencedRequest
from syft_flwr_cli.delivery.response_intake import ResponseIntake, stored_payload
from syft_flwr_cli.delivery.withdrawal import RequestWithdrawal
from syft_flwr_cli.errors import (
    DiskError,
    TransportError,
    TrustError,
)
from syft_flwr_cli.events import KeyAwaited, KeyWithdrawn, OwnerAbsent, RequestSent, StillWaiting, StoreFailed
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, decode_body, encode_body
from syft_flwr_cli.protocol.states import Event, Outgoing
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE
from syft_flwr_cli.security.envelope import (
    Header,
    new_nonce,
    read_envelope,
    stating,
    write_envelope,
)
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Answer, RequestRow
from syft_flwr_cli.transports.base import BytesContent

__all__ = ["Outbox", "Reply"]

STOP_ORDINAL = -1
"""The place of the stop signal: outside the sequence that the ServerApp produces."""

_WAIT = 60.0
LATE_ANSWERS = 12 * 3600.0
"""Seconds for which an answer can still be collected when nobody waits for it any more: Flower's default."""

SILENCE = (30.0, 3600.0)
"""Seconds of waiting until it is said for whom: at first, and at most."""

VERIFY_INTERVAL = 5.0
"""Seconds after which it is checked that the open requests still lie where they were published."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended: with a body, or without an answer (``body`` is None)."""

    sent: RequestRow
    body: Body | None


class Outbox:
    """The requests of one run. Thread-safe.

    Parameters
    ----------
    me : Participant
        The aggregator.
    run : str
        The run's id in decimal.
    datasites : collection of str
        The data owners; nobody else is ever looked at.
    accept_divergence : bool
        Go on live from where the ServerApp does something else than before, instead of raising.
    verify_interval : float
        Seconds after which it is checked that the open requests still lie where they were published.
    """

    def __init__(
        self,
        me: Participant,
        run: str,
        datasites: Collection[str],
        *,
        accept_divergence: bool = False,
        verify_interval: float = VERIFY_INTERVAL,
    ) -> None:
        self.me = me
        self.run = run
        self.datasites = tuple(datasites)
        self._writer = PayloadWriter(me, run, EVERYBODY, self.datasites)
        self._changed = threading.Condition()
        self._pushing = threading.Lock()
        self._replay = Replay(me, run, accept_divergence, self.fail)
        self._responses = ResponseIntake(me, run, self._find)
        self._withdrawal = RequestWithdrawal(me.email, me.app, run, me.journal, me.transport)
        self._recovered = False
        self._open: dict[str, RequestRow] = {}
        self._deadlines: dict[str, float] = {}
        self._pending_publication: dict[str, RequestRow] = {}
        self._verify_interval = verify_interval
        self._checked = time.monotonic()
        self._generation = 0
        self._phase: tuple[Any, ...] = ()
        self._failure: BaseException | None = None
        self._awaited: set[str] = set()
        self._silence = SILENCE[0]
        self._said = time.monotonic()
        self._closed = False
        self._thread = threading.Thread(target=self._receive, name="syft-flwr-outbox", daemon=True)
        self._thread.start()

    # Out

    def push(self, drafts: Sequence[OutgoingRequest]) -> list[str]:
        """Send requests; their ids, in order.

        Raises
        ------
        DivergenceError
            If a request of an earlier process of this run stood in this place with another content.
        TransportError
            If the store fails for longer than it is waited for; the run can be resumed.
        """
        try:
            return self._push(drafts)
        except (TransportError, DiskError) as error:
            # Whoever pushes next, in whichever thread, must not go on as if this had been a mere absence.
            self.fail(error)
            raise

    def _push(self, drafts: Sequence[OutgoingRequest]) -> list[str]:
        self.check()
        with self._pushing:
            placed = self._replay.place(drafts)
            self._advance_phase(drafts)
            rows = self._prepare([item for item in placed if item.before is None])
            again = [self._renew(item.before, item.draft) for item in placed if item.before is not None]
        publish = [row for row in [*rows, *again] if row is not None and row.state is Outgoing.SEALED]
        with self._changed:
            for row in [*rows, *again]:
                if row is not None:
                    self._open[row.id] = row
                    self._deadlines[row.id] = time.monotonic() + float(row.meta["allowance"])
        for row in publish:
            self._publish(row)
        # The journal holds what the audit log must hear; `_receive` passes it on when there is time.
        self.me.transport.wake()
        return [item.id for item in placed]

    def finish(self) -> None:
        """The ServerApp is through: see that it has sent all that an earlier process had sent.

        Raises
        ------
        DivergenceError
            If not.
        """
        with self._pushing:
            self._replay.finish()

    def _advance_phase(self, drafts: Sequence[OutgoingRequest]) -> None:
        """Payloads not used for two phases of the run, and by nothing unanswered, are removed."""
        if not drafts:
            return
        phase = (drafts[0].body.type, drafts[0].body.group, drafts[0].body.round)
        if phase == self._phase:
            return
        self._phase = phase
        self._generation += 1
        keep = {ref for row in self.me.journal.open_sent(self.run) for ref in row.refs}
        self._writer.sweep(keep, self._generation - 1)

    def _prepare(self, fresh: Sequence[SequencedRequest]) -> list[RequestRow]:
        if not fresh:
            return []
        now = self.me.clock()
        # A microsecond apart, because their recipient takes them in the order of their creation.
        rows = [self._row(item, now + index * 1e-6) for index, item in enumerate(fresh)]
        self.me.journal.add_sent(rows, [_sent_entry(row, now) for row in rows])
        return rows

    def _row(self, placed: SequencedRequest, now: float) -> RequestRow:
        draft = placed.draft
        layout = plan_payloads(
            draft.places, draft.blobs, self.me.transport.properties.inline_limit, draft.digests
        )
        refs = self._writer.ensure(layout.groups, layout.digests, self._generation)
        acks = tuple(self.me.journal.due_acks(self.run, draft.recipient))
        body = replace(
            draft.body,
            inline=layout.inline,
            slots=tuple(layout.slots),
            payloads=tuple(refs),
            acks=acks,
            nonce=new_nonce(),
        )
        meta = {**draft.meta, "allowance": draft.response_timeout, "acks": acks}
        row = RequestRow(
            id=placed.id,
            run=self.run,
            recipient=draft.recipient,
            sequence_number=placed.sequence_number,
            state=Outgoing.WAITING,
            digest=draft.digest,
            outline=draft.outline,
            meta=meta,
            created=now,
            expires=now + draft.response_timeout,
            body=encode_body(body),
            envelope=None,
            digests=(),
            refs=tuple(ref.id for ref in refs),
            reply=None,
            replied=None,
        )
        return self._sealed(row, now)

    def _sealed(self, row: RequestRow, now: float) -> RequestRow:
        """The row with its envelope; unchanged while there is no key to seal it with."""
        peer = self._key_of(row.recipient)
        if peer is None:
            return row
        header = Header(
            kind="request",
            id=row.id,
            app=self.me.app,
            run=self.run,
            sender=self.me.email,
            recipient=row.recipient,
            endpoint=names.MESSAGES_ENDPOINT,
            created=now,
            expires=row.expires,
            suite=SUITE if self.me.encryption else SUITE_NONE,
            audit=self.me.audit_head(),
            seen=self.me.seen_head(row.recipient),
        )
        assert row.body is not None
        header = stating(header, row.body)
        envelope = write_envelope(header, row.body, self.me.identity, peer if self.me.encryption else None)
        digest = read_envelope(envelope).digest
        return replace(row, state=Outgoing.SEALED, envelope=envelope, digests=(*row.digests, digest))

    def _key_of(self, recipient: str) -> PublicIdentity | None:
        """The key to seal with; None while there is none.

        One that was good and is no more (its owner has revoked it, or we have) makes its data owner absent: that
        must not end the run of the others.
        """
        try:
            peer = self.me.peer(recipient, fresh=True)
        except TrustError as error:
            if not self.me.has_met(recipient):
                raise
            self.me.emit(KeyWithdrawn(recipient, error.what, error.hint))
            return None
        if peer is None:
            self.me.emit(KeyAwaited(recipient))
        return peer

    def _renew(self, row: RequestRow, draft: OutgoingRequest) -> RequestRow | None:
        """A request of an earlier process: out again with time to answer, unless it has ended."""
        if row.state not in (Outgoing.WAITING, Outgoing.SEALED):
            return None
        now = self.me.clock()
        self._restore_payloads(row, draft)
        if self._as_now(row) and row.expires - now > 0.9 * draft.response_timeout:
            return replace(row, meta={**row.meta, "allowance": draft.response_timeout})
        renewed = self._sealed(replace(row, expires=now + draft.response_timeout), now)
        renewed = replace(renewed, meta={**row.meta, "allowance": draft.response_timeout})
        if renewed.state is Outgoing.SEALED and renewed.envelope is not None:
            self.me.journal.seal_sent(row.id, renewed.envelope, renewed.digests[-1], renewed.expires)
        return renewed

    def _as_now(self, row: RequestRow) -> bool:
        """Whether it is sealed, and in the way that is now wanted: sealed for real, or not."""
        if row.state is not Outgoing.SEALED or row.envelope is None:
            return False
        return (read_envelope(row.envelope).header.suite != SUITE_NONE) == self.me.encryption

    def _restore_payloads(self, row: RequestRow, draft: OutgoingRequest) -> None:
        layout = plan_payloads(
            draft.places, draft.blobs, self.me.transport.properties.inline_limit, draft.digests
        )
        self._writer.ensure(layout.groups, layout.digests, self._generation)

    def _publish(self, row: RequestRow, retry_timeout: float | None = None) -> None:
        assert row.envelope is not None
        path = names.request_path(self.me.email, row.recipient, self.me.app, row.id)
        crash_points.point("outbox.before-publish")
        self.me.publish(path, BytesContent(row.envelope), (row.recipient,), retry_timeout)
        crash_points.point("outbox.after-publish")
        self.me.emit(RequestSent(row.recipient, row.id))

    def stop(self, recipient: str, body: Body, response_timeout: float) -> None:
        """Send a stop signal: outside the sequence, never answered, carrying all that is still to acknowledge."""
        mid = names.message_id(self.run, recipient, STOP_ORDINAL, b"\0" * 32)
        now = self.me.clock()
        row = self.me.journal.sent(mid)
        if row is None:
            # Whoever gets the last message can vouch for all that was before it.
            self.me.flush_audit()
            acks = tuple(self.me.journal.due_acks(self.run, recipient, 10_000))
            row = RequestRow(
                id=mid,
                run=self.run,
                recipient=recipient,
                sequence_number=STOP_ORDINAL,
                state=Outgoing.WAITING,
                digest=b"\0" * 32,
                outline={},
                meta={"allowance": response_timeout, "acks": acks},
                created=now,
                expires=now + response_timeout,
                body=encode_body(replace(body, acks=acks, nonce=new_nonce())),
                envelope=None,
                digests=(),
                refs=(),
                reply=None,
                replied=None,
            )
            row = self._sealed(row, now)
            self.me.journal.add_sent([row], [{**_sent_entry(row, now), "event": "stopped"}])
            crash_points.point("outbox.before-stop")
            self.me.flush_audit()
        if row.state is Outgoing.SEALED:
            self._publish(row)

    # In

    def collect(self, ids: Collection[str], deadline: float | None) -> dict[str, Reply]:
        """Wait until every request has ended or ``deadline`` (of `time.monotonic`) has come.

        Requests whose own time is up end without an answer; at ``deadline`` the others stay open.
        """
        with self._changed:
            try:
                while True:
                    self.check()
                    self._expire(ids)
                    waiting = [mid for mid in ids if mid in self._open]
                    now = time.monotonic()
                    if not waiting or (deadline is not None and now >= deadline):
                        break
                    self._awaited.update(waiting)
                    until = min([self._deadlines[mid] for mid in waiting] + ([deadline] if deadline else []))
                    self._changed.wait(max(0.0, min(until - now, _WAIT)))
            finally:
                self._awaited.difference_update(ids)
        return {mid: reply for mid in ids if (reply := self._reply(mid)) is not None}

    def skip(self, ids: Collection[str]) -> None:
        """Note that a call goes on without the answers to these requests.

        They stay open: an answer can still be collected for as long as Flower keeps a message (twelve hours).
        """
        if not ids:
            return
        self.me.journal.skip_sent(ids)
        with self._changed:
            rows = [self._open[mid] for mid in ids if mid in self._open]
            until = time.monotonic() + LATE_ANSWERS
            self._deadlines.update({row.id: min(self._deadlines[row.id], until) for row in rows})
        for row in rows:
            self.me.emit(OwnerAbsent(row.recipient, row.id, row.created))

    def skipped(self, ids: Collection[str]) -> set[str]:
        """Those of these requests without whose answers a call went on, in this process or an earlier one."""
        rows = [self.me.journal.sent(mid) for mid in ids]
        return {row.id for row in rows if row is not None and row.meta.get("skipped")}

    def withdraw(self) -> int:
        """End every open request of the run and remove its file; how many."""
        with self._changed:
            self._open.clear()
        rows = self.me.journal.open_sent(self.run)
        self._end(rows, Event.WITHDRAW)
        return len(rows)

    def _end(self, rows: Sequence[RequestRow], event: Event) -> None:
        if not rows:
            return
        now = self.me.clock()
        entries = [
            {"event": "removed", "time": now, "message": row.id, "peer": row.recipient, "why": event.value}
            for row in rows
        ]
        self.me.journal.give_up([row.id for row in rows], event, entries)
        for row in rows:
            self.me.remove(names.request_path(self.me.email, row.recipient, self.me.app, row.id))
            if event is Event.DEADLINE:
                self.me.emit(OwnerAbsent(row.recipient, row.id, row.created))
        self.me.flush_audit()

    def _expire(self, ids: Collection[str]) -> None:
        now = time.monotonic()
        late = [mid for mid in ids if mid in self._open and now >= self._deadlines[mid]]
        if late:
            self._end([self._open.pop(mid) for mid in late], Event.DEADLINE)

    def _reply(self, mid: str) -> Reply | None:
        if mid in self._open:
            return None
        row = self.me.journal.sent(mid)
        if row is None or row.state in (Outgoing.WAITING, Outgoing.SEALED):
            return None
        return Reply(row, decode_body(row.reply) if row.reply is not None else None)

    def _say_for_whom_is_waited(self) -> float:
        """Say it, after longer and longer pauses; seconds until the next time."""
        now = time.monotonic()
        with self._changed:
            rows = [self._open[mid] for mid in self._awaited if mid in self._open]
        if not rows:
            self._silence, self._said = SILENCE[0], now
            return self._silence
        if now >= self._said + self._silence:
            peers = tuple(sorted({row.recipient for row in rows}))
            self.me.emit(StillWaiting(peers, min(row.created for row in rows)))
            self._silence, self._said = min(SILENCE[1], 4 * self._silence), now
        return max(0.1, self._said + self._silence - now)

    def check(self) -> None:
        """Raise what has gone wrong for good, in whichever thread."""
        if self._failure is not None:
            raise self._failure

    def fail(self, error: BaseException) -> None:
        """From now on, raise this: some callers take an exception for a mere absence."""
        with self._changed:
            if self._failure is None:
                self._failure = error
            self._changed.notify_all()

    def _receive(self) -> None:
        while not self._closed:
            token = self.me.transport.token()
            try:
                if not self._look():
                    pause = min(_WAIT, self._responses.next_ask(), self._say_for_whom_is_waited())
                    self.me.wait_for_change(token, pause, busy=bool(self._open))
            except (TransportError, DiskError) as error:
                self.me.emit(StoreFailed(error.what, error.hint))
                self.me.transport.wait(token, min(_WAIT, self._responses.next_ask()))
            except BaseException as error:
                self.fail(error)
                return

    def _find(self, mid: str) -> RequestRow | None:
        with self._changed:
            return self._open.get(mid)

    def _look(self) -> bool:
        """Look once at everything that may hold something new; whether anything was done.

        A store that fails at one place does not keep what came from another.
        """
        failures: list[TransportError] = []

        def attempt(action: Callable[[], None]) -> None:
            try:
                action()
            except TransportError as error:
                failures.append(error)

        with self._changed:
            self._expire(list(self._open))  # an answer that comes now is too late
        attempt(self._seal_waiting)
        self._pending_publication.update({row.id: row for row in self._responses.to_ask_again()})
        attempt(self._publish_owed)
        with self._changed:
            peers = {row.recipient for row in self._open.values()}
        answers = self._responses.take_in(peers, attempt)
        if answers:
            self._settle(answers)
        attempt(self._withdraw)
        if failures:
            raise failures[0]
        return bool(answers)

    def _withdraw(self) -> None:
        """Requests that are answered leave the store, but for the newest."""
        if not self._recovered:
            self._withdrawal.recover(self.datasites)
            self._recovered = True
        self._withdrawal.carry_out()

    def _settle(self, answers: Sequence[Answer]) -> None:
        crash_points.point("outbox.before-answer")
        self.me.journal.answer(answers)
        crash_points.point("outbox.after-answer")
        self._responses.journaled(answer.id for answer in answers)
        with self._changed:
            rows = [self._open.pop(answer.id, None) for answer in answers]
            self._changed.notify_all()
        self._withdrawal.answered(row for row in rows if row is not None)

    def _seal_waiting(self) -> None:
        with self._changed:
            waiting = [row for row in self._open.values() if row.state is Outgoing.WAITING]
        for row in waiting:
            now = self.me.clock()
            sealed = self._sealed(replace(row, expires=now + float(row.meta["allowance"])), now)
            if sealed.envelope is None or sealed.state is not Outgoing.SEALED:
                continue
            self.me.journal.seal_sent(row.id, sealed.envelope, sealed.digests[-1], sealed.expires)
            with self._changed:
                if row.id in self._open:
                    self._open[row.id] = sealed
                    self._pending_publication[row.id] = sealed

    def _publish_owed(self) -> None:
        self._check_published()
        for mid, row in list(self._pending_publication.items()):
            if mid in self._open:
                self._publish(row, retry_timeout=0.0)
            del self._pending_publication[mid]

    def _check_published(self) -> None:
        """Open requests that somebody has removed, or that a store lost while it was away, go out again."""
        now = time.monotonic()
        if now < self._checked + max(self._verify_interval, 100 * self.me.transport.properties.listing_cost):
            return
        with self._changed:
            rows = [row for row in self._open.values() if row.state is Outgoing.SEALED]
        for peer in {row.recipient for row in rows}:
            folder = names.rpc_folder(self.me.email, peer, self.me.app)
            lying = {path for path, _ in self.me.transport.list_own(folder)}
            for row in rows:
                if row.recipient == peer and f"{folder}/{row.id}.request" not in lying:
                    self._pending_publication[row.id] = row
        self._checked = now

    def store_path(self, owner: str, payload: str) -> Path:
        """Where a payload of ``owner`` lies in our own store."""
        return stored_payload(self.me, self.run, owner, payload)

    def clear(self) -> None:
        """The run has ended: remove our payloads and the stored replies."""
        remove_payloads(self.me, self.me.journal.payloads(self.run))
        shutil.rmtree(self.me.received_payloads / self.run, ignore_errors=True)
        self.me.journal.erase()

    def close(self) -> None:
        """End the receiving thread."""
        self._closed = True
        self.me.transport.wake()
        self._thread.join(timeout=10)
        self._responses.close()


def _sent_entry(row: RequestRow, now: float) -> dict[str, Any]:
    signed = (
        {} if row.envelope is None else {"header": read_envelope(row.envelope).line.decode("ascii").rstrip()}
    )
    return {
        **signed,
        "event": "sent",
        "time": now,
        "message": row.id,
        "peer": row.recipient,
        "run": row.run,
        "digest": row.digest.hex(),
    }
