"""The header of a serialised NumPy array: shape, type, and where the values begin. Evaluates nothing, imports no flwr.

What NumPy writes for plain numbers has one form, which is read by itself; any other goes to NumPy's own reader,
which evaluates the header as a Python literal, of bounded length.
"""

import re
from io import BytesIO
from typing import Any

import numpy as np

__all__ = ["read_header"]

_LENGTH = rb"(?:0|[1-9]\d{0,17})"
_PLAIN = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '([<>|][biuf][1248])', 'fortran_order': (?:True|False), "
    rb"'shape': \(((?:" + _LENGTH + rb",|" + _LENGTH + rb"(?:, " + _LENGTH + rb")+)?)\), \} *\n",
    re.DOTALL,
)
"""The beginning of a ``.npy`` of plain numbers, as NumPy writes it: version 1.0, its length, type and shape."""


def read_header(data: bytes) -> tuple[tuple[int, ...], "np.dtype[Any]", int]:
    """Shape, type and where the values begin, of the beginning of a ``.npy``.

    For one that is not well-formed NumPy's reader raises exceptions of many kinds (a tokenizer's, recursion, memory):
    whoever reads what a peer has written catches all of them.
    """
    # NumPy evaluates the header as a Python literal, which costs more than all else that is done with a small array;
    # what it writes for plain numbers has one form.
    plain = _PLAIN.match(data)
    if plain is not None and int.from_bytes(plain[1], "little") == plain.end() - 10:
        shape = tuple(int(part) for part in plain[3].split(b",") if part)
        return shape, np.dtype(plain[2].decode("ascii")), plain.end()
    stream = BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return tuple(int(part) for part in shape), dtype, stream.tell()
