"""Smaller updates, for apps that ask for them: numbers of half precision, or of eight bits with error feedback.

A pair: a mod for the ClientApp (`fp16_mod` or `int8_mod`) and `SmallerUpdates` around the ServerApp's grid; neither
app changes otherwise. Half precision rounds what leaves an owner, and with ``half_down`` also what is sent to it.
Eight bits carry the difference between the trained model and the one that came, array by array, scaled to its largest
number; what rounding took is kept in `Context.state` and added to the next update (error feedback: Seide et al.,
"1-Bit Stochastic Gradient Descent", 2014). An array that cannot be carried so (no floating-point numbers, infinite
ones, another shape) travels as it is. What was done stands in the reply: in a config record and in the types of the
arrays, both of which the owner's record of what leaves names, and in the metric ``update-bits``, which is in that
record too and in the aggregator's report.
It knows no files, no keys and nothing of how messages travel.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import Any, Final

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from syft_flwr_cli.flower.error_codes import UNUSABLE
from syft_flwr_cli.flower.lazy_array import LazyArray

__all__ = ["BITS", "RECORD", "SmallerUpdates", "fp16_mod", "int8_mod"]

RECORD: Final = "smaller-updates"
"""The config record that says what was done: ``encoding``, and for each array ``record/name`` its type and scale."""

BITS: Final = "update-bits"
"""The metric in which a reply states its encoding."""

RESIDUAL: Final = "smaller-updates-residual"
"""The record of `Context.state` that keeps what rounding took."""

FP16, INT8 = "half precision", "8 bits with error feedback"
_LEVELS: Final = 127
_LARGEST_HALF: Final = float(np.finfo(np.float16).max)

App = Callable[[Message, Context], Message]
Numbers = Mapping[str, Any]
"""Arrays by name, as NumPy has them."""


# At a data owner


def fp16_mod(message: Message, context: Context, app: App) -> Message:
    """A mod for a ClientApp: updates leave in half precision."""
    _widen_in_place(message)
    reply = app(message, context)
    if not reply.has_content():
        return reply
    content, done = _halved(reply.content)
    return _stating(reply, content, FP16, 16, done)


def int8_mod(message: Message, context: Context, app: App) -> Message:
    """A mod for a ClientApp: updates leave as differences of eight bits; what rounding took is in the next one."""
    _widen_in_place(message)
    base = _base_of(message)
    reply = app(message, context)
    if not reply.has_content() or not base:
        return reply
    kept = context.state.get(RESIDUAL)
    residual = kept if isinstance(kept, ArrayRecord) else ArrayRecord()
    content, done = RecordDict(), dict[str, float | str]()
    for record_name, record in reply.content.items():
        if not isinstance(record, ArrayRecord):
            content[record_name] = record
            continue
        light = ArrayRecord()
        for name, array in record.items():
            place = f"{record_name}/{name}"
            found = _quantised(array, base.get(name), residual.get(place))
            if found is None:
                light[name] = array
                continue
            levels, scale, rest = found
            light[name], residual[place], done[place] = Array(levels), Array(rest), scale
        content[record_name] = light
    if done:
        context.state[RESIDUAL] = residual
    return _stating(reply, content, INT8, 8, done)


def _quantised(array: Array, base: Any, before: Array | None) -> tuple[Any, float, Any] | None:
    """The levels, the size of one, and what rounding took; None if the array travels as it is."""
    value = array.numpy() if array.stype == "numpy.ndarray" else None
    if value is None or base is None or value.dtype.kind != "f":
        return None
    if base.shape != value.shape or base.dtype != value.dtype:
        return None
    wanted = (value - base).astype(np.float32)
    if before is not None and tuple(before.shape) == value.shape:
        wanted = wanted + before.numpy()
    largest = float(np.abs(wanted).max(initial=0.0))
    if not math.isfinite(largest):
        return None
    scale = largest / _LEVELS or 1.0
    levels = np.rint(wanted / np.float32(scale)).astype(np.int8)
    return levels, scale, wanted - levels.astype(np.float32) * np.float32(scale)


def _stating(
    reply: Message, content: RecordDict, encoding: str, bits: int, done: Mapping[str, float | str]
) -> Message:
    """``reply`` with the content in place of its own, and what was done to it."""
    if not done:
        return reply
    for name, record in content.items():
        if isinstance(record, MetricRecord):
            # Beside the others, so that an owner's rules for metrics (a least number of examples) hold as before.
            content[name] = MetricRecord({**record, BITS: bits})
            break
    content[RECORD] = ConfigRecord({"encoding": encoding, **done})
    reply.content = content
    return reply


# At the aggregator


class SmallerUpdates(Grid):
    """A grid whose replies are decoded before the ServerApp sees them; arrays are decoded when they are used.

    Parameters
    ----------
    grid : Grid
        The one that the ServerApp was given.
    half_down : bool
        Also send models in half precision; the mods at the owners take them as they are.
    """

    def __init__(self, grid: Grid, *, half_down: bool = False) -> None:
        self._grid = grid
        self._half_down = half_down
        self._asked: dict[str, Message] = {}
        self._sent: dict[str, dict[str, tuple[Array, str]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._grid, name)

    def set_run(self, run: Run) -> None:
        """As the grid's."""
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        """As the grid's."""
        return self._grid.run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """As the grid's."""
        return self._grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def get_node_ids(self) -> Iterable[int]:
        """As the grid's."""
        return self._grid.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """As the grid's; ``half_down`` applies."""
        sent = list(messages)
        own = self._encode(sent)
        try:
            ids = list(self._grid.push_messages(sent))
        finally:
            self._note(sent, own)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """As the grid's, decoded."""
        return [self._decode(reply) for reply in self._grid.pull_messages(message_ids)]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """As the grid's, decoded; ``half_down`` applies."""
        sent = list(messages)
        own = self._encode(sent)
        try:
            replies = list(self._grid.send_and_receive(sent, timeout=timeout))
        finally:
            self._note(sent, own)
        return [self._decode(reply) for reply in replies]

    def _encode(self, messages: list[Message]) -> list[RecordDict | None]:
        """Put in what is sent; the contents as they were, in the same order."""
        own = [message.content if message.has_content() else None for message in messages]
        halved: dict[tuple[int, ...], RecordDict] = {}
        for message in messages if self._half_down else ():
            if message.has_content():
                # A broadcast is one content for everybody, and stays one.
                key = tuple(map(id, message.content.values()))
                if key not in halved:
                    content, done = _halved(message.content)
                    if done:
                        content[RECORD] = ConfigRecord({"encoding": FP16, **done})
                    halved[key] = content
                message.content = RecordDict(dict(halved[key]))
        return own

    def _note(self, messages: list[Message], own: list[RecordDict | None]) -> None:
        for message, content in zip(messages, own, strict=True):
            if content is None:
                continue
            if message.metadata.message_id:
                self._asked[message.metadata.message_id] = message
                types = {name: array.dtype for record in _arrays(content) for name, array in record.items()}
                self._sent[message.metadata.message_id] = {
                    name: (array, types[name])
                    for record in _arrays(message.content)
                    for name, array in record.items()
                }
            message.content = content

    def _decode(self, reply: Message) -> Message:
        mid = reply.metadata.reply_to_message_id
        asked, sent = self._asked.pop(mid, None), self._sent.pop(mid, {})
        if not reply.has_content() or RECORD not in reply.content:
            return reply
        try:
            reply.content = _decoded(reply.content, sent)
        except ValueError as error:
            if asked is None:
                raise
            why = f"The update of node {reply.metadata.src_node_id} cannot be decoded: {error}."
            return Message(Error(code=UNUSABLE, reason=why), reply_to=asked)
        return reply


def _decoded(content: RecordDict, base: Mapping[str, tuple[Array, str]]) -> RecordDict:
    """The content as the app at the owner gave it, but for what rounding took.

    ``base`` are the arrays that were sent, each with its type before it was made smaller.

    Raises
    ------
    ValueError
        If it is not of the form that the mods write; a peer may have written anything.
    """
    stated = content[RECORD]
    if not isinstance(stated, ConfigRecord) or stated.get("encoding") not in (FP16, INT8):
        raise ValueError("it states no encoding that is known here")
    eight = stated["encoding"] == INT8
    plain = RecordDict()
    for record_name, record in content.items():
        if record_name == RECORD:
            continue
        if isinstance(record, ArrayRecord):
            wide = ArrayRecord()
            for name, array in record.items():
                how = stated.get(f"{record_name}/{name}")
                if how is None:
                    wide[name] = array
                elif eight:
                    wide[name] = _summed(array, how, base.get(name))
                else:
                    wide[name] = _widened(array, how)
            plain[record_name] = wide
        elif isinstance(record, MetricRecord):
            plain[record_name] = MetricRecord({key: value for key, value in record.items() if key != BITS})
        else:
            plain[record_name] = record
    return plain


def _summed(array: Array, scale: object, base: tuple[Array, str] | None) -> Array:
    if not isinstance(scale, float) or not 0 < scale <= _LARGEST_HALF * _LEVELS:
        raise ValueError("its scale is no size of a step")
    if array.dtype != "int8" or base is None or tuple(base[0].shape) != tuple(array.shape):
        raise ValueError("its levels are not of an array that was sent")
    before, dtype = base
    if dtype not in ("float16", "float32", "float64") or before.stype != "numpy.ndarray":
        raise ValueError("it adds to an array that has no floating-point numbers")

    def load() -> bytearray:
        wide = np.dtype(dtype)
        return _serialised(before.numpy().astype(wide) + (array.numpy() * np.float32(scale)).astype(wide))

    return LazyArray(dtype, tuple(array.shape), "numpy.ndarray", load)


# Both


def _halved(content: RecordDict) -> tuple[RecordDict, dict[str, str]]:
    """The content with half precision where that holds its numbers, and of which arrays of which types."""
    light, done = RecordDict(), dict[str, str]()
    for record_name, record in content.items():
        if not isinstance(record, ArrayRecord):
            light[record_name] = record
            continue
        arrays = ArrayRecord()
        for name, array in record.items():
            arrays[name] = array
            if array.dtype in ("float32", "float64") and array.stype == "numpy.ndarray":
                value = array.numpy()
                if np.abs(value).max(initial=0.0) <= _LARGEST_HALF:  # not true of what is no number either
                    arrays[name] = Array(value.astype(np.float16))
                    done[f"{record_name}/{name}"] = array.dtype
        light[record_name] = arrays
    return light, done


def _widened(array: Array, dtype: object) -> Array:
    if dtype not in ("float32", "float64") or array.dtype != "float16":
        raise ValueError("its arrays are not of half precision")
    wide = np.dtype(str(dtype))
    return LazyArray(
        wide.name, tuple(array.shape), "numpy.ndarray", lambda: _serialised(array.numpy().astype(wide))
    )


def _widen_in_place(message: Message) -> None:
    """What came in half precision, as it was before."""
    if not message.has_content() or RECORD not in message.content:
        return
    content, stated = RecordDict(), message.content[RECORD]
    for record_name, record in message.content.items():
        if isinstance(record, ArrayRecord):
            wide = ArrayRecord()
            for name, array in record.items():
                dtype = stated.get(f"{record_name}/{name}")
                wide[name] = (
                    array if dtype is None else Array(_widened(array, dtype).numpy())  # apps may keep it
                )
            content[record_name] = wide
        elif record_name != RECORD:
            content[record_name] = record
    message.content = content


def _base_of(message: Message) -> dict[str, Any]:
    """The numbers of the model that came, by name."""
    if not message.has_content():
        return {}
    return {
        name: array.numpy()
        for record in _arrays(message.content)
        for name, array in record.items()
        if array.stype == "numpy.ndarray"
    }


def _arrays(content: RecordDict) -> list[ArrayRecord]:
    return [record for record in content.values() if isinstance(record, ArrayRecord)]


def _serialised(value: Any) -> bytearray:
    stream = BytesIO()
    np.save(stream, value, allow_pickle=False)
    return bytearray(stream.getbuffer())
