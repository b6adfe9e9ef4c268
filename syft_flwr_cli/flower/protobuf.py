"""Reading the bytes of a protobuf message without generated code: fields, numbers, texts.

Stricter than protobuf: an unknown field, one of another type or one that occurs twice is an error, so that what is
seen here is what Flower's own reader makes of the same bytes. Pure.
"""

import struct
from collections.abc import Collection, Iterator, Mapping

__all__ = ["as_bytes", "as_double", "as_int", "as_text", "fields", "signed", "varint", "varints", "zigzag"]


def fields(
    data: bytes, known: Mapping[int, int], repeated: Collection[int] = ()
) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message, whose numbers and wire types are ``known``.

    Only those in ``repeated`` may occur twice: of another one protobuf takes the last, or both in one, and whoever
    looks at it here must see what it takes.

    Raises
    ------
    ValueError
        If it is not of this form.
    """
    at, end = 0, len(data)
    seen: set[int] = set()
    while at < end:
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if known.get(number) != wire:
            raise ValueError("it holds a field that Flower does not know")
        if number in seen and number not in repeated:
            raise ValueError("it holds a field twice")
        seen.add(number)
        if wire == 0:
            value, at = varint(data, at)
            yield number, value
            continue
        if wire == 1:
            size = 8
        else:
            size, at = varint(data, at)
        if size > end - at:
            raise ValueError("a field is cut off")
        yield number, data[at : at + size]
        at += size


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at


def varints(data: bytes) -> list[int]:
    """Numbers one after the other."""
    found, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found


def as_bytes(value: int | bytes) -> bytes:
    """A field's value that is a byte string."""
    if not isinstance(value, bytes):
        raise ValueError("a field is of another kind")
    return value


def as_int(value: int | bytes) -> int:
    """A field's value that is a whole number."""
    if not isinstance(value, int):
        raise ValueError("a field is of another kind")
    return value


def as_text(value: int | bytes) -> str:
    """A field's value that is a text."""
    return as_bytes(value).decode("utf-8")


def as_double(value: bytes) -> float:
    """Eight bytes as a number."""
    return float(struct.unpack("<d", value)[0])


def signed(value: int) -> int:
    """An unsigned number of 64 bits as a signed one."""
    return value - (1 << 64) if value >> 63 else value


def zigzag(value: int) -> int:
    """A number of protobuf's ``sint64``."""
    return (value >> 1) ^ -(value & 1)
