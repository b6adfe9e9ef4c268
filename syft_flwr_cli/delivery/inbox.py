"""A data owner's side: requests in, each executed to one visible effect, responses out.

A request is taken only from the one aggregator, whole, signed, sealed for us, of a run that goes on, and
in time; anything else is refused with one sentence and not answered. It is claimed in the journal,
executed, and its response and the new state are committed together before the response is published.
Asked again, the same response is published again. A store or a disk that fails is waited for with all that
was done in hand: nothing is executed again because it could not be written down or published at once. It
does not know Flower: ``execute`` does the work.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from syft_flwr_cli import events
from syft_flwr_cli.delivery.array_fetch import bring_arrays
from syft_flwr_cli.delivery.participant import Participant, kept_of
from syft_flwr_cli.delivery.payloads import remove_payloads
from syft_flwr_cli.delivery.response_outbox import ResponseOutbox
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.errors import DiskError, NotThereError, TransportError
from syft_flwr_cli.flower.error_codes import NOT_EXECUTED, UNUSABLE
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, Stop, decode_body
from syft_flwr_cli.protocol.printable import first_line
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Incoming
from syft_flwr_cli.security.envelope import (
    MAX_FILE,
    Envelope,
    Header,
    read_envelope,
)
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Request

__all__ = ["Inbox", "Stopped"]

STALE_STOP = 600.0
"""Seconds after which the end of a run that we never took part in is no news any more."""

VERIFY_INTERVAL = 5.0
"""See `Inbox`."""

_WAIT = 60.0
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Stopped:
    """A run ended: which, why, and how many requests of it were answered here."""

    run: str
    reason: str
    answered: int


@dataclass(slots=True)
class _Pending:
    envelope: Envelope
    body: Body
    claimed: Request | None = None
    told: bool = False
    wrong: str = ""


@dataclass(slots=True)
class _Held:
    """Work that is done, and not written down yet."""

    pending: _Pending
    work: Task
    outcome: TaskResult

    def release(self) -> None:
        self.outcome.release()
        if self.work.shared is not None:
            self.work.shared.close()


class Inbox:
    """The requests of one aggregator to one data owner.

    Parameters
    ----------
    me : Participant
        The data owner.
    aggregator : str
        The only one whose requests are looked at.
    execute : callable
        Runs the app on a `Task`; may be called again for the same request after a crash.
    code : str, optional
        The digest of the code that is run; stated in every response.
    gate : callable, optional
        Says in a sentence why a request is not executed though it is genuine; None lets it pass.
    verify_interval : float
        Seconds after which it is checked that responses nobody has acknowledged still lie where they were put.
    data : str, optional
        What the app was given (see `Body`); stated in every response.
    sandbox : str, optional
        What the app runs in; stated in every response.
    """

    def __init__(
        self,
        me: Participant,
        aggregator: str,
        execute: Callable[[Task], TaskResult],
        *,
        code: str | None = None,
        gate: Callable[[Task], str | None] | None = None,
        verify_interval: float = VERIFY_INTERVAL,
        data: str | None = None,
        sandbox: str | None = None,
    ) -> None:
        self.me = me
        self.aggregator = aggregator
        self._execute = execute
        self._code = code
        self._data = data
        self._sandbox = sandbox
        self._responses = ResponseOutbox(me, aggregator, code, verify_interval, data, sandbox)
        self._gate = gate
        self._started = me.clock()
        self._folder = names.rpc_folder(aggregator, me.email, me.app)
        self._watch = me.transport.watch(aggregator, self._folder)
        self._names: dict[str, int] = {}
        self._pending: dict[str, _Pending] = {}
        self._held: _Held | None = None
        self._ignored: dict[str, str] = {}
        self._first = True
        self._executed_before: set[str] | None = None
        self._executed: set[str] = set()
        self._closing = threading.Event()
        self.stopped: list[Stopped] = []

    def recover(self) -> None:
        """Take up what an earlier process left: committed responses go out again, payloads of none are removed."""
        self._responses.recover()

    def serve(self, until: Callable[[], bool]) -> None:
        """Work until ``until()`` is true, which is asked after everything that is done."""
        while not self._closing.is_set() and not until():
            token = self.me.transport.token()
            try:
                if not self.step() and not until() and not self._closing.is_set():
                    self.me.wait_for_change(token, _WAIT)
            except (TransportError, DiskError) as error:
                self.me.emit(events.StoreFailed(error.what, error.hint))
                if not until() and not self._closing.is_set():
                    self.me.transport.wait(token, _WAIT)

    def interrupt(self) -> None:
        """Let `serve` end soon; safe from a signal handler's thread."""
        self._closing.set()
        self.me.transport.wake()

    def step(self) -> bool:
        """Take in what is new and execute at most one request; whether anything was done."""
        self._responses.publish()
        if self._held is not None:
            self._conclude(self._held)
            return True
        self._take_new()
        self._handle_stops()
        for mid, pending in sorted(self._pending.items(), key=_age):
            if self._expired(pending.envelope.header):
                del self._pending[mid]
                self._refuse_late(pending)
                return True
            if self._answer(mid, pending):
                return True
        return self._responses.check()

    # In

    def _take_new(self) -> None:
        first, self._first = self._first, False
        for entry in self._watch.new():
            if not entry.file_type_error:
                self._names.setdefault(entry.name, 0)
            elif entry.name.endswith(".request"):
                self.me.refuse_name(self.aggregator, f"{self._folder}/{entry.name}", entry.file_type_error)
        # A name is struck off once it has been dealt with: a store that fails in between has us look again.
        for name in list(self._names):
            if self._dealt_with(name, first):
                del self._names[name]
        if first:
            self._tell_of_the_end()

    def _dealt_with(self, name: str, first: bool) -> bool:
        if not name.endswith(".request"):
            return True
        mid = names.message_of(name, ".request")
        if mid is None:
            self.me.refuse_name(self.aggregator, f"{self._folder}/{name}")
            return True
        known = self.me.journal.request(mid)
        if known is None or known.state is Incoming.CLAIMED:
            return self._take(mid, name)
        return first or self._take(mid, name, known)

    def _take(self, mid: str, name: str, over: Request | None = None) -> bool:
        """Look at a request, perhaps one that is ``over``; whether it has been dealt with."""
        path = f"{self._folder}/{name}"
        try:
            with self.me.transport.open(self.aggregator, path) as stream:
                data = stream.read(MAX_FILE + 1)
            if self.me.peer(self.aggregator) is None:
                # The request may overtake the document that says whose it is.
                return False
        except NotThereError:
            self._names[name] += 1
            return self._names[name] > _TRIES
        try:
            envelope = read_envelope(data)
            if over is not None and envelope.digest == over.digest:
                self._responses.again(over)
                return True
            before = self._pending.get(mid)
            if envelope.digest in (self._ignored.get(mid), before and before.envelope.digest):
                return True
            self._check(envelope.header, mid)
            body = self._open(envelope)
        except RefusedError as error:
            self.me.refuse(self.aggregator, path, data, error)
            if error.reason == "plaintext":
                self._responses.report_encryption_mismatch(envelope)
            return True
        # Asked again with more time to answer: the later request takes the place of the earlier one.
        if over is not None:
            self._responses.again(over)
            return True
        self._pending[mid] = _Pending(envelope, body)
        return True

    def _tell_of_the_end(self) -> None:
        """An earlier process ended with the run and could not say so: say it now, unless another run goes on."""
        untold = self.me.journal.unreported_run("data owner")
        if untold is not None and all(p.envelope.header.run == untold.run for p in self._pending.values()):
            self._say_stopped(untold.run, untold.reason or "")

    def _check(self, header: Header, mid: str) -> None:
        if header.kind != "request" or header.endpoint != names.MESSAGES_ENDPOINT:
            raise RefusedError("misaddressed", "it is no request to this endpoint")
        if header.id != mid:
            raise RefusedError("replayed", "its file has another name than the id it was signed with")
        if header.app != self.me.app:
            raise RefusedError("wrong-app", f"it is for the app {header.app}")
        if header.sender != self.aggregator:
            raise RefusedError("stranger", f"it says it is from {header.sender}, who is not the aggregator")
        if header.recipient != self.me.email:
            raise RefusedError("misaddressed", f"it is for {header.recipient}")

    def _open(self, envelope: Envelope) -> Body:
        body = decode_body(self.me.unseal(envelope, self.aggregator))
        run = self.me.journal.run(envelope.header.run)
        if run is not None and run.ended is not None and body.stop is None:
            raise RefusedError("wrong-run", f"run {run.run} has ended ({run.reason})")
        if self.me.journal.is_past(envelope.header.run) and body.stop is None:
            raise RefusedError("wrong-run", f"run {envelope.header.run} ended long ago")
        return body

    def _expired(self, header: Header) -> bool:
        return header.expires < self.me.clock()

    def _refuse_late(self, pending: _Pending) -> None:
        header = pending.envelope.header
        late = self.me.clock() - header.expires
        error = RefusedError(
            "expired",
            "it expired before it could be executed: it was to be answered within "
            f"{header.expires - header.created:.0f} s, which were over {late:.0f} s ago by this machine's clock",
            hint=f"If that cannot be, compare this machine's clock with that of {self.aggregator}.",
        )
        self._ignored[header.id] = pending.envelope.digest
        self.me.refuse(self.aggregator, f"{self._folder}/{header.id}.request", pending.envelope.line, error)

    # Stop

    def _handle_stops(self) -> None:
        for mid, pending in list(self._pending.items()):
            if pending.body.stop is not None:
                self._stop(pending, pending.body.stop)
                self._drop(mid)

    def _drop(self, mid: str) -> None:
        pending = self._pending.pop(mid, None)
        if pending is not None:
            self._ignored[mid] = pending.envelope.digest

    def _stop(self, pending: _Pending, stop: Stop) -> None:
        header, body = pending.envelope.header, pending.body
        reason = stop.reason or "the aggregator ended the run"
        known = self.me.journal.run(header.run)
        if known is None and header.created < self._started - STALE_STOP:
            self.me.emit(events.StopWasEarlier(header.run, reason, header.created))
            return
        if (known is not None and known.ended is not None) or self.me.journal.is_past(header.run):
            return
        now = self.me.clock()
        self._consumed(body.acks)
        self.me.journal.begin_run(header.run, "data owner", now, self._facts(header, body), {})
        entry = {
            "event": "stopped",
            "time": now,
            "run": header.run,
            "peer": self.aggregator,
            "why": reason[:200],
        }
        self.me.journal.end_run(
            header.run,
            "finished",
            now,
            reason,
            {**entry, "message": header.id, **kept_of(pending.envelope)},
        )
        for mid in [m for m, item in self._pending.items() if item.envelope.header.run == header.run]:
            self._drop(mid)
        self._say_stopped(header.run, reason)
        remove_payloads(self.me, self.me.journal.payloads(header.run))
        self.me.flush_audit()
        self._responses.withdrawal.leave()
        self.me.journal.erase()

    def _say_stopped(self, run: str, reason: str) -> None:
        answered = sum(
            request.state in (Incoming.DONE, Incoming.ACKNOWLEDGED)
            for request in self.me.journal.requests(run)
        )
        self.stopped.append(Stopped(run, reason, answered))
        self.me.emit(events.RunStopped(run, reason, answered))

    def _consumed(self, acks: Sequence[str]) -> None:
        if not acks:
            return
        consumed = self.me.journal.acknowledged(acks)
        self._responses.withdrawal.consumed(consumed)
        for request in consumed:
            self.me.emit(events.ResponseConsumed(request.id))

    # Work

    def _answer(self, mid: str, pending: _Pending) -> bool:
        header, body = pending.envelope.header, pending.body
        if pending.claimed is None and self._was_answered(header):
            self._drop(mid)
            self.me.emit(events.AnsweredBefore(mid))
            return True
        if pending.claimed is None:
            self._begin(header, body)
            pending.claimed = self._claim(pending)
            # What was acknowledged makes room before the work begins; the next process would hear of it again.
            self._consumed(body.acks)
            self._responses.sweep(header.run)
        try:
            work = self._work(pending, pending.claimed, body)
        except NotThereError:
            self._say_once(pending, events.PayloadAwaited(mid))
            return False
        except RefusedError as error:
            if error.reason != "oversized":
                self._say_once(pending, events.PayloadDamaged(mid, error.what))
                return False
            row = pending.claimed
            nothing = Task(row.id, row.run, body, [], None, None, row.attempts)
            self._held = _Held(pending, nothing, TaskResult(error=(UNUSABLE, error.what), ran=False))
            self._conclude(self._held)
            return True
        self.me.emit(events.RequestExecuting(mid, body.type, body.round, header.run))
        try:
            outcome = self._carry_out(work)
        except BaseException:
            if work.shared is not None:
                work.shared.close()
            raise
        self._held = _Held(pending, work, outcome)
        self._conclude(self._held)
        return True

    def _was_answered(self, header: Header) -> bool:
        """Whether the journal has lost what the shared folder, or the audit log, still knows: an id runs once."""
        if self.me.journal.request(header.id) is not None:
            return False
        if header.id in self._responses.before or header.id in self._executed:
            return True
        if header.created > self._started:
            return False
        if self._executed_before is None:
            self._executed_before = {
                str(entry.get("message"))
                for entry in self.me.audit.entries()
                if entry.get("event") == "executed" and entry.get("app") == self.me.app
            }
            self._executed_before.update(one.id for one in self._responses.tombstones.all())
        return header.id in self._executed_before

    def _claim(self, pending: _Pending) -> Request:
        header, now = pending.envelope.header, self.me.clock()
        entry = {
            "event": "received",
            "time": now,
            "message": header.id,
            "peer": self.aggregator,
            "run": header.run,
            "type": pending.body.type,
            "digest": pending.envelope.digest,
            **kept_of(pending.envelope),
        }
        claim = Request(
            id=header.id,
            run=header.run,
            sender=header.sender,
            state=Incoming.CLAIMED,
            digest=pending.envelope.digest,
            created=now,
            attempts=0,
            response=None,
            payloads=(),
            type=pending.body.type,
        )
        return self.me.journal.claim(claim, entry)

    def _conclude(self, held: _Held) -> None:
        """Write down what was done, then publish it; if that fails, the next step goes on from here."""
        header = held.pending.envelope.header
        self._responses.write_down(held.pending.envelope, held.pending.body, held.outcome)
        self._held = None
        self._executed.add(header.id)
        self._pending.pop(header.id, None)
        held.release()
        self._responses.publish_later(header.id)
        self._responses.publish()
        self._responses.sweep(header.run)
        body, error = held.pending.body, held.outcome.error
        self.me.emit(events.RequestAnswered(header.id, body.type, error and first_line(error[1])))
        self._responses.withdrawal.carry_out()

    def _say_once(self, pending: _Pending, event: events.Event) -> None:
        if not pending.told:
            pending.told = True
            self.me.emit(event)

    def _begin(self, header: Header, body: Body) -> None:
        if self.me.journal.run(header.run) is None:
            now = self.me.clock()
            entry = {"event": "run-started", "time": now, "run": header.run, "peer": self.aggregator}
            if self._code:
                entry["code"] = self._code
            if self._data:
                entry["data"] = self._data
            if self._sandbox:
                entry["sandbox"] = self._sandbox[:1000]
            self._end_earlier(header, body.open_runs)
            self.me.journal.begin_run(header.run, "data owner", now, self._facts(header, body), entry)
            self.me.emit(events.RunJoined(header.run))

    def _facts(self, header: Header, body: Body) -> dict[str, Any]:
        facts = {"aggregator": self.aggregator, "asked": header.created}
        return facts if body.owners is None else {**facts, "owners": body.owners}

    def _end_earlier(self, header: Header, open_runs: Collection[str]) -> None:
        """With a new run, those before it are over, even if we missed their end, but for the ones that it names."""
        now, reason = self.me.clock(), f"the aggregator began run {header.run}"
        for run in self.me.journal.runs():
            # Both times are of the aggregator's clock.
            earlier = run.facts.get("asked", header.created) < header.created
            if run.ended is None and earlier and run.run not in open_runs:
                entry = {"event": "stopped", "time": now, "run": run.run, "peer": self.aggregator}
                self.me.journal.end_run(run.run, "stopped", now, reason, {**entry, "why": reason})
                self._responses.withdrawal.leave()
                remove_payloads(self.me, self.me.journal.payloads(run.run))

    def _refuse_arrays(self, pending: _Pending, path: str, error: RefusedError) -> None:
        """Once for each thing that is wrong, though it is looked at again and again."""
        wrong = f"{pending.envelope.digest} {path} {error.what}"
        if pending.wrong != wrong:
            pending.wrong = wrong
            self.me.refuse(self.aggregator, path, wrong.encode(), error)

    def _work(self, pending: _Pending, row: Request, body: Body) -> Task:
        offsets, shared = bring_arrays(self.me, row, body, partial(self._refuse_arrays, pending))
        try:
            state = self.me.journal.state(row.run)
        except BaseException:
            if shared is not None:
                shared.close()
            raise
        return Task(row.id, row.run, body, offsets, shared, state, row.attempts)

    def _carry_out(self, work: Task) -> TaskResult:
        # A key that was revoked meanwhile signs nothing that is executed; the node ends, naming it.
        self.me.peer(self.aggregator, fresh=True)
        refusal = self._gate(work) if self._gate is not None else None
        if refusal is not None:
            return self._not_passed(work, refusal, ran=False)
        crash_points.point("inbox.before-execute")
        outcome = self._execute(work)
        crash_points.point("inbox.after-execute")
        # What the owner said while it was executed holds for what came of it.
        refusal = self._gate(work) if self._gate is not None else None
        if refusal is not None:
            outcome.release()
            return self._not_passed(work, f"What came of the request is withheld. {refusal}", ran=True)
        return outcome

    def _not_passed(self, work: Task, refusal: str, *, ran: bool) -> TaskResult:
        self.me.emit(events.RequestNotExecuted(work.id, refusal))
        entry = {"event": "refused", "time": self.me.clock(), "message": work.id, "reason": "policy"}
        self.me.journal.hear([{**entry, "sentence": refusal[:500]}])
        return TaskResult(error=(NOT_EXECUTED, refusal), ran=ran, withheld=ran)

    def close(self) -> None:
        """Look no more; what is not written down yet will be executed again by the next process."""
        self._watch.close()
        self._responses.close()
        if self._held is not None:
            self._held.release()
            self._held = None


def _age(item: tuple[str, _Pending]) -> tuple[float, str]:
    return item[1].envelope.header.created, item[0]
