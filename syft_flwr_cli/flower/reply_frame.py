"""What surrounds the content of an app's reply: its metadata, and the error that may stand in its place.

An app can put any text there, where neither a record nor a metric has a name: a reply with an error of its own
making, an id, a group. So the node takes an error out, to be treated as any error of the app is, and writes the
metadata itself, from the request. Reads and writes protobuf without importing flwr. Pure.
"""

import struct

from syft_flwr_cli.flower.protobuf import as_bytes, as_double, as_int, as_text, fields, zigzag

__all__ = ["error_of", "with_own_metadata"]

_MESSAGE = {1: 2, 2: 2, 3: 2}
_METADATA = {1: 0, 2: 2, 3: 0, 4: 0, 5: 2, 6: 2, 7: 1, 8: 2, 9: 1, 10: 0, 11: 0}
_GROUP, _TTL, _TYPE, _CREATED = 6, 7, 8, 9


def error_of(skeleton: bytes) -> tuple[int, str] | None:
    """The code and the text of the error that a message holds; None if it holds none.

    Raises
    ------
    ValueError
        If it is not of Flower's form.
    """
    parts = dict(fields(skeleton, _MESSAGE))
    if 3 not in parts:
        return None
    if 2 in parts:
        raise ValueError("it holds an error and a content")
    code, text = 0, ""
    for number, value in fields(as_bytes(parts[3]), {1: 0, 2: 2}):
        if number == 1:
            code = zigzag(as_int(value))
        else:
            text = as_text(value)
    return code, text


def with_own_metadata(skeleton: bytes, request: bytes, group: str, message_type: str, now: float) -> bytes:
    """A reply with the metadata that Flower gives a reply to ``request``, made at ``now`` (seconds since 1970).

    Raises
    ------
    ValueError
        If one of them is not of Flower's form, or the reply holds an error (see `error_of`).
    """
    parts = dict(fields(skeleton, _MESSAGE))
    if 3 in parts:
        raise ValueError("it holds an error")
    asked = dict(fields(as_bytes(dict(fields(request, _MESSAGE)).get(1, b"")), _METADATA))
    ttl, created = (as_double(as_bytes(asked.get(number, bytes(8)))) for number in (_TTL, _CREATED))
    metadata = b"".join(
        (
            _bytes(_GROUP, group.encode()),
            _double(_TTL, max(0.0, ttl - (now - created)) if asked else 0.0),
            _bytes(_TYPE, message_type.encode()),
            _double(_CREATED, now),
        )
    )
    content = _bytes(2, as_bytes(parts[2])) if 2 in parts else b""
    return _bytes(1, metadata) + content


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
