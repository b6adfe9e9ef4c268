"""JSON from strangers, and JSON that is signed: one way to write it, and nothing odd accepted when read.

Reading refuses what readers disagree about: duplicate keys, ``NaN``, numbers that overflow, text that is
no UTF-8 or spells a character that nothing can encode, nesting without end. Writing is canonical: one line, no
spaces, ASCII, keys in the order given. Whoever reads bounds the length first.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

from syft_flwr_cli.protocol.rejection import RefusedError

__all__ = ["canonical", "decode_base64", "encode_base64", "loads", "read_object"]


def canonical(document: Mapping[str, Any]) -> bytes:
    """``document`` as one line of ASCII without spaces, ending in a newline; keys keep their order."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def loads(data: bytes | str) -> Any:
    """What the JSON in ``data`` (UTF-8) says; ValueError for everything that this module refuses."""
    text = data if isinstance(data, str) else data.decode("utf-8")
    try:
        found = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if "\\ud" in text.lower():
            json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is a UnicodeEncodeError
    except RecursionError as error:
        raise ValueError("nesting without end") from error
    return found


def read_object(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object in ``data``; `RefusedError` (``garbage``), naming ``what``, if it is none."""
    try:
        found = loads(data)
    except ValueError as error:
        raise RefusedError("garbage", f"{what} is not well-formed JSON.") from error
    if not isinstance(found, dict):
        raise RefusedError("garbage", f"{what} is not a JSON object.")
    return found


def encode_base64(data: bytes) -> str:
    """``data`` in standard base64 (RFC 4648, section 4) with padding."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: object, size: int, what: str) -> bytes:
    """The ``size`` bytes that ``text`` holds in base64; `RefusedError` (``garbage``) if it does not."""
    try:
        if isinstance(text, str) and len(text) == -(-size // 3) * 4:
            data = base64.b64decode(text, validate=True)
            if len(data) == size:
                return data
    except (binascii.Error, ValueError) as error:
        raise RefusedError("garbage", f"{what} is not base64.") from error
    raise RefusedError("garbage", f"{what} is not {size} bytes in base64.")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number
