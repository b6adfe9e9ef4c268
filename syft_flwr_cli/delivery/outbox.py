"""The aggregator's side: requests out, responses in, each journaled before it has an effect.

`push` gives every request an id that is derived from the run, its place and its content, writes it into
the journal, and only then into the store; pushed again after a crash it is the same file with the same
meaning, or, if it was answered before, nothing at all (`replay`). A thread of its own takes responses in
(`response_intake`) and sees to it that what is not answered lies where it was published. Nothing waits while it
holds a lock. It does not know Flower; what a message means stands in its body, unread.
"""

import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.open_requests import LATE_ANSWERS, OpenRequests, Reply
from syft_flwr_cli.delivery.own_files import VERIFY_INTERVAL, OwnFiles
from syft_flwr_cli.delivery.payload_fetch import stored_payload
from syft_flwr_cli.delivery.phases import PhaseCounter, WaitingNotice
from syft_flwr_cli.delivery.replay import OutgoingRequest, Replay
from syft_flwr_cli.delivery.request_maker import RequestMaker, removed_entry, sent_entry, stop_id
from syft_flwr_cli.delivery.response_intake import ResponseIntake
from syft_flwr_cli.delivery.restored import issued_later
from syft_flwr_cli.delivery.withdrawal import RequestWithdrawal
from syft_flwr_cli.errors import DiskError, TransportError
from syft_flwr_cli.events import OwnerAbsent, RequestSent, StoreFailed
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, decode_body
from syft_flwr_cli.protocol.states import Action, Event, Outgoing, decide
from syft_flwr_cli.security.sealing import sealed_size
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Answer, RequestRow
from syft_flwr_cli.transports.base import BytesContent, Transport

__all__ = ["Outbox", "Reply"]

_WAIT = 60.0


class Outbox:
    """The requests of one run. Thread-safe.

    Parameters
    ----------
    channel : Channel
        The aggregator's.
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
        channel: Channel,
        run: str,
        datasites: Collection[str],
        *,
        accept_divergence: bool = False,
        verify_interval: float = VERIFY_INTERVAL,
    ) -> None:
        self.run = run
        self.datasites = tuple(datasites)
        self._channel = channel
        self._journal, self._transport, self._emit = channel.journal, channel.transport, channel.emit
        self._open = OpenRequests()
        later = issued_later(channel, run, self.datasites)
        self._intake = ResponseIntake(channel, run, self.datasites, self._open.find, later)
        self._requests = RequestMaker(channel, run, self.datasites, later, self._intake.unsynced)
        self._replay = Replay(channel, run, accept_divergence, self.fail)
        self._phase = PhaseCounter()
        self._sequence = threading.Lock()
        self._withdrawal = RequestWithdrawal(
            channel.email, channel.app, run, channel.journal, channel.transport.once
        )
        self._recovered = False
        self._silence = WaitingNotice()
        self._own = OwnFiles(self._transport.once, verify_interval)
        self._to_publish: dict[str, RequestRow] = {}
        self._to_remove: dict[str, None] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._receive, name="syft-flwr-outbox", daemon=True)
        self._thread.start()

    # Out

    def push(self, requests: Sequence[OutgoingRequest]) -> list[str]:
        """Send requests; their ids, in order.

        Raises
        ------
        DivergenceError
            If a request of an earlier process of this run stood in this place with another content.
        TransportError
            If the store fails for longer than it is waited for; the run can be resumed.
        """
        try:
            return self._push(requests)
        except (TransportError, DiskError) as error:
            # Whoever pushes next, in whichever thread, must not go on as if this had been a mere absence.
            self.fail(error)
            raise

    def _push(self, requests: Sequence[OutgoingRequest]) -> list[str]:
        self.check()
        with self._sequence:
            placed = self._replay.place(requests)
            generation, turned = self._phase.advance(requests)
        if turned:
            # Payloads not used for two phases of the run, and by nothing unanswered, are removed.
            keep = {ref for row in self._journal.open_sent(self.run) for ref in row.refs}
            self._requests.payloads.sweep(keep, generation - 1)
        now = self._channel.clock()
        # A microsecond apart, because their recipient takes them in the order of their creation.
        fresh = [item for item in placed if item.before is None]
        if len(fresh) > 1:
            self._channel.keys.meet({item.draft.recipient for item in fresh})
        rows = [self._requests.make(item, generation, now + n * 1e-6) for n, item in enumerate(fresh)]
        if rows:
            self._journal.add_sent(rows, [sent_entry(row, now) for row in rows])
        renewed = [
            self._requests.renew(item.before, item.draft, generation)
            for item in placed
            if item.before is not None
        ]
        self._end([row for row in renewed if row and row.state is Outgoing.ABSENT], Event.UNSEALABLE)
        self._wait_for([*rows, *(row for row in renewed if row and row.state is not Outgoing.ABSENT)])
        # The journal holds what the audit log must hear; `_receive` passes it on when there is time.
        self._transport.wake()
        return [item.id for item in placed]

    def _wait_for(self, rows: Sequence[RequestRow]) -> None:
        """Wait for the answers to these, once they are published."""
        ended = [row for row in rows if row.state is Outgoing.ABSENT]
        self._open.add(row for row in rows if row.state is not Outgoing.ABSENT)
        for row in rows:
            if row.state is Outgoing.SEALED:
                self._publish(row, self._transport)
        for row in ended:
            self._report_absent(row)

    def _publish(self, row: RequestRow, transport: Transport) -> None:
        assert row.envelope is not None
        path = self._path(row)
        crash_points.point("outbox.before-publish")
        transport.publish(path, BytesContent(row.envelope), (row.recipient,))
        crash_points.point("outbox.after-publish")
        self._own.written([path])
        self._emit(RequestSent(row.recipient, row.id))

    def _path(self, row: RequestRow) -> str:
        return names.request_path(self._channel.email, row.recipient, self._channel.app, row.id)

    def finish(self) -> None:
        """The ServerApp is through: see that it has sent all that an earlier process had sent.

        Raises
        ------
        DivergenceError
            If not.
        """
        with self._sequence:
            self._replay.finish()

    def stop(self, recipient: str, body: Body, response_timeout: float) -> None:
        """Send a stop signal: outside the sequence, never answered, carrying all that is still to acknowledge."""
        row = self._journal.sent(stop_id(self.run, recipient))
        if row is None:
            # Whoever gets the last message can vouch for all that was before it.
            self._channel.audit.flush()
            self._intake.sync()
            row = self._requests.stop(recipient, body, response_timeout)
            entry = {**sent_entry(row, row.created), "event": "stopped"}
            self._journal.add_sent([row], [entry])
            crash_points.point("outbox.before-stop")
            self._channel.audit.flush()
        if row.state is Outgoing.SEALED:
            self._publish(row, self._transport)

    # In

    def collect(
        self, ids: Collection[str], deadline: float | None, until: Callable[[], float | None] | None = None
    ) -> dict[str, Reply]:
        """Wait until every request has ended or ``deadline`` (of `time.monotonic`) has come.

        Requests whose own time is up end without an answer; at ``deadline`` the others stay open. ``until`` is
        asked after every change and may name an earlier time.
        """
        while True:
            self._end(self._open.take_late(), Event.DEADLINE)
            seen = self._open.changes
            earlier = until() if until is not None else None
            ends = [time_ for time_ in (deadline, earlier) if time_ is not None]
            end = min(ends, default=None)
            self._silence.ends(end)
            if not self._open.wait(ids, end, seen):
                break
        return {mid: reply for mid in ids if (reply := self._reply(mid)) is not None}

    def usable(self, mid: str) -> bool | None:
        """Whether a request has ended with an answer that is no error; None while it is open."""
        reply = self._reply(mid)
        return None if reply is None else reply.body is not None and reply.body.error is None

    def skip(self, ids: Collection[str]) -> None:
        """Note that a call goes on without the answers to these requests.

        They stay open: an answer can still be collected for as long as Flower keeps a message (twelve hours).
        """
        if not ids:
            return
        self._journal.skip_sent(ids)
        for row in self._open.shorten(ids, LATE_ANSWERS):
            self._report_absent(row)

    def skipped(self, ids: Collection[str]) -> set[str]:
        """Those of these requests without whose answers a call went on, in this process or an earlier one."""
        return self._journal.skipped_sent(ids)

    def withdraw(self) -> int:
        """End every open request of the run and remove its file; how many."""
        self._open.take_all()
        rows = self._journal.open_sent(self.run)
        self._end(rows, Event.WITHDRAW)
        return len(rows)

    def _end(self, rows: Sequence[RequestRow], event: Event) -> None:
        if not rows:
            return
        now = self._channel.clock()
        entries = {row.id: removed_entry(row, event.value, now) for row in rows}
        ended = self._journal.give_up([row.id for row in rows], event, entries)
        for row in rows:
            actions = ended.get(row.id, ())
            if Action.REMOVE in actions:
                self._remove(self._path(row))
            if Action.REPORT_ABSENT in actions:
                self._report_absent(row)
        self._channel.audit.flush()

    def _remove(self, path: str) -> None:
        """Remove a file of ours; if the store fails, with the next look at it."""
        try:
            self._transport.once.remove(path)
        except TransportError as error:
            self._emit(StoreFailed(error.what, error.hint))
            self._to_remove[path] = None

    def _report_absent(self, row: RequestRow) -> None:
        self._emit(OwnerAbsent(row.recipient, row.id, row.created))

    def _reply(self, mid: str) -> Reply | None:
        if mid in self._open:
            return None
        row = self._journal.sent(mid)
        if row is None or row.state in (Outgoing.WAITING, Outgoing.SEALED):
            return None
        return Reply(row, decode_body(row.reply) if row.reply is not None else None)

    def check(self) -> None:
        """Raise what has gone wrong for good, in whichever thread."""
        self._open.check()

    def fail(self, error: BaseException) -> None:
        """From now on, raise this: some callers take an exception for a mere absence."""
        self._open.fail(error)

    # The receiving thread

    def _receive(self) -> None:
        while not self._closed:
            token = self._transport.token()
            try:
                if not self._look():
                    self._channel.quarantine.flush()
                    self._intake.sync()
                    self._channel.audit.wait_for_change(
                        self._transport, token, self._pause(), busy=bool(len(self._open))
                    )
            except (TransportError, DiskError) as error:
                self._emit(StoreFailed(error.what, error.hint))
                self._transport.wait(token, self._pause())
            except BaseException as error:
                self.fail(error)
                return

    def _pause(self) -> float:
        pauses = [_WAIT, self._intake.next_resend(), self._silence.broken(self._open.awaited(), self._emit)]
        if self._open.rows(Outgoing.SEALED):
            pauses.append(max(0.1, self._own.next_look()))
        return min(pauses)

    def _look(self) -> bool:
        """Look once at everything that may hold something new; whether to look again at once.

        A store that fails at one place does not keep what came from another.
        """
        failures: list[TransportError] = []

        def attempt(action: Callable[[], None]) -> None:
            try:
                action()
            except TransportError as error:
                failures.append(error)

        self._end(self._open.take_late(), Event.DEADLINE)  # an answer that comes now is too late
        attempt(self._seal_waiting)
        for row in self._intake.to_ask_again():
            self._carry_out(row, Event.DAMAGED)
        attempt(self._check_published)
        attempt(self._publish_pending)
        awaited: dict[str, list[str]] = {}
        for row in self._open.rows():
            awaited.setdefault(row.recipient, []).append(row.id)
        answers = self._intake.take_in(awaited, attempt)
        if answers:
            self._settle(answers)
        attempt(self._withdraw_delivered)
        if failures:
            raise failures[0]
        return bool(answers) or self._intake.has_more()

    def _settle(self, answers: Sequence[Answer]) -> None:
        crash_points.point("outbox.before-answer")
        self._journal.answer(answers)
        crash_points.point("outbox.after-answer")
        self._intake.journaled(answer.id for answer in answers)
        self._withdrawal.answered(self._open.take(answer.id for answer in answers))

    def _withdraw_delivered(self) -> None:
        """Requests that are answered leave the store, but for the newest."""
        if not self._recovered:
            self._withdrawal.recover(self.datasites)
            self._recovered = True
        self._withdrawal.carry_out()

    def _seal_waiting(self) -> None:
        for row in self._open.rows(Outgoing.WAITING):
            sealed = self._requests.seal_anew(row, self._channel.clock())
            if sealed.state is Outgoing.SEALED and self._open.replace(sealed):
                self._to_publish[row.id] = sealed
            elif sealed.state is Outgoing.ABSENT:
                self._end(self._open.take([row.id]), Event.UNSEALABLE)

    def _carry_out(self, row: RequestRow, event: Event) -> None:
        """Something has happened to an open request, after which its file is to be written again."""
        _, actions = decide(row.state, event)
        if Action.PUBLISH in actions:
            self._to_publish[row.id] = row

    def _publish_pending(self) -> None:
        for path in list(self._to_remove):
            self._transport.once.remove(path)
            del self._to_remove[path]
        for mid, row in list(self._to_publish.items()):
            if mid in self._open:
                self._publish(row, self._transport.once)
            del self._to_publish[mid]

    def _check_published(self) -> None:
        """What somebody has removed or changed, or a store lost, is written again: requests and their payloads."""
        if self._own.next_look() > 0:
            return
        rows = {self._path(row): row for row in self._open.rows(Outgoing.SEALED)}
        wanted = {ref for row in rows.values() for ref in row.refs}
        payloads = {row.path: row for row in self._requests.payloads.rows() if row.id in wanted}
        expected: dict[str, bytes | int] = {path: row.envelope or b"" for path, row in rows.items()}
        expected |= {path: sealed_size(row.size) for path, row in payloads.items()}
        astray = self._own.astray(expected)
        for path in astray:
            if path in rows:
                self._carry_out(rows[path], Event.LOST)
        restored = self._requests.payloads.restore(payloads[path] for path in astray if path in payloads)
        self._own.written(row.path for row in restored)

    # The end

    def store_path(self, owner: str, payload: str) -> Path:
        """Where a payload of ``owner`` lies in our own store."""
        return stored_payload(self._channel.received_payloads, self.run, owner, payload)

    def clear(self) -> None:
        """The run has ended: remove our payloads and the stored replies."""
        self._channel.payloads.remove(self._journal.payloads(self.run))
        shutil.rmtree(self._channel.received_payloads / self.run, ignore_errors=True)
        self._journal.erase()

    def close(self) -> None:
        """End the receiving thread."""
        self._closed = True
        self._transport.wake()
        self._thread.join(timeout=10)
        self._intake.close()
