"""The records of a message as a document that people read and write: `inspect` shows one, `compose` takes one.

An array is described by name, type, shape, bytes and Euclidean norm; values are given only where they are asked for, at
most `MOST_VALUES` of an array. `record_of` is the inverse of `describe_records` as far as values are there. What is
described may be hostile: everything is bounded, and an array that cannot be read is said to be so.
"""

import base64
import binascii
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final, cast

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.app.message import make_message
from flwr.app.metadata import Metadata

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.flower.codec import Packed, Path, pack_message, unpack_message
from syft_flwr_cli.flower.npy import read_header

__all__ = ["MOST_VALUES", "Stamp", "describe_records", "pack_described", "record_of"]

MOST_ITEMS: Final = 10_000
"""Items that a description names; of more it says how many."""

MOST_VALUES: Final = 10_000
_NUMPY: Final = "numpy.ndarray"
_BLOCK: Final = 1 << 18
_SPECIAL: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}

Load = Callable[[], Any]
"""Gives the bytes of an array that is not in the message itself; `LookupError`, with why, if they are not at hand."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What Flower's message is told of its way: the run, both nodes, the time (seconds since 1970), its type, group."""

    run: int
    source: int
    destination: int
    created: float
    lifetime: float
    type: str
    group: str


def describe_records(
    skeleton: bytes, places: Sequence[Path], loaders: Sequence[Load], *, values: bool
) -> tuple[list[dict[str, Any]], int]:
    """The records of a message, and how many of their items are not in the description.

    Parameters
    ----------
    skeleton, places, loaders
        The message, taken apart; a loader whose bytes are not at hand raises LookupError.
    values : bool
        Give the values, too.

    Raises
    ------
    ValueError
        If it is no Flower message.
    """
    message = unpack_message(skeleton, places, loaders, lazy=True)
    found: list[dict[str, Any]] = []
    named = more = 0
    for name, record in message.content.items() if message.has_content() else ():
        room = max(0, MOST_ITEMS - named)
        items = list(record.items())[:room]
        named, more = named + len(items), more + len(record) - len(items)
        if isinstance(record, ArrayRecord):
            kind, told = "arrays", [_array(key, cast(Array, value), values) for key, value in items]
        else:
            kind = "metrics" if isinstance(record, MetricRecord) else "config"
            told = [_item(key, value, values) for key, value in items]
        found.append({"name": name, "kind": kind, "items": told})
    return found, more


def pack_described(records: Any, stamp: Stamp) -> Packed:
    """The message whose records are described, taken apart.

    Raises
    ------
    UsageError
        If a record is not described completely.
    """
    content = RecordDict()
    for number, record in enumerate(_listed(records, "records")):
        where = f"records[{number}]"
        name, kind = _text(record, "name", where), _text(record, "kind", where)
        if name in content:
            raise _wrong(where, f"the record {name!r} is there already")
        content[name] = record_of(kind, _listed(record.get("items"), f"{where}.items"), where)
    metadata = Metadata(
        run_id=stamp.run,
        message_id="",
        src_node_id=stamp.source,
        dst_node_id=stamp.destination,
        reply_to_message_id="",
        group_id=stamp.group,
        created_at=stamp.created,
        ttl=stamp.lifetime,
        message_type=stamp.type,
    )
    metadata.delivered_at = ""
    return pack_message(make_message(metadata, content=content))


def record_of(kind: str, items: Sequence[Mapping[str, Any]], where: str) -> Any:
    """The record of this kind with these items; `UsageError`, naming ``where``, if it cannot be made."""
    if kind not in ("arrays", "metrics", "config"):
        raise _wrong(where, f"the kind {kind[:40]!r} is none of arrays, metrics, config")
    record: Any = {"arrays": ArrayRecord, "metrics": MetricRecord, "config": ConfigRecord}[kind]()
    for number, item in enumerate(items):
        place = f"{where}.items[{number}]"
        name = _text(item, "name", place)
        if name in record:
            raise _wrong(place, f"{name!r} is there already")
        try:
            record[name] = _array_of(item, place) if kind == "arrays" else _value_of(item, place)
        except (TypeError, ValueError, OverflowError) as error:
            raise _wrong(place, str(error)[:200]) from error
    return record


def _array(name: str, array: Array, values: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "dtype": array.dtype, "shape": list(array.shape)}
    try:
        raw = array.raw() if hasattr(array, "raw") else array.data
    except LookupError as error:
        return {**told, "note": str(error.args[0])}
    told["bytes"] = len(raw)
    if array.stype != _NUMPY:
        return {**told, "note": f"its form is {array.stype[:40]!r}, which is not read here"}
    try:
        shape, dtype, start = read_header(bytes(raw[: 1 << 16]))
    except Exception:  # NumPy's reader of headers raises of everything
        return {**told, "note": "it is not well-formed"}
    count = math.prod(shape)
    if dtype.hasobject or start + count * dtype.itemsize != len(raw):
        return {**told, "note": "it has not the bytes that it announces"}
    if (array.dtype, tuple(array.shape)) not in (("", ()), (str(dtype), shape)):
        told["note"] = f"it holds {dtype}{list(shape)}, and is announced as something else"
    told |= {"dtype": str(dtype), "shape": list(shape)}
    if dtype.kind in "biufc":
        told["norm"] = _plain(_norm(np.frombuffer(raw, dtype=dtype, count=count, offset=start)))
    if values and dtype.kind in "biuf":
        if count <= MOST_VALUES:
            told["values"] = [
                _plain(one) for one in np.load(BytesIO(raw), allow_pickle=False).ravel().tolist()
            ]
        else:
            told["note"] = f"it has {count} values; up to {MOST_VALUES} are shown"
    return told


def _norm(flat: Any) -> float:
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(flat), _BLOCK):
            wide = flat[start : start + _BLOCK]
            wide = np.abs(wide).astype(np.float64) if wide.dtype.kind == "c" else wide.astype(np.float64)
            total += float(np.dot(wide, wide))
    return math.sqrt(total) if math.isfinite(total) else total


def _item(name: str, value: Any, values: bool) -> dict[str, Any]:
    several = isinstance(value, list)
    one = value[0] if several and value else (0.0 if several else value)
    told: dict[str, Any] = {
        "name": name,
        "type": f"list of {type(one).__name__}" if several else type(one).__name__,
    }
    if several or isinstance(value, str | bytes):
        told["length"] = len(value)
    if values:
        if several and len(value) > MOST_VALUES:
            told["note"] = f"up to {MOST_VALUES} values are shown"
        else:
            told["value"] = [_plain(item) for item in value] if several else _plain(value)
    return told


def _plain(value: Any) -> Any:
    """A value as JSON has it: bytes in base64, and numbers that JSON has not by their names."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def _array_of(item: Mapping[str, Any], where: str) -> Array:
    values, shape = item.get("values"), item.get("shape")
    if not isinstance(values, list):
        raise _wrong(where, "an array needs its values (inspect --values gives them)")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise _wrong(where, "an array needs a shape, such as [2, 3]")
    dtype = np.dtype(_text(item, "dtype", where))
    if dtype.kind not in "biuf":
        raise _wrong(where, f"arrays of {dtype} cannot be written by hand")
    if math.prod(shape) != len(values):
        raise _wrong(where, f"the shape {shape} has {math.prod(shape)} values, and {len(values)} are given")
    return Array(np.array([_number(one, where) for one in values], dtype=dtype).reshape(shape))


def _value_of(item: Mapping[str, Any], where: str) -> Any:
    if "value" not in item:
        raise _wrong(where, "it needs its value (inspect --values gives them)")
    value = item["value"]
    if not isinstance(value, list):
        return _made(value, where)
    made = [_made(one, where) for one in value]
    if len({type(one) for one in made}) > 1:
        raise _wrong(where, "the values of a list are of several types")
    return made


def _made(value: Any, where: str) -> Any:
    if isinstance(value, dict) and set(value) == {"base64"}:
        try:
            return base64.b64decode(str(value["base64"]), validate=True)
        except binascii.Error as error:
            raise _wrong(where, "what should be base64 is not") from error
    if isinstance(value, str | bool):
        return value
    return _number(value, where)


def _number(value: Any, where: str) -> int | float | bool:
    if isinstance(value, dict) and set(value) == {"float"} and value["float"] in _SPECIAL:
        return _SPECIAL[value["float"]]
    if isinstance(value, int | float):
        return value
    raise _wrong(where, f"{str(value)[:40]!r} is no value of a record")


def _listed(found: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _wrong(where, "it is no list of objects")
    return found


def _text(found: Mapping[str, Any], name: str, where: str) -> str:
    text = found.get(name)
    if not isinstance(text, str):
        raise _wrong(where, f"it has no {name!r}")
    return text


def _wrong(where: str, why: str) -> UsageError:
    return UsageError(
        f"The description cannot be made a message: at {where}, {why}.",
        hint="Begin with what syft-flwr inspect FILE --values --json shows of one.",
    )
