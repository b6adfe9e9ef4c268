"""What a data owner's reply must be before a strategy sees it: arrays that can be read, numbers that can be summed.

A reply that is not becomes its sender's error, never an exception in the middle of an aggregation. Arrays are
looked at by their first bytes, so nothing large is opened for it. Only what would break an honest strategy is
refused: an app may send what it likes otherwise.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict

from syft_flwr_cli.flower.npy import read_header

__all__ = ["HEAD", "Head", "fault_in"]

HEAD: Final = 64 << 10
"""Bytes of an array's content that are enough to read its header."""

Head = Callable[[], tuple[bytes, int]]
"""Gives the first bytes of an array's content (at most `HEAD`, if there are more), and how many there are in all."""

MOST_EXAMPLES: Final = 1e15
_EXAMPLES: Final = ("num-examples", "num_examples")
_ASKED = re.compile(r"([a-z0-9]+)\[([0-9x]*)\] ")
_NUMPY: Final = "numpy.ndarray"


def fault_in(
    content: RecordDict, heads: Mapping[tuple[str, str], Head], asked: Mapping[str, str]
) -> str | None:
    """Why a reply cannot be used, in a sentence; None if it can.

    Parameters
    ----------
    content : RecordDict
        What the reply holds; its arrays may be lazy.
    heads : mapping
        By record and name, the beginnings of the arrays that are not in the message itself.
    asked : mapping
        What was asked, as `codec.describe` has it: an array that comes back under the same name has the same shape.
    """
    for name, record in content.items():
        if isinstance(record, MetricRecord):
            fault = _fault_of_metrics(name, record)
        elif isinstance(record, ArrayRecord):
            fault = _fault_of_arrays(name, record, heads, asked)
        else:
            fault = None
        if fault is not None:
            return fault
    return None


def _fault_of_metrics(name: str, record: MetricRecord) -> str | None:
    for key in _EXAMPLES:
        value: Any = record.get(key, 0)
        number = isinstance(value, int | float) and math.isfinite(value)
        if not number or not 0 <= value <= MOST_EXAMPLES:
            return f"{name}/{key} is {str(value)[:40]}, which is no number of examples"
    return None


def _fault_of_arrays(
    name: str, record: ArrayRecord, heads: Mapping[tuple[str, str], Head], asked: Mapping[str, str]
) -> str | None:
    for key, array in record.items():
        place = f"{name}/{key}"
        if array.stype != _NUMPY:
            # The legacy API names no types, and lets a strategy read what it likes.
            if array.dtype or array.shape:
                return f"the array {place} is of the type {array.stype[:40]!r}, which nobody can read"
            continue
        head = heads.get((name, key))
        data, size = head() if head is not None else _in_place(array)
        try:
            shape, dtype, start = read_header(data)
        except (
            Exception
        ):  # NumPy's reader of headers raises of everything: a tokenizer's errors, recursion, memory
            return f"the array {place} is not well-formed"
        if dtype.hasobject or start + math.prod(shape) * dtype.itemsize != size:
            return f"the array {place} has not the bytes that it announces"
        if array.dtype and (array.dtype != str(dtype) or tuple(array.shape) != shape):
            return f"the array {place} is {dtype}{list(shape)}, and is announced as something else"
        other = _ASKED.match(asked.get(place, ""))
        if other is not None and dtype.kind == "f" and "float" in other[1]:
            wanted = tuple(int(part) for part in other[2].split("x") if part)
            if wanted != shape:
                return f"the array {place} has the shape {list(shape)}; it was sent {list(wanted)}"
    return None


def _in_place(array: Array) -> tuple[bytes, int]:
    data = array.data
    return data[:HEAD], len(data)
