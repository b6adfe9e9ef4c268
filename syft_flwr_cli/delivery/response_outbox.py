"""A data owner's responses: written down, published, published again where they went missing, taken away.

The sealed response and the new state are committed together before anything is published; from then on the
response is published whenever its file is not where it belongs, and its payloads are put back with it. One that may
not leave any more, or is asked for when it is gone, is replaced by an error that says so. Reports of
an encryption mismatch (to an aggregator whose setting is not ours) are no responses: they are journaled nowhere,
and taken back.
"""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.own_files import OwnFiles
from syft_flwr_cli.delivery.payload_plan import Digests, plan_payloads
from syft_flwr_cli.delivery.payloads import THERE, PayloadWriter
from syft_flwr_cli.delivery.restored import own_envelope, tell_restored
from syft_flwr_cli.delivery.sealer import Sealer
from syft_flwr_cli.delivery.task import Hold, TaskResult, WrittenReply
from syft_flwr_cli.delivery.tombstones import TOMBSTONES, Tombstones
from syft_flwr_cli.delivery.withdrawal import ResponseWithdrawal
from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.events import ReplyWithheld
from syft_flwr_cli.flower.error_codes import NOT_EXECUTED, UNUSABLE
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import ENCRYPTION_MISMATCH, Body, encode_body
from syft_flwr_cli.protocol.states import Action, Event, Incoming, decide
from syft_flwr_cli.security.envelope import Envelope, new_nonce, read_envelope
from syft_flwr_cli.security.sealing import sealed_size
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Request
from syft_flwr_cli.transports.base import BytesContent

__all__ = ["GONE", "ResponseOutbox"]

GONE = (
    "this request was answered before and is not executed again, and the answer is not kept any more: it had been "
    "acknowledged, or a home was restored from an older state"
)
"""What the aggregator reads of a request whose answer there is nothing left of."""


class ResponseOutbox:
    """The responses of one data owner to one aggregator.

    Parameters
    ----------
    channel : Channel
        The data owner's.
    aggregator : str
        Who asked.
    code : str, optional
        The digest of the code that is run; stated in every response.
    verify_interval : float
        Seconds after which it is checked that responses nobody has acknowledged still lie where they were put.
    data : str, optional
        What the app was given (see `Body`); stated in every response.
    sandbox : str, optional
        What the app runs in; stated in every response.
    hold : callable
        Says why what the app made is not sent after all, though it is written down; None lets it go.
    """

    def __init__(
        self,
        channel: Channel,
        aggregator: str,
        code: str | None,
        verify_interval: float,
        data: str | None = None,
        sandbox: str | None = None,
        hold: Hold = lambda reply: None,
    ) -> None:
        self._channel = channel
        self._journal, self._transport, self._keys = channel.journal, channel.transport, channel.keys
        self._files, self._sealer = channel.payloads, Sealer(channel)
        self._aggregator = aggregator
        self._code = code
        self._data = data
        self._sandbox = sandbox
        self._hold = hold
        self._folder = names.rpc_folder(channel.email, aggregator, channel.app)
        self._own = OwnFiles(channel.transport.once, verify_interval)
        self._to_publish: dict[str, None] = {}
        self._mismatch_reports: set[str] = set()
        self._before: set[str] = set()
        self.tombstones = Tombstones(channel.directory / TOMBSTONES, channel.account.identity)
        self.withdrawal = ResponseWithdrawal(
            channel.email,
            channel.app,
            aggregator,
            channel.journal,
            channel.transport.once,
            self.tombstones,
            channel.clock,
        )

    def recover(self) -> None:
        """Take up what an earlier process left: committed responses go out again, payloads of none are removed."""
        there = {path for path, _ in self._transport.list_own(self._folder)}
        self._before = {
            path.rsplit("/", 1)[-1].removesuffix(".response") for path in there if path.endswith(".response")
        }
        self._take_back(self._reported_before())
        self.withdrawal.recover(there)
        wanted: set[str] = set()
        for run in self._journal.runs():
            if run.ended is not None:
                continue
            for request in self._journal.requests(run.run, Incoming.DONE):
                wanted.update(request.payloads)
                self._to_publish[request.id] = None
        self._files.remove([row for row in self._journal.payloads() if row.id not in wanted])
        self._channel.audit.flush()

    def answered_before(self, mid: str, digest: str) -> bool:
        """Whether an earlier process has published a response of ours to this request that the journal lacks.

        The journal is gone then, or this home was restored from an older state; the latter is told.
        """
        if mid not in self._before:
            return False
        known = self._journal.request(mid)
        if known is not None and known.state is not Incoming.CLAIMED:
            return False
        envelope = own_envelope(self._channel, self._path(mid), self._transport)
        if known is not None and (envelope is None or envelope.header.answers != digest):
            return False
        if envelope is not None and self._journal.run(envelope.header.run) is not None:
            tell_restored(self._channel, envelope.header.run, envelope.header.audit or "")
        return True

    def lies_there(self, mid: str) -> bool:
        """Whether a response to this request lay in the store when this process began."""
        return mid in self._before

    def _reported_before(self) -> set[str]:
        """Requests whose encryption an earlier process reported: what lies there is no answer to them."""
        reported = {
            refusal["path"].rpartition("/")[2].removesuffix(".request")
            for refusal in self._journal.refused()
            if refusal["owner"] == self._aggregator and refusal["reason"] == "plaintext"
        }
        return {mid for mid in reported & self._before if self._journal.request(mid) is None}

    def _take_back(self, reports: set[str]) -> None:
        for mid in sorted(reports):
            self._transport.remove(self._path(mid))
        self._before -= reports
        self._mismatch_reports -= reports

    def again(self, request: Request, digest: str) -> None:
        """A request that has been answered is here again: its sender misses the response, or payloads of it.

        ``digest`` is that of its envelope as it is here now.
        """
        run = self._journal.run(request.run)
        if run is None or run.ended is not None:
            return
        _, actions = decide(request.state, Event.REPEAT)
        if Action.REPLACE in actions:
            self._replace(replace(request, digest=digest), Event.REPEAT, UNUSABLE, GONE, None)
        elif Action.PUBLISH in actions:
            self._put_back({}, [request])
        if Action.PUBLISH in actions:
            self._to_publish[request.id] = None
            self.publish()

    def _replace(
        self, request: Request, event: Event, code: int, why: str, withheld: str | None
    ) -> Request | None:
        """Write down an error in place of a response; the request as it stands then."""
        public = self._keys.of(self._aggregator, fresh=True)
        if public is None:  # its document is gone from the store: tried again with the next look
            raise NotThereError(
                f"There is no key of {self._aggregator}.", hint="Wait for it to be published."
            )
        body = Body(
            type=request.type or "train",
            code=self._code,
            data=self._data,
            sandbox=self._sandbox,
            error=(code, why),
            nonce=new_nonce(),
        )
        now, mid, run = self._channel.clock(), request.id, request.run
        sealed = self._sealer.response_to(mid, run, request.digest, public, encode_body(body), now, now)
        facts: dict[str, Any] = {"message": mid, "run": run, "time": now}
        reason = "withheld" if withheld is None else "policy"
        refused = {**facts, "event": "refused", "reason": reason, "sentence": f"Not sent: {why}"[:500]}
        self._journal.replace(request, event, sealed, now, [refused, self._sent(sealed, facts)], withheld)
        return self._journal.request(mid)

    def publish_later(self, mid: str) -> None:
        """The response to this message is to be published."""
        self._to_publish[mid] = None

    def publish(self) -> None:
        """Publish what is to be. What fails is left to be published."""
        for mid in list(self._to_publish):
            request = self._journal.request(mid)
            if request is not None and request.response is not None:
                request = self._unless_held(request)
            if request is not None and request.response is not None:
                crash_points.point("inbox.before-publish")
                content = BytesContent(request.response)
                self._transport.publish(self._path(mid), content, (self._aggregator,))
                crash_points.point("inbox.after-publish")
                self._own.written([self._path(mid)])
            del self._to_publish[mid]

    def _unless_held(self, request: Request) -> Request | None:
        """The request, with an error in place of a response that holds what its owner lets out no more."""
        record = self._journal.leaving(request.id) if request.state is Incoming.DONE else None
        if record is None:
            return request
        why = self._hold(WrittenReply(request.id, request.run, request.type, record))
        if why is None:
            return request
        sentence = f"What came of the request is withheld. {why}"
        held = self._replace(request, Event.WITHHOLD, NOT_EXECUTED, sentence, "policy")
        self._channel.emit(ReplyWithheld(request.id, why))
        self.sweep(request.run)
        return held

    def next_look(self) -> float:
        """Seconds until `check` looks at the store again."""
        return max(0.1, self._own.next_look())

    def check(self) -> bool:
        """What somebody has removed or changed, or a store lost, is written again; whether anything was."""
        if self._own.next_look() > 0:
            return False
        requests = [
            request
            for run in self._journal.runs()
            if run.ended is None
            for request in self._journal.requests(run.run, Incoming.DONE)
        ]
        paths: dict[str, bytes | int] = {self._path(one.id): one.response or b"" for one in requests}
        astray = self._put_back(paths, requests)
        for request in requests:
            _, actions = decide(request.state, Event.LOST)
            if self._path(request.id) in astray and Action.PUBLISH in actions:
                self._to_publish[request.id] = None
        return bool(self._to_publish)

    def _put_back(self, expected: dict[str, bytes | int], requests: list[Request]) -> set[str]:
        """Put payloads of ``requests`` back that are astray; which of ``expected`` are astray, too."""
        wanted = {payload for request in requests for payload in request.payloads}
        rows = {
            row.path: row
            for run in {request.run for request in requests}
            for row in self._journal.payloads(run)
            if row.id in wanted and row.state == THERE
        }
        sizes: dict[str, bytes | int] = {path: sealed_size(row.size) for path, row in rows.items()}
        astray = set(self._own.astray(expected | sizes))
        for path in astray & set(rows):
            if self._files.restore(rows[path], (self._aggregator,)):
                self._own.written([path])
        return astray - set(rows)

    def write_down(self, request: Envelope, asked: Body, result: TaskResult) -> None:
        """Commit what came of a request: the sealed response and the new state, with nothing published yet."""
        header, properties = request.header, self._transport.properties
        layout = plan_payloads(
            result.places, result.blobs, properties.inline_limit, Digests(), properties.one_file
        )
        writer = PayloadWriter(
            self._channel.email,
            self._channel.app,
            header.run,
            self._aggregator,
            (self._aggregator,),
            self._journal,
            self._files,
        )
        refs = writer.ensure(layout.groups, layout.digests)
        body = Body(
            type=asked.type,
            group=asked.group,
            round=asked.round,
            skeleton=result.skeleton,
            inline=layout.inline,
            slots=tuple(layout.slots),
            payloads=tuple(refs),
            code=self._code,
            data=self._data,
            sandbox=self._sandbox,
            error=result.error,
            nonce=new_nonce(),
        )
        public = self._keys.of(self._aggregator, fresh=True)
        assert public is not None
        now = self._channel.clock()
        sealed = self._sealer.response(request, public, encode_body(body), now)
        facts: dict[str, Any] = {"message": header.id, "run": header.run, "time": now}
        # What stands here is what happened, to the very bytes: a request may come again under the same id.
        done = {
            **facts,
            "event": "executed",
            "type": asked.type,
            "outcome": _word(result),
            "request": request.digest,
        }
        if self._code:
            done["code"] = self._code
        sent = self._sent(sealed, facts)
        egress = result.egress
        left = [] if egress is None else [{**egress.audit_entry(), **facts}]
        self._journal.finish(
            header.id,
            sealed,
            [ref.id for ref in refs],
            result.state,
            now,
            [done, *left, sent] if result.ran else [sent],
            None if egress is None else egress.document(),
        )

    def _sent(self, sealed: bytes, facts: dict[str, Any]) -> dict[str, Any]:
        """What the audit log hears of a response that goes out."""
        made = read_envelope(sealed)
        header = made.line.decode("ascii").rstrip()
        return {**facts, "event": "sent", "peer": self._aggregator, "digest": made.digest, "header": header}

    def report_encryption_mismatch(self, envelope: Envelope) -> None:
        """Have the aggregator hear that one side seals and the other does not.

        What we send is in our own mode, so its own setting makes it refuse, and say why; it holds no data.
        """
        mid = envelope.header.id
        public = self._keys.of(self._aggregator)
        if mid in self._mismatch_reports or public is None or self._journal.request(mid) is not None:
            return
        side = "on" if self._channel.encryption else "off"
        what = f"encryption is {side} at {self._channel.email}"
        body = encode_body(Body(type=ENCRYPTION_MISMATCH, error=(UNUSABLE, what)))
        data = self._sealer.response(envelope, public, body, self._channel.clock())
        self._transport.publish(self._path(mid), BytesContent(data), (self._aggregator,))
        self._mismatch_reports.add(mid)

    def sweep(self, run: str) -> None:
        """Remove payloads that every response that needed them has been consumed of."""
        rows = self._journal.payloads(run)
        if rows:
            wanted = self._journal.payloads_in_use(run)
            self._files.remove([row for row in rows if row.id not in wanted])

    def _path(self, mid: str) -> str:
        return names.response_path(self._channel.email, self._aggregator, self._channel.app, mid)

    def close(self) -> None:
        """Take reports of an encryption mismatch back."""
        with suppress(TransportError):  # the next process takes back what cannot be taken back now
            self._take_back(set(self._mismatch_reports))


def _word(result: TaskResult) -> str:
    if result.withheld:
        return "withheld"
    return "error" if result.error else "reply"
