"""Answers on their way to the ServerApp: bodies from the outbox become Flower's messages again.

Nothing that a peer says of run, ids and nodes is believed. Arrays are lazy: each is decrypted from this machine's
own store when the strategy uses it.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flwr.app import Message
from flwr.app.metadata import Metadata

from syft_flwr_cli.delivery.outbox import Reply
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.flower.error_codes import NOT_EXECUTED, UNUSABLE
from syft_flwr_cli.flower.reply_check import HEAD, Head, fault_in
from syft_flwr_cli.protocol.body import Body, PayloadRef, Slot
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.security.sealing import open_payload, open_start

__all__ = ["Delivered", "Replies"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A reply as the ServerApp gets it, with the first error, if it is one; ``partakes``: it was executed."""

    message: Message
    error: str | None = None
    partakes: bool = True


class Replies:
    """Makes messages of replies to one run's requests.

    Parameters
    ----------
    store : callable
        Where in this machine's store a payload of a data owner lies.
    code : str, optional
        Digest of the project that the data owners are expected to run.
    """

    def __init__(self, store: Callable[[str, str], Path], code: str | None) -> None:
        self._store = store
        self._code = code
        self._bundle: tuple[str, bytearray] | None = None
        self._lock = threading.Lock()

    def message(self, mid: str, who: str, asked: Metadata, reply: Reply, body: Body, run: int) -> Delivered:
        """The reply to the request ``mid`` that ``who`` was sent."""
        arrived = reply.sent.replied if reply.sent.replied is not None else reply.sent.created

        def failed(code: int, reason: str, *, partakes: bool = True) -> Delivered:
            text = visible(reason, keep="\n\t")  # apps log it: it must move no cursor and hide nothing
            message = codec.error_reply(asked, code, text, run=run, message_id=_id(mid), created=arrived)
            return Delivered(_delivered(message, arrived), text, partakes)

        if body.error is not None:
            return failed(*body.error, partakes=body.error[0] != NOT_EXECUTED)
        if self._code is not None and body.code is not None and body.code != self._code:
            sentence = f"{who} ran the code {body.code[:16]}…, not {self._code[:16]}…"
            return failed(UNUSABLE, sentence, partakes=False)
        loaders = [self._loader(who, body, slot) for slot in body.slots]
        try:
            message = codec.unpack_message(
                body.skeleton, [slot.at for slot in body.slots], loaders, lazy=True
            )
        except ValueError as error:
            return failed(UNUSABLE, f"the reply of {who} cannot be read: {error}")
        codec.set_metadata(
            message,
            run=run,
            message_id=_id(mid),
            source=asked.dst_node_id,
            destination=runtime.SERVER_NODE_ID,
            reply_to=mid,
        )
        if message.has_error():
            return failed(message.error.code, message.error.reason or "error")
        heads = {
            (str(slot.at[0]), str(slot.at[1])): self._head(who, body, slot, load)
            for slot, load in zip(body.slots, loaders, strict=True)
            if len(slot.at) == 2
        }
        fault = fault_in(message.content, heads, reply.sent.outline) if message.has_content() else None
        if fault is not None:
            return failed(UNUSABLE, f"the reply of {who} cannot be used: {fault}")
        return Delivered(_delivered(message, arrived))

    def _head(self, who: str, body: Body, slot: Slot, load: Callable[[], bytes | bytearray]) -> Head:
        """The beginning of an array, without opening a large one as a whole."""

        def head() -> tuple[bytes, int]:
            if slot.payload < 0 or slot.size != body.payloads[slot.payload].size:
                return bytes(load()[:HEAD]), slot.size
            ref = body.payloads[slot.payload]
            with self._store(who, ref.id).open("rb") as stream:
                return open_start(stream, ref.key, ref.size)[:HEAD], slot.size

        return head

    def _loader(self, who: str, body: Body, slot: Slot) -> Callable[[], bytes | bytearray]:
        if slot.payload < 0:
            piece = bytes(memoryview(body.inline)[slot.offset : slot.offset + slot.size])
            return lambda: piece
        ref = body.payloads[slot.payload]
        path = self._store(who, ref.id)
        if slot.size == ref.size:
            return lambda: _read_payload(path, ref)

        def load() -> bytearray:
            # Many small arrays lie in one bundle: it is opened once for all that are asked for in a row.
            with self._lock:
                # By its place, not by its id: two data owners may have named the same.
                if self._bundle is None or self._bundle[0] != str(path):
                    self._bundle = (str(path), _read_payload(path, ref))
                return self._bundle[1][slot.offset : slot.offset + slot.size]

        return load


def _id(mid: str) -> str:
    """The id of the reply to a request: its own, and the same when the run is taken up again."""
    return hashlib.sha256(f"reply to {mid}".encode()).hexdigest()


def _delivered(message: Message, arrived: float) -> Message:
    message.metadata.delivered_at = datetime.fromtimestamp(arrived, UTC).isoformat()
    return message


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
        # Checked again, as it was when it came: a home may be older than the copies that only we can write.
        open_payload(stream, ref.key, ref.size, ref.digest, memoryview(content))
    return content
