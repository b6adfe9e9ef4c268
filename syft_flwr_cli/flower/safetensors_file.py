"""Arrays as a safetensors file (https://github.com/huggingface/safetensors): what other programs load without pickle.

The layout is eight bytes with the length of a JSON header (little-endian), the header, and the arrays' bytes in C
order, little-endian. It is written by hand because the app's own environment need not have the library. One array is in
memory at a time beside those of the caller.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

__all__ = ["write_safetensors"]

_NAMES: Final = {
    **{"float64": "F64", "float32": "F32", "float16": "F16", "bool": "BOOL"},
    **{"int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8"},
    **{"uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8"},
}


def write_safetensors(path: Path, arrays: Mapping[str, Callable[[], Any]], about: Mapping[str, str]) -> int:
    """Write ``path`` whole or not at all; the bytes that were written.

    Parameters
    ----------
    arrays : mapping
        By name, what gives the array; it is asked twice.
    about : mapping
        Texts that stand in the header as ``__metadata__``.

    Raises
    ------
    ValueError
        If an array is of a type that the format has not.
    OSError
        If it cannot be written.
    """
    header: dict[str, Any] = {"__metadata__": dict(about)}
    at = 0
    for name, array in arrays.items():
        found = np.asarray(array())
        if found.dtype.name not in _NAMES or name == "__metadata__":
            raise ValueError(f"safetensors has no form for the array {name[:100]!r} of {found.dtype}")
        end = at + found.size * found.dtype.itemsize
        header[name] = {
            "dtype": _NAMES[found.dtype.name],
            "shape": list(found.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text)
            for array in arrays.values():
                _write(stream, np.asarray(array()))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return 8 + len(text) + at


def _write(stream: BinaryIO, array: Any) -> None:
    plain: Any = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    if plain.size:
        stream.write(memoryview(plain.reshape(-1)).cast("B"))
