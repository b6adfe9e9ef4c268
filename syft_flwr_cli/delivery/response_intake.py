"""Intake of responses: each taken once, whole, and only from whom it is awaited.

`ResponseIntake` looks at what the data owners have published, refuses what is not exactly what is awaited (said
once, never in the way of what is behind it), brings the arrays into the participant's own store, and gives
what is complete to be journaled. One that is damaged is asked for again. Used from one thread.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from syft_flwr_cli.delivery.participant import Participant, kept_of
from syft_flwr_cli.delivery.payloads import fetch_payload, payload_of
from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.events import ResponseReceived
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import ENCRYPTION_MISMATCH, Body, decode_body, encode_body
from syft_flwr_cli.protocol.printable import first_line
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Outgoing
from syft_flwr_cli.security.envelope import MAX_FILE, Envelope, read_envelope
from syft_flwr_cli.storage.journal import Answer, RequestRow
from syft_flwr_cli.transports.base import Watch

__all__ = ["ResponseIntake", "stored_payload"]

_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
_NO_USE = ("plaintext", "version")
"""Reasons for which the same response would only be refused again."""

_TRIES = 10

Attempt = Callable[[Callable[[], None]], None]
"""Does something, and notes a failure of the store instead of raising it: what came elsewhere is taken in."""


@dataclass(slots=True)
class _ResendRequest:
    """When a peer may next be asked to publish a response again, and whether that is wanted."""

    due: float = 0.0
    pause: float = _PAUSE
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class _Incomplete:
    """A response that is genuine; its arrays may not be here yet."""

    row: RequestRow
    reply: bytes
    body: Body
    envelope: Envelope


class ResponseIntake:
    """The responses to one run's requests.

    Parameters
    ----------
    me : Participant
        The aggregator.
    run : str
        The run's id in decimal.
    find : callable
        The open request with an id, if there is one.
    """

    def __init__(self, me: Participant, run: str, find: Callable[[str], RequestRow | None]) -> None:
        self._me = me
        self._run = run
        self._find = find
        self._watches: dict[str, Watch] = {}
        self._names: dict[tuple[str, str], int] = {}
        self._incomplete: dict[str, _Incomplete] = {}
        self._accepted: dict[str, str] = {}
        self._wrong: dict[str, str] = {}
        self._resends: dict[str, _ResendRequest] = {}

    def take_in(self, peers: Collection[str], attempt: Attempt) -> list[Answer]:
        """What is complete by now of what ``peers`` have published, to be journaled."""
        for peer in sorted(peers):
            attempt(partial(self._note_new, peer))
        for peer, name in list(self._names):
            if peer in peers:
                attempt(partial(self._take, peer, name))
        answers: list[Answer] = []
        for mid in list(self._incomplete):
            attempt(partial(self._complete, mid, answers))
        return answers

    def journaled(self, ids: Iterable[str]) -> None:
        """These answers are in the journal."""
        for mid in ids:
            self._accepted[mid] = self._incomplete.pop(mid).envelope.digest

    def _note_new(self, peer: str) -> None:
        if peer not in self._watches:
            folder = names.rpc_folder(peer, self._me.email, self._me.app)
            self._watches[peer] = self._me.transport.watch(peer, folder)
        for entry in self._watches[peer].new():
            if entry.name.endswith(".response") and entry.file_type_error:
                path = f"{names.rpc_folder(peer, self._me.email, self._me.app)}/{entry.name}"
                self._me.refuse_name(peer, path, entry.file_type_error)
            elif entry.name.endswith(".response"):
                self._names.setdefault((peer, entry.name), 0)

    def _take(self, peer: str, name: str) -> None:
        """Look at a response; its name is struck off once it has been dealt with."""
        path = f"{names.rpc_folder(peer, self._me.email, self._me.app)}/{name}"
        mid = names.message_of(name, ".response")
        if mid is None:
            self._me.refuse_name(peer, path)
            del self._names[peer, name]
            return
        row = self._find(mid) or self._me.journal.sent(mid)
        before = self._taken(mid)
        late = row is not None and row.run != self._run
        if late or (row is not None and row.state is Outgoing.ANSWERED and before is None):
            del self._names[peer, name]  # of a run that is over, or taken by an earlier process
            return
        try:
            with self._me.transport.open(peer, path) as stream:
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
                self._incomplete[mid] = _Incomplete(row, _as_journaled(body), body, envelope)
        except RefusedError as error:
            self._me.refuse(peer, path, data, error)
            if row is not None and row.recipient == peer and error.reason not in _NO_USE:
                self._request_resend(row)
        del self._names[peer, name]

    def _taken(self, mid: str) -> str | None:
        """The digest of the response that was taken for this request, whether its payloads are here or not."""
        if mid in self._incomplete:
            return self._incomplete[mid].envelope.digest
        return self._accepted.get(mid)

    def _open_response(self, row: RequestRow, peer: str, envelope: Envelope) -> Body:
        header = envelope.header
        expected = (
            "response",
            row.id,
            self._me.app,
            self._run,
            peer,
            self._me.email,
            names.MESSAGES_ENDPOINT,
        )
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
        body = decode_body(self._me.unseal(envelope, peer))
        if body.type == ENCRYPTION_MISMATCH:
            raise RefusedError("plaintext", f"{peer} sealed when we did not, or we when it did not")
        return body

    def _request_resend(self, row: RequestRow) -> None:
        """A response arrived damaged: the same request again makes its sender publish the response again.

        Each time after a longer pause, so that a sender who has nothing better is not asked for ever.
        """
        self._resends.setdefault(row.id, _ResendRequest()).wanted = True

    def to_ask_again(self) -> list[RequestRow]:
        """The requests that are due to go out once more, because their responses arrived damaged."""
        now, due = time.monotonic(), []
        for mid, resend in list(self._resends.items()):
            row = self._find(mid)
            if row is None:
                del self._resends[mid]
            elif resend.wanted and now >= resend.due and row.envelope is not None:
                resend.wanted, resend.due = False, now + resend.pause
                resend.pause = min(2 * resend.pause, _LONGEST_PAUSE)
                due.append(row)
        return due

    def next_ask(self) -> float:
        """Seconds until `to_ask_again` has something; infinite if it will not."""
        now = time.monotonic()
        return min((max(0.0, n.due - now) for n in self._resends.values() if n.wanted), default=math.inf)

    def _complete(self, mid: str, answers: list[Answer]) -> None:
        item = self._incomplete[mid]
        row, body, envelope = item.row, item.body, item.envelope
        # Nobody waits for a late answer; it is noted so that its sender may clean up.
        late = row.state not in (Outgoing.WAITING, Outgoing.SEALED)
        for ref in () if late else body.payloads:
            destination = stored_payload(self._me, self._run, row.recipient, ref.id)
            try:
                fetch_payload(self._me, row.recipient, ref, destination)
            except NotThereError:
                return
            except RefusedError as error:
                path = payload_of(row.recipient, self._me.email, self._me.app, ref)
                # Once for each thing that is wrong, though it is looked at again and again.
                wrong = f"{envelope.digest} {path} {error.what}"
                if self._wrong.get(mid) != wrong:
                    self._wrong[mid] = wrong
                    self._me.refuse(row.recipient, path, wrong.encode(), error)
                self._request_resend(row)
                return
        now = self._me.clock()
        entry = {
            "event": "received",
            "time": now,
            "message": mid,
            "peer": row.recipient,
            "run": self._run,
            "digest": envelope.digest,
            **kept_of(envelope),
        }
        if body.code:
            entry["code"] = body.code
        if body.data:
            entry["data"] = body.data
        if body.sandbox:
            entry["sandbox"] = body.sandbox
        answers.append(Answer(mid, item.reply, now, entry))
        self._me.emit(ResponseReceived(row.recipient, mid, body.error and first_line(body.error[1])))

    def close(self) -> None:
        """Look no more."""
        for watch in self._watches.values():
            watch.close()


def stored_payload(me: Participant, run: str, owner: str, payload: str) -> Path:
    """Where a payload of ``owner`` lies in our own store: apart, so that nobody can name another's."""
    return me.received_payloads / run / names.check_email(owner) / f"{payload}.payload"


def _as_journaled(body: Body) -> bytes:
    """A reply without what has been dealt with."""
    return encode_body(replace(body, acks=()))
