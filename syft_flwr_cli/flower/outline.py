"""What stands in a Flower message, read from its bytes without importing flwr: records, arrays, metrics, values.

A data owner's node looks at what its app wants to send, and an app can send any bytes. So every byte must be of
the form of Flower's protobuf (flwr.proto, message.proto and recorddict.proto); anything else is an error, not passed
over. Values of arrays are not looked at, only their names, shapes, types and sizes.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syft_flwr_cli.flower.protobuf import (
    as_bytes,
    as_double,
    as_int,
    as_text,
    fields,
    signed,
    varints,
    zigzag,
)

__all__ = ["ArrayOutline", "MetricOutline", "Outline", "outline"]

Number = int | float
Place = tuple[str | int, ...]

NUMPY = "numpy.ndarray"
"""How Flower's apps serialise arrays; of an array that is serialised otherwise, its type says so."""

_MOST_ITEMS = 200_000
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class ArrayOutline:
    """An array: its record, name, type, shape and bytes; and which byte string it is, if it was taken out."""

    record: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    blob: int | None = None


@dataclass(frozen=True, slots=True)
class MetricOutline:
    """A metric: the record it is in, its name and its value or values."""

    record: str
    name: str
    value: Number | tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class ConfigOutline:
    """Another value: the record it is in, its name, its kind and its bytes."""

    record: str
    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Outline:
    """The records in order, and what is in them."""

    records: tuple[str, ...] = ()
    arrays: tuple[ArrayOutline, ...] = ()
    metrics: tuple[MetricOutline, ...] = ()
    config: tuple[ConfigOutline, ...] = ()


def outline(skeleton: bytes, places: Sequence[Place], sizes: Sequence[int]) -> Outline:
    """What is in a message.

    Parameters
    ----------
    skeleton : bytes
        The message, without its larger byte strings.
    places, sizes
        Where those belong (record, item), and how many bytes they have.

    Raises
    ------
    ValueError
        If a byte is not of Flower's form, a name occurs twice, or a place is not there.
    """
    taken: dict[tuple[str, str], list[int]] = {}
    for index, place in enumerate(places):
        taken.setdefault((str(place[0]), str(place[1])), []).append(index)
    records: list[str] = []
    arrays: list[ArrayOutline] = []
    metrics: list[MetricOutline] = []
    config: list[ConfigOutline] = []
    for number, value in fields(skeleton, {1: 2, 2: 2, 3: 2}):
        if number != 2:
            continue
        for record, kind, items in _records(as_bytes(value)):
            records.append(record)
            seen: set[str] = set()
            for name, item in items:
                if name in seen:
                    raise ValueError("a name occurs twice in a record")
                seen.add(name)
                blobs = taken.pop((record, name), [])
                if kind == 2:
                    arrays.append(_array(record, name, item, blobs, sizes))
                elif kind == 3:
                    if blobs:
                        raise ValueError("a metric has the byte string of an array")
                    metrics.append(MetricOutline(record, name, _metric(item)))
                else:
                    what, size = _config(item)
                    size += sum(sizes[index] for index in blobs)
                    config.append(ConfigOutline(record, name, what, size))
    if taken or len(set(records)) != len(records):
        raise ValueError("a place of a byte string is not there, or a record occurs twice")
    return Outline(tuple(records), tuple(arrays), tuple(metrics), tuple(config))


def _records(content: bytes) -> Iterator[tuple[str, int, list[tuple[str, bytes]]]]:
    for _, entry in fields(content, {1: 2}, (1,)):
        name, kind, record = "", 0, b""
        for number, value in fields(as_bytes(entry), {1: 2, 2: 2, 3: 2, 4: 2}):
            if number == 1:
                name = as_text(value)
            elif kind:
                raise ValueError("a record is of two kinds")
            else:
                kind, record = number, as_bytes(value)
        if kind == 0:
            raise ValueError("a record is of no kind")
        items = []
        for _, item in fields(record, {1: 2}, (1,)):
            key, inside = "", b""
            for number, value in fields(as_bytes(item), {1: 2, 2: 2}):
                if number == 1:
                    key = as_text(value)
                else:
                    inside = as_bytes(value)
            items.append((key, inside))
            if len(items) > _MOST_ITEMS:
                raise ValueError("a record has too many items")
        yield name, kind, items


def _array(record: str, name: str, item: bytes, blobs: list[int], sizes: Sequence[int]) -> ArrayOutline:
    if len(blobs) > 1:
        raise ValueError("an array has two byte strings")
    dtype, stype, shape, size = "", NUMPY, [], 0
    for number, value in fields(item, {1: 2, 2: 2, 3: 2, 4: 2}):
        if number == 1:
            dtype = as_text(value)
        elif number == 2:
            shape += [signed(one) for one in varints(as_bytes(value))]
        elif number == 3:
            stype = as_text(value)
        else:
            size += len(as_bytes(value))
    if len(dtype) > _LONGEST or len(stype) > _LONGEST:
        raise ValueError("the type of an array is a text of its own")
    if stype != NUMPY:
        dtype = f"{dtype} ({stype})"
    size += sum(sizes[index] for index in blobs)
    return ArrayOutline(record, name, dtype, tuple(shape), size, blobs[0] if len(blobs) == 1 else None)


def _metric(item: bytes) -> Number | tuple[Number, ...]:
    found: Number | tuple[Number, ...] | None = None
    for number, value in fields(item, {1: 1, 2: 0, 3: 0, 21: 2, 22: 2, 23: 2}):
        if found is not None:
            raise ValueError("a metric has two values")
        if number == 1:
            found = as_double(as_bytes(value))
        elif number in (2, 3):
            found = zigzag(as_int(value)) if number == 2 else as_int(value)
        else:
            packed = b"".join(as_bytes(one) for _, one in fields(as_bytes(value), {1: 2}, (1,)))
            if number == 21:
                if len(packed) % 8:
                    raise ValueError("a list of numbers is cut off")
                found = struct.unpack(f"<{len(packed) // 8}d", packed)
            else:
                found = tuple(zigzag(one) if number == 22 else one for one in varints(packed))
    if found is None:
        raise ValueError("a metric has no value")
    return found


_CONFIG_KINDS = {
    **{1: "float", 2: "int", 3: "int", 4: "bool", 5: "str", 6: "bytes"},
    **{21: "list of float", 22: "list of int", 23: "list of int", 24: "list of bool", 25: "list of str"},
    26: "list of bytes",
}
_CONFIG_WIRE = {1: 1, 2: 0, 3: 0, 4: 0, 5: 2, 6: 2, 21: 2, 22: 2, 23: 2, 24: 2, 25: 2, 26: 2}


def _config(item: bytes) -> tuple[str, int]:
    kind = "nothing"
    for number, value in fields(item, _CONFIG_WIRE):
        if kind != "nothing":
            raise ValueError("a value has two kinds")
        kind = _CONFIG_KINDS[number]
        if number > 20:
            list(fields(as_bytes(value), {1: 2}, (1,)))
    return kind, len(item)
