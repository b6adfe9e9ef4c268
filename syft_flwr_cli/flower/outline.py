"""What stands in a Flower message, read from its bytes without importing flwr: records, arrays, metrics, values.

A data owner's node looks at what its app wants to send, and an app can send any bytes. So every byte must be of
the form of Flower's protobuf (flwr.proto, message.proto and recorddict.proto); anything else is an error, not passed
over. Values of arrays are not looked at, only their names, shapes, types and sizes.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ArrayOutline", "MetricOutline", "Outline", "outline"]

Number = int | float
Place = tuple[str | int, ...]

_MOST_ITEMS = 200_000


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
    for number, value in _fields(skeleton, {1: 2, 2: 2, 3: 2}):
        if number != 2:
            continue
        for record, kind, items in _records(_bytes(value)):
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
                    metrics.append(MetricOutline(record, name, _metric(item)))
                else:
                    what, size = _config(item)
                    size += sum(sizes[index] for index in blobs)
                    config.append(ConfigOutline(record, name, what, size))
    if taken or len(set(records)) != len(records):
        raise ValueError("a place of a byte string is not there, or a record occurs twice")
    return Outline(tuple(records), tuple(arrays), tuple(metrics), tuple(config))


def _records(content: bytes) -> Iterator[tuple[str, int, list[tuple[str, bytes]]]]:
    for _, entry in _fields(content, {1: 2}):
        name, kind, record = "", 0, b""
        for number, value in _fields(_bytes(entry), {1: 2, 2: 2, 3: 2, 4: 2}):
            if number == 1:
                name = _text(value)
            else:
                kind, record = number, _bytes(value)
        if kind == 0:
            raise ValueError("a record is of no kind")
        items = []
        for _, item in _fields(record, {1: 2}):
            key, inside = "", b""
            for number, value in _fields(_bytes(item), {1: 2, 2: 2}):
                if number == 1:
                    key = _text(value)
                else:
                    inside = _bytes(value)
            items.append((key, inside))
            if len(items) > _MOST_ITEMS:
                raise ValueError("a record has too many items")
        yield name, kind, items


def _array(record: str, name: str, item: bytes, blobs: list[int], sizes: Sequence[int]) -> ArrayOutline:
    dtype, shape, size = "", [], 0
    for number, value in _fields(item, {1: 2, 2: 2, 3: 2, 4: 2}):
        if number == 1:
            dtype = _text(value)
        elif number == 2:
            shape += [_signed(one) for one in _varints(_bytes(value))]
        elif number == 4:
            size += len(_bytes(value))
    size += sum(sizes[index] for index in blobs)
    return ArrayOutline(record, name, dtype, tuple(shape), size, blobs[0] if len(blobs) == 1 else None)


def _metric(item: bytes) -> Number | tuple[Number, ...]:
    found: Number | tuple[Number, ...] | None = None
    for number, value in _fields(item, {1: 1, 2: 0, 3: 0, 21: 2, 22: 2, 23: 2}):
        if found is not None:
            raise ValueError("a metric has two values")
        if number == 1:
            found = _double(_bytes(value))
        elif number in (2, 3):
            found = _zigzag(_int(value)) if number == 2 else _int(value)
        else:
            packed = b"".join(_bytes(one) for _, one in _fields(_bytes(value), {1: 2}))
            if number == 21:
                if len(packed) % 8:
                    raise ValueError("a list of numbers is cut off")
                found = struct.unpack(f"<{len(packed) // 8}d", packed)
            else:
                found = tuple(_zigzag(one) if number == 22 else one for one in _varints(packed))
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
    for number, value in _fields(item, _CONFIG_WIRE):
        kind = _CONFIG_KINDS[number]
        if number > 20:
            list(_fields(_bytes(value), {1: 2}))
    return kind, len(item)


def _fields(data: bytes, known: dict[int, int]) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message, whose numbers and wire types are ``known``."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if known.get(number) != wire:
            raise ValueError("it holds a field that Flower does not know")
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 1:
            size = 8
        else:
            size, at = _varint(data, at)
        if size > end - at:
            raise ValueError("a field is cut off")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at


def _varints(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        found.append(value)
    return found


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a field is of another kind")
    return value


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("a field is of another kind")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8")


def _double(value: bytes) -> float:
    return float(struct.unpack("<d", value)[0])


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _zigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
