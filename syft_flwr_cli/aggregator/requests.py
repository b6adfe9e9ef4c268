"""Flower's messages on their way out: checked as Flower checks them, and taken apart for the outbox.

What Flower drops with a line in its log is dropped here with the same line; what it refuses is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from logging import ERROR
from typing import Any

from flwr.app import DEFAULT_TTL, Message
from flwr.app.metadata import Metadata
from flwr.common.logger import log
from flwr.server.utils.validator import validate_message

from syft_flwr_cli.aggregator.waiting import lifetime
from syft_flwr_cli.delivery.payload_plan import Digests
from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.flower import codec
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.security.sealing import content_digest
from syft_flwr_cli.storage.journal import RequestMeta

__all__ = ["Drafts", "accepted", "copied"]


def accepted(message: Message, run: int, is_node: Callable[[int], bool]) -> bool:
    """Whether a message may be sent; Flower's reason is logged if not.

    Raises
    ------
    ValueError
        As Flower does, if the message is a reply, was delivered before, or has no time to live.
    """
    metadata = message.metadata
    if metadata.reply_to_message_id != "" or not metadata.ttl > 0 or metadata.delivered_at != "":
        raise ValueError(f"Invalid message: {message}")
    metadata.__dict__["_message_id"] = metadata.message_id or "to be given"
    errors = validate_message(message, is_reply_message=False)
    if errors:
        log(ERROR, errors)
    elif metadata.run_id != run:
        log(ERROR, "Invalid run ID for Message: %s", metadata.run_id)
    elif not is_node(metadata.dst_node_id):
        log(ERROR, "Invalid destination node ID for Message: %s", metadata.dst_node_id)
    else:
        return True
    return False


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


class Drafts:
    """Makes the drafts of one call: a broadcast is the same content for everybody, taken apart and described once.

    Parameters
    ----------
    code : str, optional
        Digest of the project that the data owners are expected to run.
    run_config : mapping
        What travels with each request: the overrides of the run.
    owners : int, optional
        How many data owners the run has, which each of them is told.
    open_runs : sequence of str
        The other runs of the app that go on.
    limit : float, optional
        Seconds after which a request ends, whatever time to live its message has.
    """

    def __init__(
        self,
        code: str | None,
        run_config: Mapping[str, Any],
        owners: int | None = None,
        open_runs: Sequence[str] = (),
        limit: float | None = None,
    ) -> None:
        self._code = code
        self._limit = limit
        self._run_config = dict(run_config)
        self._owners = owners
        self._open_runs = tuple(open_runs)
        self._digests = Digests()
        self._seen: dict[tuple[tuple[str, int], ...] | None, _Content] = {}

    def draft(self, message: Message, recipient: str, now: float) -> OutgoingRequest:
        """The draft of a message that is made ``now`` (seconds since 1970)."""
        metadata = message.metadata
        # The same records make the same content, also where each message has a dict of its own around them.
        key = None
        if message.has_content():
            key = tuple((name, id(record)) for name, record in message.content.items())
        content = self._seen.get(key)
        if content is None:
            content = self._seen[key] = _Content.of(message, self._digests)
        tag = f"{metadata.message_type}\0{metadata.group_id}\0".encode()
        number = codec.round_of(message)
        seconds = lifetime(metadata.ttl, max(0.0, now - metadata.created_at), DEFAULT_TTL)
        body = Body(
            type=metadata.message_type,
            group=metadata.group_id,
            round=number,
            skeleton=codec.with_metadata(message, content.packed.skeleton),
            code=self._code,
            run_config=self._run_config,
            owners=self._owners,
            open_runs=self._open_runs,
        )
        return OutgoingRequest(
            recipient=recipient,
            body=body,
            digest=content_digest([tag, content.digest]),
            outline={"type": metadata.message_type, "group": metadata.group_id, **content.outline},
            places=content.packed.places,
            blobs=content.packed.blobs,
            response_timeout=seconds if self._limit is None else min(seconds, self._limit),
            meta=RequestMeta(
                response_timeout=0.0,  # the outbox notes what it is
                type=metadata.message_type,
                label=f"round {number}" if number is not None else metadata.group_id,
                round=number,
            ),
            digests=self._digests,
        )


def copied(metadata: Metadata) -> Metadata:
    """Metadata of its own, which stays as it is when the app changes the message."""
    copy = Metadata.__new__(Metadata)
    copy.__dict__.update(metadata.__dict__)
    return copy
