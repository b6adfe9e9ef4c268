"""Flower's messages and states, taken apart into a small protobuf skeleton and the byte strings, and back.

Arrays and other large byte strings never pass through protobuf (which can write more than 2 GiB but
not read it again): they are taken out as buffers, without a copy, and put back where they were.
This is one of the rooms in which flwr's private corners are known. It imports neither keys nor
transports, so the worker process, which may live in another Python environment, can use it.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata
from flwr.common.constant import ErrorCode
from flwr.common.serde import (
    message_from_proto,
    message_to_proto,
    recorddict_from_proto,
    recorddict_to_proto,
)
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.recorddict_pb2 import RecordDict as ProtoRecordDict

from syft_flwr_cli.flower.lazy_array import LazyArray, Loader

__all__ = [
    "Packed",
    "pack_content",
    "pack_message",
    "pack_state",
    "round_of",
    "unpack_message",
    "unpack_state",
    "with_metadata",
]

LARGE = 1 << 16
"""Bytes of an array that is worth being brought in only when it is used."""

MIN_BLOB = 512
"""Byte strings shorter than this stay in the protobuf."""

_WIDE = -1
"""Marks a shape with a dimension of 2^31 or more: what follows are two numbers for each, of 31 bits."""

UNAVAILABLE = (
    "Error: the message is unavailable: it is unknown, its time is over, or its reply was pulled before."
)

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Packed:
    """A message or state, taken apart.

    Parameters
    ----------
    skeleton : bytes
        The protobuf without its larger byte strings.
    places : list of tuple
        Where each byte string belongs: record name, item name[, index].
    blobs : list of bytes-like
        The byte strings, in the order of ``places``; the caller's own memory, not copies.
    """

    skeleton: bytes
    places: list[Path] = field(default_factory=list)
    blobs: list[Any] = field(default_factory=list)


def pack_message(message: Message) -> Packed:
    """Take a message apart; its metadata goes along in the skeleton."""
    packed = Packed(b"")
    light: Message = message
    if message.has_content():
        light = make_message(message.metadata, content=_lighten(message.content, packed))
    packed.skeleton = message_to_proto(light).SerializeToString(deterministic=True)
    return packed


def pack_content(message: Message, *, keep_lazy: bool = False) -> Packed:
    """Take only a message's content apart (no metadata): what two equal messages have in common.

    With ``keep_lazy`` the blob of a large `LazyArray` is that array, not brought in.
    """
    packed = Packed(b"")
    if message.has_content():
        light = _lighten(message.content, packed, keep_lazy)
        packed.skeleton = recorddict_to_proto(light).SerializeToString(deterministic=True)
    return packed


def with_metadata(message: Message, content: bytes) -> bytes:
    """The skeleton of a message whose content `pack_content` has taken apart before."""
    if not message.has_content():
        return pack_message(message).skeleton
    proto = message_to_proto(make_message(message.metadata, content=RecordDict()))
    proto.content.MergeFromString(content)
    return bytes(proto.SerializeToString(deterministic=True))


def unpack_content(
    skeleton: bytes, places: Sequence[Path], loaders: Sequence[Loader], tokens: Sequence[int | None]
) -> RecordDict:
    """Put a content together again; its arrays are lazy, and those with a token have it as ``_token``."""
    content = recorddict_from_proto(ProtoRecordDict.FromString(skeleton))
    _fill(content, places, loaders, lazy=True)
    for place, token in zip(places, tokens, strict=True):
        record: Any = content[str(place[0])]
        if token is not None and isinstance(record, ArrayRecord):
            record[str(place[1])].__dict__["_token"] = token
    return content


def remade(metadata: Mapping[str, Any], content: RecordDict | None, error: Error | None) -> Message:
    """A message of what `vars` gave of its metadata, and its content or error."""
    made = Metadata.__new__(Metadata)
    made.__dict__.update(metadata)
    return make_message(made, content=content, error=error)


def lazy_arrays(message: Message) -> list[LazyArray]:
    """The lazy arrays of a message."""
    if not message.has_content():
        return []
    records = [record for record in message.content.values() if isinstance(record, ArrayRecord)]
    return [array for record in records for array in record.values() if isinstance(array, LazyArray)]


def unpack_message(
    skeleton: bytes, places: Sequence[Path], loaders: Sequence[Loader], *, lazy: bool = False
) -> Message:
    """Put a message together again; the inverse of `pack_message`.

    Raises
    ------
    ValueError
        If the skeleton is no Flower message, or a place is not in it.
    """
    try:
        message = message_from_proto(ProtoMessage.FromString(skeleton))
    except Exception as error:  # protobuf and flwr raise many kinds here; all mean the same
        raise ValueError(f"not a Flower message: {type(error).__name__}: {error}") from None
    if places:
        _fill(message.content, places, loaders, lazy)
    return message


def pack_state(context: Context) -> Packed:
    """Take the state of a context apart."""
    packed = Packed(b"")
    light = _lighten(context.state, packed)
    packed.skeleton = recorddict_to_proto(light).SerializeToString(deterministic=True)
    return packed


def unpack_state(skeleton: bytes, places: Sequence[Path], loaders: Sequence[Loader]) -> RecordDict:
    """Put a state together again; the inverse of `pack_state`."""
    state = recorddict_from_proto(ProtoRecordDict.FromString(skeleton))
    _fill(state, places, loaders, lazy=False)
    return state


def round_of(message: Message) -> int | None:
    """The round a message belongs to: from the strategy's config record, or the legacy group id."""
    if message.has_content():
        for record in message.content.config_records.values():
            value = record.get("server-round")
            if isinstance(value, int):
                return value
    group = message.metadata.group_id
    return int(group) if group.isdecimal() and len(group) < 10 else None


def set_metadata(
    message: Message, *, run: int, message_id: str, source: int, destination: int, reply_to: str
) -> None:
    """Overwrite what a peer may not decide: run, ids and nodes."""
    message.metadata.__dict__.update(
        {
            "_run_id": run,
            "_message_id": message_id,
            "_src_node_id": source,
            "_dst_node_id": destination,
            "_reply_to_message_id": reply_to,
        }
    )


def error_reply(
    request: Metadata, code: int, reason: str, *, run: int, message_id: str, created: float
) -> Message:
    """An error reply to a request of which only the metadata is at hand."""
    metadata = Metadata(
        run_id=run,
        message_id=message_id,
        src_node_id=request.dst_node_id,
        dst_node_id=request.src_node_id,
        reply_to_message_id=request.message_id,
        group_id=request.group_id,
        created_at=created,
        ttl=request.ttl,
        message_type=request.message_type,
    )
    metadata.delivered_at = ""
    return make_message(metadata, error=Error(code=code, reason=reason))


def unavailable(message_id: str, *, run: int, node: int, now: float, why: str = "") -> Message:
    """What Flower answers for an id that it does not know, or does not know any more.

    ``node`` is the server's own; ``now`` is in seconds since 1970; ``why`` is added to the reason.
    """
    metadata = Metadata(
        run_id=run,
        message_id="",
        src_node_id=node,
        dst_node_id=node,
        reply_to_message_id=message_id,
        group_id="",
        created_at=now,
        ttl=0,
        message_type="system",
    )
    metadata.delivered_at = ""
    error = Error(code=ErrorCode.MESSAGE_UNAVAILABLE, reason=UNAVAILABLE + why)
    message = make_message(metadata, error=error)
    message.metadata.__dict__["_message_id"] = message.object_id
    return message


def describe(message: Message, digest: Callable[[Any], str]) -> dict[str, str]:
    """What a message's content is, item by item, in words short enough to compare and to show."""
    lines: dict[str, str] = {}
    if not message.has_content():
        return lines
    for name, record in message.content.items():
        for key, value in record.items():
            if isinstance(value, Array):
                shape = "x".join(str(n) for n in value.shape)
                data = value.raw() if isinstance(value, LazyArray) else value.data
                lines[f"{name}/{key}"] = f"{value.dtype}[{shape}] {digest(data)}"
            else:
                text = json.dumps(
                    value, default=lambda raw: digest(raw) if isinstance(raw, bytes) else repr(raw)
                )
                lines[f"{name}/{key}"] = text if len(text) <= 80 else digest(text.encode())
    return lines


def _lighten(content: RecordDict, packed: Packed, keep_lazy: bool = False) -> RecordDict:
    light = RecordDict()
    for name, record in content.items():
        if isinstance(record, ArrayRecord):
            light[name] = _light_arrays(name, record, packed, keep_lazy)
        elif isinstance(record, ConfigRecord):
            light[name] = _light_config(name, record, packed)
        else:
            light[name] = record
    return light


def _light_arrays(name: str, record: ArrayRecord, packed: Packed, keep_lazy: bool) -> ArrayRecord:
    light = ArrayRecord()
    for key, array in record.items():
        if keep_lazy and isinstance(array, LazyArray) and _is_large(array):
            packed.places.append((name, key))
            packed.blobs.append(array)
            light[key] = Array(array.dtype, _narrow(array.shape), array.stype, b"")
            continue
        data = array.raw() if isinstance(array, LazyArray) else array.data
        if len(data) < MIN_BLOB and all(size < 1 << 31 for size in array.shape):
            light[key] = array
            continue
        packed.places.append((name, key))
        packed.blobs.append(data)
        light[key] = Array(array.dtype, _narrow(array.shape), array.stype, b"")
    return light


def _is_large(array: LazyArray) -> bool:
    if "_data" in array.__dict__:
        return False
    try:
        return math.prod(array.shape) * np.dtype(array.dtype).itemsize > LARGE
    except TypeError:
        return True


def _narrow(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape whose dimensions protobuf can write, which has 32 bits for each; `_wide` undoes it."""
    if all(0 <= size < 1 << 31 for size in shape):
        return tuple(shape)
    return (_WIDE, *(part for size in shape for part in (size >> 31, size & 0x7FFFFFFF)))


def _wide(shape: Sequence[int]) -> tuple[int, ...]:
    if not shape or shape[0] != _WIDE:
        return tuple(shape)
    parts = iter(shape[1:])
    return tuple((high << 31) + low for high, low in zip(parts, parts, strict=True))


def _light_config(name: str, record: ConfigRecord, packed: Packed) -> ConfigRecord:
    light = ConfigRecord()
    for key, value in record.items():
        if isinstance(value, bytes) and len(value) >= MIN_BLOB:
            packed.places.append((name, key))
            packed.blobs.append(value)
            light[key] = b""
        elif isinstance(value, list) and any(isinstance(v, bytes) and len(v) >= MIN_BLOB for v in value):
            rest: list[bytes] = []
            for index, item in enumerate(cast(list[bytes], value)):
                if len(item) >= MIN_BLOB:
                    packed.places.append((name, key, index))
                    packed.blobs.append(item)
                rest.append(b"" if len(item) >= MIN_BLOB else item)
            light[key] = rest
        else:
            light[key] = value
    return light


def _fill(content: RecordDict, places: Sequence[Path], loaders: Sequence[Loader], lazy: bool) -> None:
    for place, load in zip(places, loaders, strict=True):
        try:
            record: Any = content[str(place[0])]
            key = str(place[1])
            if isinstance(record, ArrayRecord):
                array = record[key]
                if lazy:
                    record[key] = LazyArray(array.dtype, _wide(array.shape), array.stype, load)
                else:
                    array.data, array.shape = bytes(load()), _wide(array.shape)
            elif isinstance(record, ConfigRecord) and len(place) == 3:
                cast(list[bytes], record[key])[int(place[2])] = bytes(load())
            elif isinstance(record, ConfigRecord):
                record[key] = bytes(load())
            else:
                raise KeyError(key)
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"the message has no place {place!r}: {error}") from None


def metrics_of(message: Message) -> dict[str, Any]:
    """The metrics a reply carries, by plain names, ``num-examples`` among them where it tells.

    The legacy API's records (``fitres.*``, ``evaluateres.*``) are read as what they mean.
    """
    found: dict[str, Any] = {}
    if not message.has_content():
        return found
    for name, record in message.content.items():
        if isinstance(record, MetricRecord):
            for key, value in record.items():
                found["num-examples" if key in ("num_examples", "num-examples") else key] = value
        elif isinstance(record, ConfigRecord) and name.endswith("res.metrics"):
            for key, plain in record.items():
                if isinstance(plain, int | float) and not isinstance(plain, bool):
                    found[key] = plain
    return found
