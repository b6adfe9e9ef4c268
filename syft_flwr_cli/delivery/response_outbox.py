"""A data owner's responses: written down, published, published again where they went missing, taken away.

The sealed response and the new state are committed together before anything is published; from then on
the response is owed until its file lies where it belongs. Objections (to an aggregator whose setting of the
encryption is not ours) are no responses: they are journaled nowhere, and taken back.
"""

import time
from contextlib import suppress
from typing import Any

from syft_flwr_cli.delivery.participant import Participant
from syft_flwr_cli.delivery.payloads import Digests, PayloadWriter, plan_payloads, remove_payloads
from syft_flwr_cli.delivery.task import TaskResult
from syft_flwr_cli.delivery.tombstones import TOMBSTONES, Tombstones
from syft_flwr_cli.delivery.withdrawal import ResponseWithdrawal
from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.flower.error_codes import UNUSABLE
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import ENCRYPTION_MISMATCH, Body, encode_body
from syft_flwr_cli.protocol.states import Incoming
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE
from syft_flwr_cli.security.envelope import (
    Envelope,
    Header,
    new_nonce,
    read_envelope,
    stating,
    write_envelope,
)
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Request
from syft_flwr_cli.transports.base import BytesContent

__all__ = ["ResponseOutbox"]


class ResponseOutbox:
    """The responses of one data owner to one aggregator.

    Parameters
    ----------
    me : Participant
        The data owner.
    aggregator : str
        Who asked.
    code : str, optional
        The digest of the code that is run; stated in every response.
    verify_interval : float
        Seconds after which it is checked that responses nobody has acknowledged still lie where they were put.
    """

    def __init__(
        self,
        me: Participant,
        aggregator: str,
        code: str | None,
        verify_interval: float,
        data: str | None = None,
        sandbox: str | None = None,
    ) -> None:
        self._me = me
        self._aggregator = aggregator
        self._code = code
        self._data = data
        self._sandbox = sandbox
        self._verify_interval = verify_interval
        self._folder = names.rpc_folder(me.email, aggregator, me.app)
        self._checked = time.monotonic()
        self._pending_publication: dict[str, None] = {}
        self._mismatch_reports: set[str] = set()
        self.tombstones = Tombstones(me.directory / TOMBSTONES, me.identity)
        self.withdrawal = ResponseWithdrawal(
            me.email, me.app, aggregator, me.journal, me.transport, self.tombstones, me.clock
        )
        self.before: set[str] = set()
        """The messages that an earlier process had published a response to when this one began."""

    def recover(self) -> None:
        """Take up what an earlier process left: committed responses go out again, payloads of none are removed."""
        lying = {path for path, _ in self._me.transport.list_own(self._folder)}
        self.before = {
            path.rsplit("/", 1)[-1].removesuffix(".response") for path in lying if path.endswith(".response")
        }
        self._take_back(self._reported_before())
        self.withdrawal.recover(lying)
        wanted: set[str] = set()
        for run in self._me.journal.runs():
            if run.ended is not None:
                continue
            for request in self._me.journal.requests(run.run, Incoming.DONE):
                wanted.update(request.payloads)
                self._pending_publication[request.id] = None
        rows = [row for row in self._me.journal.payloads() if row.id not in wanted]
        remove_payloads(self._me, rows)
        self._me.flush_audit()

    def _reported_before(self) -> set[str]:
        """Requests that an earlier process objected to: what lies there is no answer to them."""
        objected = {
            refusal["path"].rpartition("/")[2].removesuffix(".request")
            for refusal in self._me.journal.refused()
            if refusal["owner"] == self._aggregator and refusal["reason"] == "plaintext"
        }
        return {mid for mid in objected & self.before if self._me.journal.request(mid) is None}

    def _take_back(self, objections: set[str]) -> None:
        for mid in sorted(objections):
            self._me.transport.remove(self._path(mid))
        self.before -= objections
        self._mismatch_reports -= objections

    def again(self, request: Request) -> None:
        """Publish the response to a request that was asked again, unless it was consumed."""
        if request.state is Incoming.DONE:
            self._pending_publication[request.id] = None
            self.publish()

    def publish_later(self, mid: str) -> None:
        """The response to this message is to be published."""
        self._pending_publication[mid] = None

    def publish(self) -> None:
        """Publish what is owed. What fails stays owed."""
        for mid in list(self._pending_publication):
            request = self._me.journal.request(mid)
            if request is not None and request.response is not None:
                crash_points.point("inbox.before-publish")
                content = BytesContent(request.response)
                self._me.publish(self._path(mid), content, (self._aggregator,))
                crash_points.point("inbox.after-publish")
            del self._pending_publication[mid]

    def check(self) -> bool:
        """Responses that somebody has removed, or that a store lost while it was away, go out again."""
        now = time.monotonic()
        if now < self._checked + max(self._verify_interval, 100 * self._me.transport.properties.listing_cost):
            return False
        self._checked = now
        lying = {path for path, _ in self._me.transport.list_own(self._folder)}
        for run in self._me.journal.runs():
            for request in self._me.journal.requests(run.run, Incoming.DONE) if run.ended is None else ():
                if self._path(request.id) not in lying:
                    self._pending_publication[request.id] = None
        return bool(self._pending_publication)

    def write_down(self, request: Envelope, asked: Body, outcome: TaskResult) -> None:
        """Commit what came of a request: the sealed response and the new state, with nothing published yet."""
        me, header = self._me, request.header
        layout = plan_payloads(
            outcome.places,
            outcome.blobs,
            me.transport.properties.inline_limit,
            Digests(),
            me.transport.properties.one_file,
        )
        writer = PayloadWriter(me, header.run, self._aggregator, (self._aggregator,))
        refs = writer.ensure(layout.groups, layout.digests)
        body = Body(
            type=asked.type,
            group=asked.group,
            round=asked.round,
            skeleton=outcome.skeleton,
            inline=layout.inline,
            slots=tuple(layout.slots),
            payloads=tuple(refs),
            code=self._code,
            data=self._data,
            sandbox=self._sandbox,
            error=outcome.error,
            nonce=new_nonce(),
        )
        public = me.peer(self._aggregator, fresh=True)
        assert public is not None
        now = me.clock()
        plaintext = encode_body(body)
        answer = stating(self._header(header, request.digest), plaintext)
        sealed = write_envelope(answer, plaintext, me.identity, public if me.encryption else None)
        facts: dict[str, Any] = {"message": header.id, "run": header.run, "time": now}
        # What stands here is what happened, to the very bytes: a request may come again under the same id.
        executed = {
            **facts,
            "event": "executed",
            "type": asked.type,
            "outcome": _word(outcome),
            "request": request.digest,
        }
        if self._code:
            executed["code"] = self._code
        made = read_envelope(sealed)
        sent = {
            **facts,
            "event": "sent",
            "peer": self._aggregator,
            "digest": made.digest,
            "header": made.line.decode("ascii").rstrip(),
        }
        left = [] if outcome.egress is None else [{**outcome.egress.audit_entry(), **facts}]
        me.journal.finish(
            header.id,
            sealed,
            [ref.id for ref in refs],
            outcome.state,
            now,
            [executed, *left, sent] if outcome.ran else [sent],
            None if outcome.egress is None else outcome.egress.document(),
        )

    def _header(self, asked: Header, digest: str) -> Header:
        now = self._me.clock()
        return Header(
            kind="response",
            id=asked.id,
            app=self._me.app,
            run=asked.run,
            sender=self._me.email,
            recipient=self._aggregator,
            endpoint=asked.endpoint,
            created=now,
            expires=max(asked.expires, now),
            suite=SUITE if self._me.encryption else SUITE_NONE,
            answers=digest,
            audit=self._me.audit_head(),
            seen=self._me.seen_head(self._aggregator),
        )

    def report_encryption_mismatch(self, envelope: Envelope) -> None:
        """Have the aggregator hear that one side seals and the other does not.

        What we send is in our own mode, so its own setting makes it refuse, and say why; it holds no data.
        """
        mid = envelope.header.id
        public = self._me.peer(self._aggregator)
        if mid in self._mismatch_reports or public is None or self._me.journal.request(mid) is not None:
            return
        side = "on" if self._me.encryption else "off"
        body = Body(type=ENCRYPTION_MISMATCH, error=(UNUSABLE, f"encryption is {side} at {self._me.email}"))
        header = self._header(envelope.header, envelope.digest)
        data = write_envelope(
            header, encode_body(body), self._me.identity, public if self._me.encryption else None
        )
        self._me.publish(self._path(mid), BytesContent(data), (self._aggregator,))
        self._mismatch_reports.add(mid)

    def sweep(self, run: str) -> None:
        """Remove payloads that every response that needed them has been consumed of."""
        rows = self._me.journal.payloads(run)
        if rows:
            wanted = self._me.journal.payloads_in_use(run)
            remove_payloads(self._me, [row for row in rows if row.id not in wanted])

    def _path(self, mid: str) -> str:
        return names.response_path(self._me.email, self._aggregator, self._me.app, mid)

    def close(self) -> None:
        """Take objections back."""
        with suppress(TransportError):  # the next process takes back what cannot be taken back now
            self._take_back(set(self._mismatch_reports))


def _word(outcome: TaskResult) -> str:
    if outcome.withheld:
        return "withheld"
    return "error" if outcome.error else "reply"
