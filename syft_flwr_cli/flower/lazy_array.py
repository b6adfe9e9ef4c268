"""Flower's `Array` whose bytes are brought in when they are used, and read without a copy and without unpickling."""

import math
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from flwr.app import Array

__all__ = ["LazyArray", "Loader"]

Loader = Callable[[], bytes | bytearray]
"""Gives the serialised array."""


class LazyArray(Array):
    """An `Array` whose bytes are brought in when they are used, and not kept.

    Flower hands all replies of a round to the strategy at once; with real arrays that is N models in
    memory, with these it is the one that is being added. ``numpy()`` gives a fresh, writable array, without
    the copy that an array in memory costs. What ``load`` gives must be the caller's own if it can be written.
    """

    def __init__(self, dtype: str, shape: tuple[int, ...], stype: str, load: Loader) -> None:
        self.__dict__.update({"dtype": dtype, "shape": shape, "stype": stype, "_load": load})

    @property
    def data(self) -> bytes:
        """The serialised array; read anew each time it is asked for."""
        held = self.__dict__.get("_data")
        if held is not None:
            return bytes(held)
        return bytes(self.__dict__["_load"]())

    @data.setter
    def data(self, value: bytes) -> None:
        self.__dict__["_data"] = value

    def raw(self) -> Any:
        """The serialised array as it is held or brought in, without a copy where that can be."""
        held = self.__dict__.get("_data")
        return held if held is not None else self.__dict__["_load"]()

    def numpy(self) -> Any:
        """The array, in memory of its own."""
        if "_data" in self.__dict__ or self.stype != "numpy.ndarray":
            return super().numpy()
        raw = self.__dict__["_load"]()
        return _npy(bytearray(raw) if isinstance(raw, memoryview) else raw)

    def __reduce__(self) -> tuple[Any, ...]:
        return Array, (self.dtype, tuple(self.shape), self.stype, self.data)

    def __deepcopy__(self, memo: dict[int, Any]) -> "LazyArray":
        return self


def _npy(buffer: bytes | bytearray) -> Any:
    """Read a ``.npy`` held in memory without copying a writable buffer; never unpickles."""
    if not isinstance(buffer, bytearray):
        return np.load(BytesIO(buffer), allow_pickle=False)
    head = BytesIO(memoryview(buffer)[: 1 << 16])
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(head)
    if dtype.hasobject:
        raise ValueError("an array of Python objects is not accepted")
    count = math.prod(shape)
    flat = np.frombuffer(buffer, dtype=dtype, count=count, offset=head.tell())
    return flat.reshape(shape, order="F" if fortran else "C")
