"""SyftGrid: Flower's Grid over files.

Thin: it turns Flower's messages into drafts for the outbox and answers back into messages, knows which
node id is which data owner, and decides how long is waited. Everything that lasts, and everything that
can be attacked, is below it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flwr.app import DEFAULT_TTL, Message, RecordDict
from flwr.app.metadata import Metadata
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from syft_flwr_cli import events
from syft_flwr_cli.aggregator.round_log import RoundLog
from syft_flwr_cli.delivery.outbox import Outbox, Reply, unknown_recipient
from syft_flwr_cli.delivery.participant import Participant
from syft_flwr_cli.delivery.payloads import Digests
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.errors import SyftFlwrError, TooFewRepliesError, UsageError
from syft_flwr_cli.events import Publisher
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.flower.error_codes import NO_ANSWER, NOT_EXECUTED, UNUSABLE
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, PayloadRef, Slot, Stop
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.protocol.states import Outgoing
from syft_flwr_cli.security.sealing import content_digest, open_payload

__all__ = ["SyftGrid"]

STOP_TTL = 7 * 86400.0
SYSTEM = "system"

MANY_QUESTIONS, LONG = 5, 4.0
"""Asked so often in so many seconds who takes part, without a message sent so far, an app waits for more."""


class SyftGrid(Grid):
    """A Grid whose nodes are data owners behind folders.

    Parameters
    ----------
    app_name : str
        The app; a leading ``flwr/`` is dropped.
    datasites : sequence of str
        E-mails of the data owners.
    client : Participant, optional
        Who sends; opened from the environment and the participant's own settings if None.
    timeout : float, optional
        Seconds for every answer, whatever the app says; None leaves it to the app.
    default_timeout : float
        Seconds where neither the app nor ``timeout`` says anything.
    min_replies : int
        Fewer answers than this to one round's requests end the run.
    code : str, optional
        Digest of the project that the data owners are expected to run.
    """

    def __init__(
        self,
        app_name: str,
        datasites: Sequence[str],
        client: Participant | None = None,
        *,
        timeout: float | None = None,
        default_timeout: float = 120.0,
        min_replies: int = 1,
        code: str | None = None,
        run_config: dict[str, Any] | None = None,
        accept_divergence: bool = False,
        spent: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.app_name = names.check_app_name(app_name.removeprefix("flwr/"))
        self.datasites = [names.check_email(email) for email in datasites]
        self._emails = {names.node_id(email): email for email in self.datasites}
        if len(self._emails) != len(self.datasites) or not self.datasites:
            raise UsageError(
                "The data owners are not distinct, or there are none.",
                hint="Give each e-mail once, at least one.",
            )
        if client is None:
            from syft_flwr_cli.session.session import open_for_api

            client = open_for_api(self.app_name, self.datasites)
        self.client = client
        self._timeout = timeout
        self._default_timeout = default_timeout
        self._min_replies = min_replies
        self._code = code
        self._run_config = dict(run_config or {})
        self._accept_divergence = accept_divergence
        self._run: Run | None = None
        self._outbox: Outbox | None = None
        self._asked: dict[str, tuple[int, str, Metadata]] = {}
        self._delivered: set[str] = set()
        self._questions, self._first_question = 0, 0.0
        self._bundle: tuple[str, bytearray] | None = None
        self._bundle_lock = threading.Lock()
        self.rounds = RoundLog(spent)
        self._emit = Publisher(client.emit, self.rounds)
        self._last_round = 0

    # Flower's Grid

    def set_run(self, run: Run | int) -> None:
        """Set the run, by its id or by Flower's object of it; messages can be made and sent from then on."""
        run_object = runtime.empty_run(run) if isinstance(run, int) else run
        if not isinstance(run_object, Run):
            raise TypeError(f"`run` must be a Run or a run id, got {type(run).__name__}")
        self._run = run_object
        runtime.become(run_object.run_id, runtime.SERVER_NODE_ID)
        if self._outbox is not None:
            self._outbox.close()
        self._outbox = Outbox(
            self.client, str(run_object.run_id), self.datasites, accept_divergence=self._accept_divergence
        )

    @property
    def run(self) -> Run:
        """The run; an error before `set_run`."""
        if self._run is None:
            raise UsageError("The grid has no run yet.", hint="Call grid.set_run(run_id) first.")
        return Run(**vars(self._run))

    @property
    def outbox(self) -> Outbox:
        """The messages of this run."""
        if self._outbox is None:
            raise UsageError("The grid has no run yet.", hint="Call grid.set_run(run_id) first.")
        return self._outbox

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message of this run to a node; ``ttl`` in seconds."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        """The node ids of the data owners, whether they are there at the moment or not."""
        self._check()
        self._warn_if_waiting()
        return list(self._emails)

    def get_nodes(self) -> list[NodeInfo]:
        """The data owners, as Flower describes nodes; their e-mails are the names."""
        self._check()
        return [NodeInfo(node_id=node, name=email) for node, email in self._emails.items()]

    def _warn_if_waiting(self) -> None:
        """Say so if the ServerApp seems to wait for more data owners than there will ever be."""
        if self._asked:
            return
        self._questions += 1
        if self._questions == 1:
            self._first_question = time.monotonic()
        elif self._questions > MANY_QUESTIONS and time.monotonic() > self._first_question + LONG:
            self._questions = 0
            self._emit(events.WaitsForMore(len(self.datasites)))

    def _check(self) -> None:
        # After a failure the legacy API goes on asking from a thread of its own, for ever.
        if self._outbox is not None:
            self._outbox.check()

    def email_of(self, node: int) -> str:
        """The data owner behind a node id."""
        if node not in self._emails:
            raise unknown_recipient(node)
        return self._emails[node]

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Send messages; their ids, by which replies are pulled."""
        return self._push(list(messages), None)

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that are there by now, each once, in the order in which they came; never waits.

        A run that is taken up again hands them out in the same order, if not in the same portions.
        """
        ids = [mid for mid in message_ids if mid not in self._delivered]
        replies = self.outbox.collect(ids, time.monotonic())
        in_turn = sorted(replies, key=lambda mid: replies[mid].sent.completion_order)
        return self._deliver(in_turn, replies, explicit=True)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Send messages and wait for the replies, at most ``timeout`` seconds.

        Replies come in the order of ``messages``. With a ``timeout``, whoever does not answer is left out, as
        in Flower; without one, an error reply stands for it when its time is up.
        """
        ids = self._push(list(messages), timeout)
        if not ids:
            return []
        replies = self.outbox.collect(ids, None)
        answered = sum(reply.body is not None for reply in replies.values())
        if answered < min(self._min_replies, len(ids)) and len(ids) > 1:
            self._too_few(answered, ids)
        return self._deliver(ids, replies, explicit=timeout is None)

    def _too_few(self, answered: int, ids: list[str]) -> None:
        silent = sorted({self._asked[mid][1] for mid in ids} - self._answered_by(ids))
        error = TooFewRepliesError(
            f"{answered} of {len(ids)} data owners answered in time; the run needs {self._min_replies}. "
            f"No answer from {', '.join(silent)}.",
            hint="Give them more time (--timeout 24h), find out what keeps them (their run-client says it), "
            "or accept fewer (--min-replies).",
        )
        self.outbox.fail(error)
        raise error

    def _answered_by(self, ids: list[str]) -> set[str]:
        replies = self.outbox.collect(ids, time.monotonic())
        return {self._asked[mid][1] for mid, reply in replies.items() if reply.body is not None}

    def send_stop_signal(
        self, group_id: str = "final", reason: str = "Server stopped", ttl: float = STOP_TTL
    ) -> list[str]:
        """Tell every data owner that the run is over; to whom it went.

        A SYSTEM message with group id ``final`` and ``{"config": {"action": "stop", "reason": …}}``.
        """
        for email in self.datasites:
            body = Body(type=SYSTEM, group=group_id, stop=Stop(reason[:1000]))
            self.outbox.stop(email, body, ttl)
        return list(self.datasites)

    # Down

    def _push(self, messages: list[Message], timeout: float | None) -> list[str]:
        outbox = self.outbox
        # A broadcast is the same content for everybody: it is taken apart and described once.
        digests, seen = Digests(), dict[int, _Content]()
        drafts = [self._draft(message, timeout, digests, seen) for message in messages]
        rounds = [self._begin_round(draft) for draft in drafts]
        ids = outbox.push(drafts)
        for kind, number in dict.fromkeys(zip((d.body.type for d in drafts), rounds, strict=True)):
            self._emit(events.RequestsPublished(kind, number))
        for mid, message, draft, number in zip(ids, messages, drafts, rounds, strict=True):
            message.metadata.__dict__["_message_id"] = mid
            metadata = _copy(message.metadata)
            self._asked[mid] = (number, draft.recipient, metadata)
            self._delivered.discard(mid)
        return ids

    def _begin_round(self, draft: OutgoingRequest) -> int:
        """Note a request; the round that it belongs to, which is the latest where the app does not say."""
        number = draft.body.round if draft.body.round is not None else self._last_round or 1
        self._last_round = max(self._last_round, number)
        self._emit(events.RequestPrepared(draft.recipient, draft.body.type, number))
        return number

    def _draft(
        self, message: Message, timeout: float | None, digests: Digests, seen: "dict[int, _Content]"
    ) -> OutgoingRequest:
        metadata = message.metadata
        recipient = self.email_of(metadata.dst_node_id)
        key = id(message.content) if message.has_content() else 0
        content = seen.get(key)
        if content is None:
            content = seen[key] = _Content.of(message, digests)
        tag = f"{metadata.message_type}\0{metadata.group_id}\0".encode()
        number = codec.round_of(message)
        body = Body(
            type=metadata.message_type,
            group=metadata.group_id,
            round=number,
            skeleton=codec.with_metadata(message, content.packed.skeleton),
            code=self._code,
            run_config=self._run_config,
        )
        return OutgoingRequest(
            recipient=recipient,
            body=body,
            digest=content_digest([tag, content.digest]),
            outline={"type": metadata.message_type, "group": metadata.group_id, **content.outline},
            places=content.packed.places,
            blobs=content.packed.blobs,
            response_timeout=self._response_timeout(metadata.ttl, timeout),
            meta={
                "label": f"round {number}" if number is not None else metadata.group_id,
                "type": metadata.message_type,
                "round": number,
            },
            digests=digests,
        )

    def _response_timeout(self, ttl: float, timeout: float | None) -> float:
        if self._timeout is not None:
            return self._timeout
        if timeout is not None:
            return min(timeout, ttl)
        return ttl if ttl != DEFAULT_TTL else self._default_timeout

    # Up

    def _deliver(self, ids: list[str], replies: dict[str, Reply], *, explicit: bool) -> list[Message]:
        delivered = []
        for mid in ids:
            reply = replies.get(mid)
            if reply is None or mid in self._delivered:
                continue
            self._delivered.add(mid)
            message = self._message(mid, reply, explicit)
            if message is not None:
                delivered.append(message)
        return delivered

    def _message(self, mid: str, reply: Reply, explicit: bool) -> Message | None:
        number, who, asked = self._asked[mid]
        run = self.run.run_id

        def failed(reason: str, *, partakes: bool = True) -> None:
            reply = events.ReplyDelivered(who, asked.message_type, number, {}, reason, partakes)
            self._emit(reply)

        body = reply.body
        if body is None:
            self._emit(events.ReplyMissing(who))
            if not explicit or reply.sent.state is Outgoing.WITHDRAWN:
                return None
            reason = f"{who} did not answer within {reply.sent.meta['allowance']:g} seconds"
            return codec.error_reply(asked, NO_ANSWER, reason, run=run, message_id=mid, created=time.time())
        if body.error is not None:
            code, reason = body.error[0], _printable(body.error[1])
            failed(reason, partakes=code != NOT_EXECUTED)
            return codec.error_reply(asked, code, reason, run=run, message_id=mid, created=time.time())
        if self._code is not None and body.code is not None and body.code != self._code:
            reason = f"{who} ran the code {body.code[:16]}…, not {self._code[:16]}…"
            failed(reason, partakes=False)
            return codec.error_reply(asked, UNUSABLE, reason, run=run, message_id=mid, created=time.time())
        loaders = [self._loader(who, body, slot) for slot in body.slots]
        try:
            message = codec.unpack_message(
                body.skeleton, [slot.at for slot in body.slots], loaders, lazy=True
            )
        except ValueError as error:
            reason = f"the reply of {who} cannot be read: {error}"
            failed(reason)
            return codec.error_reply(asked, UNUSABLE, reason, run=run, message_id=mid, created=time.time())
        codec.set_metadata(
            message,
            run=run,
            message_id=mid,
            source=asked.dst_node_id,
            destination=runtime.SERVER_NODE_ID,
            reply_to=mid,
        )
        if message.has_error():
            code, reason = message.error.code, _printable(message.error.reason or "error")
            failed(reason)
            return codec.error_reply(asked, code, reason, run=run, message_id=mid, created=time.time())
        metrics = codec.metrics_of(message)
        self._emit(events.ReplyDelivered(who, asked.message_type, number, metrics))
        return message

    def _loader(self, who: str, body: Body, slot: Slot) -> Callable[[], bytes | bytearray]:
        if slot.payload < 0:
            piece = bytes(memoryview(body.inline)[slot.offset : slot.offset + slot.size])
            return lambda: piece
        ref = body.payloads[slot.payload]
        path = self.outbox.store_path(who, ref.id)
        if slot.size == ref.size:
            return lambda: _read_payload(path, ref)

        def load() -> bytearray:
            # Many small arrays lie in one bundle: it is opened once for all that are asked for in a row.
            with self._bundle_lock:
                # By its place, not by its id: two data owners may have named the same.
                if self._bundle is None or self._bundle[0] != str(path):
                    self._bundle = (str(path), _read_payload(path, ref))
                return self._bundle[1][slot.offset : slot.offset + slot.size]

        return load

    def close(self) -> None:
        """End the threads; the run stays as it is and can be taken up again."""
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None


def _printable(reason: str) -> str:
    """What a data owner says went wrong, as Flower and apps may log it: it moves no cursor and hides nothing."""
    return visible(reason, keep="\n\t")


@dataclass(frozen=True, slots=True)
class _Content:
    """A message's content taken apart, without its metadata: what a broadcast has in common."""

    packed: codec.Packed
    digest: bytes
    outline: dict[str, str]

    @classmethod
    def of(cls, message: Message, digests: Digests) -> "_Content":
        packed = codec.pack_content(message)
        parts = [packed.skeleton, repr(packed.places).encode(), *(digests.of(blob) for blob in packed.blobs)]
        outline = codec.describe(message, lambda data: digests.of(data).hex()[:12])
        return cls(packed, content_digest(parts), outline)


def _read_payload(path: Path, ref: PayloadRef) -> bytearray:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise SyftFlwrError(
            "A reply's array was asked for after its run had ended.",
            hint="Convert what you keep (array.numpy()) before the ServerApp returns.",
        ) from None
    with stream:
        content = bytearray(ref.size)
        # Checked again, as it was when it came: a link in the store leads to a file that its owner can write.
        open_payload(stream, ref.key, ref.size, ref.digest, memoryview(content))
    return content


def _copy(metadata: Metadata) -> Metadata:
    copied = Metadata.__new__(Metadata)
    copied.__dict__.update(metadata.__dict__)
    return copied
