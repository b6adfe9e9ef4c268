"""The aggregator's side: requests out, responses in, each journaled before it has an effect.

`push` gives every request an id that is derived from the run, its place and its content, writes it into
the journal, and only then into the store; pushed again after a crash it is the same file with the same
meaning, or, if it was answered before, nothing at all. What an earlier process of the run pushed must be
pushed again, before anything new is: otherwise the run has diverged, and nothing is sent. A thread of its own
takes responses in: whatever is not exactly what is awaited, from whom it is awaited, is refused and said
once. It does not know Flower; what a message means stands in its body, unread.
"""

import shutil
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from syft_flwr_cli import faults
from syft_flwr_cli.errors import (
    DiskError,
    DivergenceError,
    NotThereError,
    SyftFlwrError,
    TransportError,
    TrustError,
)
from syft_flwr_cli.messaging import names
from syft_flwr_cli.messaging.body import OBJECTION, Body, decode_body, encode_body
from syft_flwr_cli.messaging.delivery import Event, Outgoing
from syft_flwr_cli.messaging.envelope import (
    MAX_FILE,
    Envelope,
    Header,
    open_envelope,
    read_envelope,
    write_envelope,
)
from syft_flwr_cli.messaging.journal import Answer, Sent
from syft_flwr_cli.messaging.participant import Participant
from syft_flwr_cli.messaging.payloads import (
    EVERYBODY,
    Digests,
    PayloadWriter,
    fetch_payload,
    lay_out,
    payload_of,
    remove_payloads,
)
from syft_flwr_cli.messaging.refusal import RefusedError
from syft_flwr_cli.messaging.sealing import SUITE, SUITE_NONE
from syft_flwr_cli.transports.base import Buffer, BytesContent, Watch

__all__ = ["Draft", "Outbox", "Reply"]

STOP_ORDINAL = -1
"""The place of the stop signal: outside the sequence that the ServerApp produces."""

_WAIT = 60.0
LOOK_AFTER = 60.0
"""Seconds after which it is checked that the open requests still lie where they were published."""

_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_NO_USE = ("plaintext", "version")
"""Reasons for which the same response would only be refused again."""

_TRIES = 10


@dataclass(slots=True)
class Draft:
    """A request that is about to be pushed.

    Parameters
    ----------
    recipient : str
        The data owner.
    body : Body
        Type, group, round, skeleton and facts; the byte strings are in ``places`` and ``blobs``.
    digest : bytes
        Of the content: what makes this request this one (32 bytes).
    outline : mapping
        The content in words, to say what differs if the run diverges.
    allowance : float
        Seconds for which it may be answered.
    """

    recipient: str
    body: Body
    digest: bytes
    outline: Mapping[str, str] = field(default_factory=dict)
    places: Sequence[tuple[str | int, ...]] = ()
    blobs: Sequence[Buffer] = ()
    allowance: float = 120.0
    meta: Mapping[str, Any] = field(default_factory=dict)
    digests: Digests = field(default_factory=Digests)


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended: with a body, or without an answer (``body`` is None)."""

    sent: Sent
    body: Body | None


@dataclass(slots=True)
class _Nudge:
    """When a peer may next be asked to publish a response again, and whether that is wanted."""

    due: float = 0.0
    pause: float = _PAUSE
    wanted: bool = False


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
    look_after : float
        Seconds after which it is checked that the open requests still lie where they were published.
    """

    def __init__(
        self,
        me: Participant,
        run: str,
        datasites: Collection[str],
        *,
        accept_divergence: bool = False,
        look_after: float = LOOK_AFTER,
    ) -> None:
        self.me = me
        self.run = run
        self.datasites = tuple(datasites)
        self._accept_divergence = accept_divergence
        self._writer = PayloadWriter(me, run, EVERYBODY, self.datasites)
        self._changed = threading.Condition()
        self._pushing = threading.Lock()
        self._ordinals: dict[str, int] = {}
        self._open: dict[str, Sent] = {}
        self._deadlines: dict[str, float] = {}
        self._owed: dict[str, Sent] = {}
        self._incomplete: dict[str, tuple[Sent, bytes, Body, Envelope]] = {}
        self._watches: dict[str, Watch] = {}
        self._names: dict[tuple[str, str], int] = {}
        self._look_after = look_after
        self._checked = time.monotonic()
        self._earlier = {(row.recipient, row.ordinal): row for row in me.journal.places(run)}
        self._pushers: set[int] = set()
        self._accepted: dict[str, str] = {}
        self._wrong: dict[str, str] = {}
        self._nudges: dict[str, _Nudge] = {}
        self._generation = 0
        self._phase: tuple[Any, ...] = ()
        self._failure: BaseException | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._receive, name="syft-flwr-outbox", daemon=True)
        self._thread.start()

    # Out

    def push(self, drafts: Sequence[Draft]) -> list[str]:
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

    def _push(self, drafts: Sequence[Draft]) -> list[str]:
        self.check()
        with self._pushing:
            self._pushers.add(threading.get_ident())
            placed = [self._place(draft) for draft in drafts]
            fresh = [(draft, mid, ordinal) for draft, mid, ordinal, before in placed if before is None]
            if fresh and self._earlier:
                self._compare_calls(placed)
            self._turn_generation(drafts)
            rows = self._prepare(fresh)
            again = [self._renew(before, draft) for draft, _, _, before in placed if before is not None]
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
        return [mid for _, mid, _, _ in placed]

    def _place(self, draft: Draft) -> tuple[Draft, str, int, Sent | None]:
        recipient = draft.recipient
        ordinal = self._ordinals.get(recipient, 0)
        self._ordinals[recipient] = ordinal + 1
        mid = names.message_id(self.run, recipient, ordinal, draft.digest)
        before = self.me.journal.sent_at(self.run, recipient, ordinal)
        if before is not None and before.digest != draft.digest:
            self._diverge(_difference(before, draft))
            before = None
        self._earlier.pop((recipient, ordinal), None)
        return draft, mid, ordinal, before

    def _compare_calls(self, placed: Sequence[tuple[Draft, str, int, Sent | None]]) -> None:
        """Something new is sent although not all is sent again that an earlier process sent.

        One call is one transaction, so it is new as a whole or not at all; and whoever sends from one
        thread sends in one order. With several threads the others may only be late: `finish` will see.
        """
        news = [draft for draft, _, _, before in placed if before is None]
        if len(news) == len(placed) and len(self._pushers) > 1:
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
        with self._pushing:
            if self._earlier:
                self._diverge(
                    f"The ServerApp ended without sending {self._first_missing()} again, which was sent "
                    "before this run was interrupted."
                )

    def _first_missing(self) -> str:
        place = min(self._earlier.values(), key=lambda place: place.position)
        row = self.me.journal.sent(place.id)
        label = _label(row.outline, row.meta) if row is not None else ""
        return f"request {place.ordinal + 1} to {place.recipient} ({label})"

    def _diverge(self, sentence: str) -> None:
        """Stop here, or, if that is accepted, forget everything of before that has not been repeated."""
        if not self._accept_divergence:
            error = DivergenceError(
                sentence,
                hint="Something in the ServerApp is not the same each time (unseeded randomness, the clock, "
                "changed code or data). Go on from here with --accept-divergence, or begin anew with --fresh.",
            )
            self.fail(error)
            raise error
        self.me.tell("diverged", {"sentence": sentence})
        gone = list(self._earlier.values())
        now = self.me.clock()
        for row in gone:
            self.me.remove(names.request_path(self.me.email, row.recipient, self.me.app, row.id))
        self.me.journal.drop_sent(
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
        self.me.flush_audit()

    def _turn_generation(self, drafts: Sequence[Draft]) -> None:
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

    def _prepare(self, fresh: Sequence[tuple[Draft, str, int]]) -> list[Sent]:
        if not fresh:
            return []
        now = self.me.clock()
        # A microsecond apart, because their recipient takes them in the order of their creation.
        rows = [
            self._row(draft, mid, ordinal, now + index * 1e-6)
            for index, (draft, mid, ordinal) in enumerate(fresh)
        ]
        self.me.journal.add_sent(rows, [_sent_entry(row, now) for row in rows])
        return rows

    def _row(self, draft: Draft, mid: str, ordinal: int, now: float) -> Sent:
        layout = lay_out(draft.places, draft.blobs, self.me.transport.properties.inline_limit)
        digests = [draft.digests.of_group(group) for group in layout.groups]
        refs = self._writer.ensure(layout.groups, digests, self._generation)
        acks = tuple(self.me.journal.due_acks(self.run, draft.recipient))
        body = replace(
            draft.body, inline=layout.inline, slots=tuple(layout.slots), payloads=tuple(refs), acks=acks
        )
        meta = {**draft.meta, "allowance": draft.allowance, "acks": acks}
        row = Sent(
            id=mid,
            run=self.run,
            recipient=draft.recipient,
            ordinal=ordinal,
            state=Outgoing.WAITING,
            digest=draft.digest,
            outline=draft.outline,
            meta=meta,
            created=now,
            expires=now + draft.allowance,
            body=encode_body(body),
            envelope=None,
            digests=(),
            refs=tuple(ref.id for ref in refs),
            reply=None,
            replied=None,
        )
        return self._sealed(row, now)

    def _sealed(self, row: Sent, now: float) -> Sent:
        """The row with its envelope; unchanged while the recipient's key is not known."""
        peer = self.me.peer(row.recipient)
        if peer is None:
            self.me.tell("no-key", {"peer": row.recipient})
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
        )
        assert row.body is not None
        envelope = write_envelope(header, row.body, self.me.identity, peer if self.me.encryption else None)
        digest = read_envelope(envelope).digest
        return replace(row, state=Outgoing.SEALED, envelope=envelope, digests=(*row.digests, digest))

    def _renew(self, row: Sent, draft: Draft) -> Sent | None:
        """A request of an earlier process: out again with time to answer, unless it has ended."""
        if row.state not in (Outgoing.WAITING, Outgoing.SEALED):
            return None
        now = self.me.clock()
        self._restore_payloads(row, draft)
        if self._as_now(row) and row.expires - now > 0.9 * draft.allowance:
            return replace(row, meta={**row.meta, "allowance": draft.allowance})
        renewed = self._sealed(replace(row, expires=now + draft.allowance), now)
        renewed = replace(renewed, meta={**row.meta, "allowance": draft.allowance})
        if renewed.state is Outgoing.SEALED and renewed.envelope is not None:
            self.me.journal.seal_sent(row.id, renewed.envelope, renewed.digests[-1], renewed.expires)
        return renewed

    def _as_now(self, row: Sent) -> bool:
        """Whether it is sealed, and in the way that is now wanted: sealed for real, or not."""
        if row.state is not Outgoing.SEALED or row.envelope is None:
            return False
        return (read_envelope(row.envelope).header.suite != SUITE_NONE) == self.me.encryption

    def _restore_payloads(self, row: Sent, draft: Draft) -> None:
        layout = lay_out(draft.places, draft.blobs, self.me.transport.properties.inline_limit)
        digests = [draft.digests.of_group(group) for group in layout.groups]
        self._writer.ensure(layout.groups, digests, self._generation)

    def _publish(self, row: Sent, patience: float | None = None) -> None:
        assert row.envelope is not None
        path = names.request_path(self.me.email, row.recipient, self.me.app, row.id)
        faults.point("outbox.before-publish")
        self.me.publish(path, BytesContent(row.envelope), (row.recipient,), patience)
        faults.point("outbox.after-publish")
        self.me.tell("sent", {"peer": row.recipient, "message": row.id})

    def stop(self, recipient: str, body: Body, allowance: float) -> None:
        """Send a stop signal: outside the sequence, never answered, carrying all that is still to acknowledge."""
        mid = names.message_id(self.run, recipient, STOP_ORDINAL, b"\0" * 32)
        now = self.me.clock()
        row = self.me.journal.sent(mid)
        if row is None:
            acks = tuple(self.me.journal.due_acks(self.run, recipient, 10_000))
            row = Sent(
                id=mid,
                run=self.run,
                recipient=recipient,
                ordinal=STOP_ORDINAL,
                state=Outgoing.WAITING,
                digest=b"\0" * 32,
                outline={},
                meta={"allowance": allowance, "acks": acks},
                created=now,
                expires=now + allowance,
                body=encode_body(replace(body, acks=acks)),
                envelope=None,
                digests=(),
                refs=(),
                reply=None,
                replied=None,
            )
            row = self._sealed(row, now)
            self.me.journal.add_sent([row], [{**_sent_entry(row, now), "event": "stopped"}])
            faults.point("outbox.before-stop")
            self.me.flush_audit()
        if row.state is Outgoing.SEALED:
            self._publish(row)

    # In

    def collect(self, ids: Collection[str], deadline: float | None) -> dict[str, Reply]:
        """Wait until every request has ended or ``deadline`` (of `time.monotonic`) has come.

        Requests whose own time is up end without an answer; at ``deadline`` the others stay open.
        """
        with self._changed:
            while True:
                self.check()
                self._expire(ids)
                waiting = [mid for mid in ids if mid in self._open]
                now = time.monotonic()
                if not waiting or (deadline is not None and now >= deadline):
                    break
                until = min([self._deadlines[mid] for mid in waiting] + ([deadline] if deadline else []))
                self._changed.wait(max(0.0, min(until - now, _WAIT)))
        return {mid: reply for mid in ids if (reply := self._reply(mid)) is not None}

    def give_up(self, ids: Collection[str]) -> None:
        """End open requests without an answer: nobody waits for them any more."""
        with self._changed:
            rows = [self._open.pop(mid) for mid in ids if mid in self._open]
        self._end(rows, Event.DEADLINE)

    def withdraw(self) -> int:
        """End every open request of the run and remove its file; how many."""
        with self._changed:
            self._open.clear()
        rows = self.me.journal.open_sent(self.run)
        self._end(rows, Event.WITHDRAW)
        return len(rows)

    def _end(self, rows: Sequence[Sent], event: Event) -> None:
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
            self.me.tell("absent", {"peer": row.recipient, "message": row.id, "since": row.created})
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

    def awaited(self) -> dict[str, float]:
        """Who has not answered, and since when (seconds since 1970)."""
        with self._changed:
            since: dict[str, float] = {}
            for row in self._open.values():
                since[row.recipient] = min(row.created, since.get(row.recipient, row.created))
            return since

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
                    self.me.rest(token, self._until_next_nudge())
            except (TransportError, DiskError) as error:
                self.me.tell("store-fails", {"error": error.what, "hint": error.hint})
                self.me.transport.wait(token, self._until_next_nudge())
            except BaseException as error:
                self.fail(error)
                return

    def _look(self) -> bool:
        """Look once at everything that may hold something new; whether anything was done.

        A store that fails at one place does not keep what came from another.
        """
        failures: list[TransportError] = []
        self._try(failures, self._seal_waiting)
        self._nudge_due()
        self._try(failures, self._publish_owed)
        with self._changed:
            open_peers = {row.recipient for row in self._open.values()}
        for peer in sorted(open_peers):
            self._try(failures, partial(self._note_new, peer))
        for peer, name in list(self._names):
            if peer in open_peers:
                self._try(failures, partial(self._take, peer, name))
        answers: list[Answer] = []
        for mid in list(self._incomplete):
            self._try(failures, partial(self._complete, mid, answers))
        if answers:
            self._settle(answers)
        if failures:
            raise failures[0]
        return bool(answers)

    def _try(self, failures: list[TransportError], action: Callable[[], None]) -> None:
        try:
            action()
        except TransportError as error:
            failures.append(error)

    def _settle(self, answers: Sequence[Answer]) -> None:
        faults.point("outbox.before-answer")
        self.me.journal.answer(answers)
        faults.point("outbox.after-answer")
        for answer in answers:
            self._accepted[answer.id] = self._incomplete.pop(answer.id)[3].digest
        with self._changed:
            for answer in answers:
                self._open.pop(answer.id, None)
            self._changed.notify_all()

    def _seal_waiting(self) -> None:
        with self._changed:
            waiting = [row for row in self._open.values() if row.state is Outgoing.WAITING]
        for row in waiting:
            if self.me.peer(row.recipient) is None:
                continue
            now = self.me.clock()
            sealed = self._sealed(replace(row, expires=now + float(row.meta["allowance"])), now)
            assert sealed.envelope is not None
            self.me.journal.seal_sent(row.id, sealed.envelope, sealed.digests[-1], sealed.expires)
            with self._changed:
                if row.id in self._open:
                    self._open[row.id] = sealed
                    self._owed[row.id] = sealed

    def _publish_owed(self) -> None:
        self._check_published()
        for mid, row in list(self._owed.items()):
            if mid in self._open:
                self._publish(row, patience=0.0)
            del self._owed[mid]

    def _check_published(self) -> None:
        """Open requests that somebody has removed, or that a store lost while it was away, go out again."""
        now = time.monotonic()
        if now < self._checked + max(self._look_after, 100 * self.me.transport.properties.listing_cost):
            return
        with self._changed:
            rows = [row for row in self._open.values() if row.state is Outgoing.SEALED]
        for peer in {row.recipient for row in rows}:
            folder = names.rpc_folder(self.me.email, peer, self.me.app)
            lying = {path for path, _ in self.me.transport.list_own(folder)}
            for row in rows:
                if row.recipient == peer and f"{folder}/{row.id}.request" not in lying:
                    self._owed[row.id] = row
        self._checked = now

    def _note_new(self, peer: str) -> None:
        if peer not in self._watches:
            folder = names.rpc_folder(peer, self.me.email, self.me.app)
            self._watches[peer] = self.me.transport.watch(peer, folder)
        for entry in self._watches[peer].new():
            if entry.name.endswith(".response"):
                self._names.setdefault((peer, entry.name), 0)

    def _take(self, peer: str, name: str) -> None:
        """Look at a response; its name is struck off once it has been dealt with."""
        path = f"{names.rpc_folder(peer, self.me.email, self.me.app)}/{name}"
        mid = names.message_of(name, ".response")
        if mid is None:
            self.me.refuse_name(peer, path)
            del self._names[peer, name]
            return
        with self._changed:
            row = self._open.get(mid)
        if row is None:
            row = self.me.journal.sent(mid)
        before = self._taken(mid)
        late = row is not None and row.run != self.run
        if late or (row is not None and row.state is Outgoing.ANSWERED and before is None):
            del self._names[peer, name]  # of a run that is over, or taken by an earlier process
            return
        try:
            with self.me.transport.open(peer, path) as stream:
                data = stream.read(MAX_FILE + 1)
        except NotThereError:
            self._names[peer, name] += 1
            if self._names[peer, name] > _TRIES:
                del self._names[peer, name]
            return
        try:
            if row is None or row.recipient != peer:
                raise RefusedError("unexpected", f"{peer} answers a request that was never sent to it")
            envelope = read_envelope(data)
            if envelope.digest != before:
                body = self._open_response(row, peer, envelope)
                if before is not None:
                    raise RefusedError("unexpected", f"{peer} answers a second time; its first answer stands")
                self._incomplete[mid] = (row, encode_reply(body), body, envelope)
        except RefusedError as error:
            self.me.refuse(peer, path, data, error)
            if row is not None and row.recipient == peer and error.reason not in _NO_USE:
                self._nudge(row)
        del self._names[peer, name]

    def _taken(self, mid: str) -> str | None:
        """The digest of the response that was taken for this request, whether its payloads are here or not."""
        if mid in self._incomplete:
            return self._incomplete[mid][3].digest
        return self._accepted.get(mid)

    def _open_response(self, row: Sent, peer: str, envelope: Envelope) -> Body:
        header = envelope.header
        expected = ("response", row.id, self.me.app, self.run, peer, self.me.email, names.MESSAGES_ENDPOINT)
        found = (
            header.kind,
            header.id,
            header.app,
            header.run,
            header.sender,
            header.recipient,
            header.endpoint,
        )
        if found != expected:
            raise RefusedError(
                "misaddressed", f"the header of a response of {peer} is not the one that is awaited"
            )
        if header.answers not in row.digests:
            raise RefusedError("unexpected", f"{peer} answers another request than the one it was sent")
        public = self.me.peer(peer)
        if public is None:
            raise RefusedError("key", f"the key of {peer} is not known")
        try:
            plain = open_envelope(envelope, self.me.identity, public, self.me.encryption)
        except RefusedError as error:
            if error.reason != "signature":
                raise
            try:
                fresh = self.me.peer(peer, again=True)
            except TrustError as trust:
                raise RefusedError("key", trust.what, hint=trust.hint) from trust
            if fresh is None or fresh == public:
                raise
            plain = open_envelope(envelope, self.me.identity, fresh, self.me.encryption)
        body = decode_body(plain)
        if body.type == OBJECTION:
            raise RefusedError("plaintext", f"{peer} sealed when we did not, or we when it did not")
        return body

    def _nudge(self, row: Sent) -> None:
        """A response arrived damaged: the same request again makes its sender publish the response again.

        Each time after a longer pause, so that a sender who has nothing better is not asked for ever.
        """
        self._nudges.setdefault(row.id, _Nudge()).wanted = True

    def _nudge_due(self) -> None:
        now = time.monotonic()
        for mid, nudge in list(self._nudges.items()):
            with self._changed:
                row = self._open.get(mid)
            if row is None:
                del self._nudges[mid]
            elif nudge.wanted and now >= nudge.due and row.envelope is not None:
                nudge.wanted, nudge.due = False, now + nudge.pause
                nudge.pause = min(2 * nudge.pause, _LONGEST_PAUSE)
                self._owed[mid] = row

    def _until_next_nudge(self) -> float:
        now = time.monotonic()
        return min([_WAIT, *(max(0.0, n.due - now) for n in self._nudges.values() if n.wanted)])

    def _complete(self, mid: str, answers: list[Answer]) -> None:
        row, reply, body, envelope = self._incomplete[mid]
        # Nobody waits for a late answer; it is noted so that its sender may clean up.
        late = row.state not in (Outgoing.WAITING, Outgoing.SEALED)
        for ref in () if late else body.payloads:
            destination = self.store_path(row.recipient, ref.id)
            try:
                fetch_payload(self.me, row.recipient, ref, destination)
            except NotThereError:
                return
            except RefusedError as error:
                path = payload_of(row.recipient, self.me.email, self.me.app, ref)
                # Once for each thing that is wrong, though it is looked at again and again.
                wrong = f"{envelope.digest} {path} {error.what}"
                if self._wrong.get(mid) != wrong:
                    self._wrong[mid] = wrong
                    self.me.refuse(row.recipient, path, wrong.encode(), error)
                self._nudge(row)
                return
        now = self.me.clock()
        entry = {
            "event": "received",
            "time": now,
            "message": mid,
            "peer": row.recipient,
            "run": self.run,
            "digest": envelope.digest,
            "peer_head": envelope.header.audit or "",
        }
        if body.code:
            entry["code"] = body.code
        answers.append(Answer(mid, reply, now, entry))
        self.me.tell("received", {"peer": row.recipient, "message": mid, "error": body.error})

    def store_path(self, owner: str, payload: str) -> Path:
        """Where a payload of ``owner`` lies in our own store: apart, so that nobody can name another's."""
        return self.me.store / self.run / names.check_email(owner) / f"{payload}.payload"

    def clear(self) -> None:
        """The run has ended: remove our payloads and the stored replies."""
        remove_payloads(self.me, self.me.journal.payloads(self.run))
        shutil.rmtree(self.me.store / self.run, ignore_errors=True)

    def close(self) -> None:
        """End the receiving thread."""
        self._closed = True
        self.me.transport.wake()
        self._thread.join(timeout=10)
        for watch in self._watches.values():
            watch.close()


def encode_reply(body: Body) -> bytes:
    """A reply as it is journaled: without what has been dealt with."""
    return encode_body(replace(body, acks=()))


def _sent_entry(row: Sent, now: float) -> dict[str, Any]:
    return {
        "event": "sent",
        "time": now,
        "message": row.id,
        "peer": row.recipient,
        "run": row.run,
        "digest": row.digest.hex(),
    }


def _difference(before: Sent, draft: Draft) -> str:
    where = f"Request {before.ordinal + 1} to {before.recipient}"
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


def _label(outline: Mapping[str, str], meta: Mapping[str, Any]) -> str:
    return f"{outline.get('type', '')}, {meta.get('label', '')}".strip(", ")


def unknown_recipient(node: int) -> SyftFlwrError:
    """The error for a node id that belongs to no data owner of the run."""
    return SyftFlwrError(
        f"The ServerApp sends to node {node}, which is no data owner of this run.",
        hint="Take node ids from grid.get_node_ids().",
    )
