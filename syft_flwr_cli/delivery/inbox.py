"""A data owner's side: requests in, each executed to one visible effect, responses out.

A request (`request_intake`) is executed in time or refused. It is claimed in the journal, executed, and its
response and the new state are committed together before the response is published (`response_outbox`). Asked
again, the same response is published again. A store or a disk that fails is waited for with all that was done in
hand: nothing is executed again because it could not be written down or published at once. It does not know
Flower: ``execute`` does the work.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from syft_flwr_cli import events
from syft_flwr_cli.delivery.array_fetch import bring_arrays
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.executed import ExecutionHistory, FinishedTask
from syft_flwr_cli.delivery.own_files import VERIFY_INTERVAL
from syft_flwr_cli.delivery.request_intake import PendingRequest, RequestIntake
from syft_flwr_cli.delivery.response_outbox import GONE, ResponseOutbox
from syft_flwr_cli.delivery.sealer import kept_of
from syft_flwr_cli.delivery.task import Hold, Task, TaskResult
from syft_flwr_cli.errors import DiskError, NotThereError, TransportError
from syft_flwr_cli.flower.error_codes import NOT_EXECUTED, UNUSABLE
from syft_flwr_cli.protocol.body import Body, Stop
from syft_flwr_cli.protocol.header import Header
from syft_flwr_cli.protocol.printable import first_line
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Incoming
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Request

__all__ = ["Inbox", "Stopped"]

STALE_STOP = 600.0
"""Seconds after which the end of a run that we never took part in is no news any more."""

_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Stopped:
    """A run ended: which, why, and how many requests of it were answered here."""

    run: str
    reason: str
    answered: int


class Inbox:
    """The requests of one aggregator to one data owner.

    Parameters
    ----------
    channel : Channel
        The data owner's.
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
    hold : callable
        Says why what the app made is not sent after all, though it is written; None lets it go.
    """

    def __init__(
        self,
        channel: Channel,
        aggregator: str,
        execute: Callable[[Task], TaskResult],
        *,
        code: str | None = None,
        gate: Callable[[Task], str | None] | None = None,
        verify_interval: float = VERIFY_INTERVAL,
        data: str | None = None,
        sandbox: str | None = None,
        hold: Hold = lambda reply: None,
    ) -> None:
        self.aggregator = aggregator
        self._channel = channel
        self._journal, self._transport, self._keys = channel.journal, channel.transport, channel.keys
        self._emit, self._clock = channel.emit, channel.clock
        self._execute = execute
        self._code = code
        self._data = data
        self._sandbox = sandbox
        self._gate = gate or (lambda task: None)
        self._responses = ResponseOutbox(channel, aggregator, code, verify_interval, data, sandbox, hold)
        self._intake = RequestIntake(
            channel, aggregator, self._responses.again, self._responses.report_encryption_mismatch
        )
        self._history = ExecutionHistory(channel, self._responses)
        self._held: FinishedTask | None = None
        self._looked = False
        self._before: set[str] = set()
        self._closing = threading.Event()
        self.stopped: list[Stopped] = []

    def recover(self) -> None:
        """Take up what an earlier process left: committed responses go out again, payloads of none are removed."""
        self._responses.recover()

    def serve(self, until: Callable[[], bool]) -> None:
        """Work until ``until()`` is true, which is asked after everything that is done."""
        while not self._closing.is_set() and not until():
            token = self._transport.token()
            try:
                if not self.step() and not until() and not self._closing.is_set():
                    self._channel.quarantine.flush()
                    pause = min(_WAIT, self._responses.next_look())
                    self._channel.audit.wait_for_change(self._transport, token, pause)
            except (TransportError, DiskError) as error:
                self._emit(events.StoreFailed(error.what, error.hint))
                if not until() and not self._closing.is_set():
                    self._transport.wait(token, _WAIT)

    def interrupt(self) -> None:
        """Let `serve` end soon; safe from a signal handler's thread."""
        self._closing.set()
        self._transport.wake()

    def step(self) -> bool:
        """Take in what is new and execute at most one request; whether anything was done."""
        self._responses.publish()
        if self._held is not None:
            self._conclude(self._held)
            return True
        more = self._intake.take_new()
        if not more and not self._looked:
            self._looked = True
            self._before = {pending.header.id for pending in self._intake.in_order()}
            self._tell_of_the_end()
        self._handle_stops()
        for pending in self._intake.in_order():
            if pending.header.expires < self._clock():
                self._refuse_late(pending)
                return True
            if self._answer(pending):
                return True
        return self._responses.check() or more

    def _tell_of_the_end(self) -> None:
        """An earlier process ended with the run and could not say so: say it now, unless another run goes on."""
        run = self._journal.unreported_run("data owner")
        if run is not None and all(one.header.run == run.run for one in self._intake.in_order()):
            self._say_stopped(run.run, run.reason or "")

    def _refuse_late(self, pending: PendingRequest) -> None:
        header = pending.header
        late = self._clock() - header.expires
        error = RefusedError(
            "expired",
            "it expired before it could be executed: it was to be answered within "
            f"{header.expires - header.created:.0f} s, which were over {late:.0f} s ago by this machine's clock",
            hint=f"If that cannot be, compare this machine's clock with that of {self.aggregator}.",
        )
        self._intake.refuse(pending, error)

    # Runs

    def _handle_stops(self) -> None:
        for pending in self._intake.in_order():
            if pending.body.stop is not None:
                self._stop(pending, pending.body.stop)
                self._intake.drop(pending.header.id)

    def _stop(self, pending: PendingRequest, stop: Stop) -> None:
        header = pending.header
        reason = stop.reason or "the aggregator ended the run"
        known = self._journal.run(header.run)
        # Whoever comes late waits for the next run: what lay here at the first look ended a run without us.
        late = not self._looked or header.id in self._before
        if known is None and (late or header.created < self._history.started - STALE_STOP):
            self._emit(events.StopWasEarlier(header.run, reason, header.created))
            return
        if (known is not None and known.ended is not None) or self._journal.is_past(header.run):
            return
        now = self._clock()
        self._consumed(pending.body.acks)
        self._journal.begin_run(header.run, "data owner", now, self._facts(header, pending.body), {})
        entry = {
            "event": "stopped",
            "time": now,
            "run": header.run,
            "peer": self.aggregator,
            "why": reason[:200],
        }
        self._journal.end_run(
            header.run, stop.state, now, reason, {**entry, "message": header.id, **kept_of(pending.envelope)}
        )
        for one in self._intake.in_order():
            if one.header.run == header.run:
                self._intake.drop(one.header.id)
        self._say_stopped(header.run, reason)
        self._channel.payloads.remove(self._journal.payloads(header.run))
        self._channel.audit.flush()
        self._responses.withdrawal.leave()
        self._journal.erase()

    def _say_stopped(self, run: str, reason: str) -> None:
        over = (Incoming.DONE, Incoming.ACKNOWLEDGED)
        answered = sum(request.state in over for request in self._journal.requests(run))
        self.stopped.append(Stopped(run, reason, answered))
        self._emit(events.RunStopped(run, reason, answered))

    def _consumed(self, acks: Sequence[str]) -> None:
        if not acks:
            return
        consumed = self._journal.acknowledged(acks)
        self._responses.withdrawal.consumed(consumed)
        for request in consumed:
            self._emit(events.ResponseConsumed(request.id))

    def _begin(self, header: Header, body: Body) -> None:
        if self._journal.run(header.run) is not None:
            return
        now = self._clock()
        entry = {"event": "run-started", "time": now, "run": header.run, "peer": self.aggregator}
        if self._code:
            entry["code"] = self._code
        if self._data:
            entry["data"] = self._data
        if self._sandbox:
            entry["sandbox"] = self._sandbox[:1000]
        self._end_earlier(header, body.open_runs)
        self._journal.begin_run(header.run, "data owner", now, self._facts(header, body), entry)
        self._emit(events.RunJoined(header.run))

    def _facts(self, header: Header, body: Body) -> dict[str, Any]:
        facts = {"aggregator": self.aggregator, "asked": header.created}
        return facts if body.owners is None else {**facts, "owners": body.owners}

    def _end_earlier(self, header: Header, open_runs: Collection[str]) -> None:
        """With a new run, those before it are over, even if we missed their end, but for the ones that it names."""
        now, reason = self._clock(), f"the aggregator began run {header.run}"
        for run in self._journal.runs():
            # Both times are of the aggregator's clock.
            earlier = run.facts.get("asked", header.created) < header.created
            if run.ended is None and earlier and run.run not in open_runs:
                entry = {"event": "stopped", "time": now, "run": run.run, "peer": self.aggregator}
                self._journal.mark_reported(run.run)  # the run that begins is told of instead
                self._journal.end_run(run.run, "stopped", now, reason, {**entry, "why": reason})
                self._responses.withdrawal.leave()
                self._channel.payloads.remove(self._journal.payloads(run.run))

    # Work

    def _answer(self, pending: PendingRequest) -> bool:
        header, body = pending.header, pending.body
        answered = pending.claimed is None and self._history.was_answered(pending)
        if answered:
            self._emit(events.AnsweredBefore(header.id))
            if self._responses.lies_there(header.id):
                self._intake.drop(header.id)
                return True
        if pending.claimed is None:
            self._begin(header, body)
            pending.claimed = self._claim(pending)
            # What was acknowledged makes room before the work begins; the next process would hear of it again.
            self._consumed(body.acks)
            self._responses.sweep(header.run)
        if answered:
            return self._decline(pending, pending.claimed, GONE)
        try:
            task = self._task(pending, pending.claimed, body)
        except NotThereError:
            self._say_once(pending, events.PayloadAwaited(header.id))
            return False
        except RefusedError as error:
            if error.reason != "oversized":
                self._say_once(pending, events.PayloadDamaged(header.id, error.what))
                return False
            return self._decline(pending, pending.claimed, error.what)
        self._emit(events.RequestExecuting(header.id, body.type, body.round, header.run))
        try:
            result = self._carry_out(task)
        except BaseException:
            task.close()
            raise
        self._held = FinishedTask(pending, task, result)
        self._conclude(self._held)
        return True

    def _decline(self, pending: PendingRequest, row: Request, why: str) -> bool:
        """Answer a request that is not executed with an error."""
        nothing = Task(row.id, row.run, pending.body, [], None, None, row.attempts)
        self._held = FinishedTask(pending, nothing, TaskResult(error=(UNUSABLE, why), ran=False))
        self._conclude(self._held)
        return True

    def _claim(self, pending: PendingRequest) -> Request:
        header, now = pending.header, self._clock()
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
            state=Incoming.NEW,
            digest=pending.envelope.digest,
            created=now,
            attempts=0,
            response=None,
            payloads=(),
            type=pending.body.type,
        )
        return self._journal.claim(claim, entry)

    def _task(self, pending: PendingRequest, row: Request, body: Body) -> Task:
        offsets, shared = bring_arrays(
            self._transport.once,
            self._channel.email,
            self._channel.app,
            row,
            body,
            partial(self._refuse_arrays, pending),
        )
        try:
            state = self._journal.state(row.run)
        except BaseException:
            if shared is not None:
                shared.close()
            raise
        return Task(row.id, row.run, body, offsets, shared, state, row.attempts)

    def _refuse_arrays(self, pending: PendingRequest, path: str, error: RefusedError) -> None:
        """Once for each thing that is wrong, though it is looked at again and again."""
        wrong = f"{pending.envelope.digest} {path} {error.what}"
        if pending.wrong != wrong:
            pending.wrong = wrong
            self._channel.quarantine.refuse(self.aggregator, path, wrong.encode(), error)

    def _carry_out(self, task: Task) -> TaskResult:
        # A key that was revoked meanwhile signs nothing that is executed; the node ends, naming it.
        self._keys.of(self.aggregator, fresh=True)
        if (refusal := self._gate(task)) is not None:
            return self._not_passed(task, refusal, ran=False)
        crash_points.point("inbox.before-execute")
        result = self._execute(task)
        crash_points.point("inbox.after-execute")
        # What the owner said while it was executed holds for what came of it.
        if (refusal := self._gate(task)) is not None:
            result.release()
            return self._not_passed(task, f"What came of the request is withheld. {refusal}", ran=True)
        return result

    def _not_passed(self, task: Task, refusal: str, *, ran: bool) -> TaskResult:
        self._emit(events.RequestNotExecuted(task.id, refusal))
        entry = {"event": "refused", "time": self._clock(), "message": task.id, "reason": "policy"}
        self._journal.hear([{**entry, "sentence": refusal[:500]}])
        return TaskResult(error=(NOT_EXECUTED, refusal), ran=ran, withheld=ran)

    def _conclude(self, held: FinishedTask) -> None:
        """Write down what was done, then publish it; if that fails, the next step goes on from here."""
        pending, header = held.pending, held.pending.header
        self._responses.write_down(pending.envelope, pending.body, held.result)
        self._held = None
        self._history.executed[header.id] = None
        self._intake.pending.pop(header.id, None)
        held.release()
        self._responses.publish_later(header.id)
        self._responses.publish()
        self._responses.sweep(header.run)
        error = held.result.error
        self._emit(events.RequestAnswered(header.id, pending.body.type, error and first_line(error[1])))
        self._responses.withdrawal.carry_out()

    def _say_once(self, pending: PendingRequest, event: events.Event) -> None:
        if event.kind not in pending.said:
            pending.said.add(event.kind)
            self._emit(event)

    def close(self) -> None:
        """Look no more; what is not written down yet will be executed again by the next process."""
        self._intake.close()
        self._responses.close()
        if self._held is not None:
            self._held.release()
            self._held = None
