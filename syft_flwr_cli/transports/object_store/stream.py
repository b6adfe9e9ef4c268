"""Reading an object, or the parts of a large file, as one seekable stream with bounded memory.

Every range is asked for with the entity tag of the first answer and the tag of each answer is compared, since
some compatible stores ignore ``If-Match``: a file that was replaced meanwhile is a `TransientError`,
never a mixture of two.
"""

import io
import os
import random
import time
from collections.abc import Callable

import obstore
from obstore.store import ObjectStore

from syft_flwr_cli.transports.base import Buffer, TransientError
from syft_flwr_cli.transports.object_store.errors import explained
from syft_flwr_cli.transports.object_store.keys import Marker, part_key
from syft_flwr_cli.transports.retry import policy

__all__ = ["RangeReader", "ReplacedError", "open_object", "open_parts"]

WINDOW = 4 << 20
"""Bytes of one ranged request, and so about what a stream holds in memory."""

Fetch = Callable[[int, int], bytes]
"""The bytes from a start to an end (exclusive)."""


RANGE_TIMEOUT = 20.0
"""Seconds for which one range is tried again."""


class ReplacedError(TransientError):
    """The file was replaced while it was read: the same range can never come."""


class RangeReader(io.RawIOBase):
    """A seekable stream over ranges.

    Parameters
    ----------
    size : int
        Bytes in all.
    fetch : callable
        Brings a range; at most `WINDOW` bytes are asked for at once.
    """

    def __init__(self, size: int, fetch: Fetch) -> None:
        self._size, self._fetch = size, fetch
        self._position = 0
        self._start, self._window = 0, b""

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position; nothing is asked for."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def readinto(self, buffer: Buffer) -> int:  # type: ignore[override]
        """Fill (a part of) ``buffer``; 0 at the end."""
        view = memoryview(buffer)
        if self._position >= self._size or not len(view):
            return 0
        if not self._start <= self._position < self._start + len(self._window):
            end = min(self._size, self._position + WINDOW)
            self._window, self._start = self._fetch(self._position, end), self._position
        offset = self._position - self._start
        taken = self._window[offset : offset + len(view)]
        view[: len(taken)] = taken
        self._position += len(taken)
        return len(taken)


def _patiently(fetch: Fetch) -> Fetch:
    """Try a range again where that may help: whoever reads a stream cannot begin anew for each failure."""

    def try_again(start: int, end: int) -> bytes:
        attempts = policy(
            RANGE_TIMEOUT,
            lambda error: type(error) is TransientError,
            first=0.1,
            longest=2.0,
            sleep=time.sleep,
            chance=random.Random(),
        )
        return attempts(fetch, start, end)

    return try_again


def _range(store: ObjectStore, name: str, key: str, start: int, end: int, tag: str | None) -> bytes:
    with explained(name, f"read {key}"):
        answer = obstore.get(store, key, options={"range": (start, end)})
        if tag is not None and answer.meta["e_tag"] != tag:
            raise ReplacedError(
                f"{key} was replaced while it was read.", hint="It is read again from the beginning."
            )
        data = bytes(answer.bytes())
    if len(data) != end - start:
        raise TransientError(
            f"{key} has {len(data)} bytes where {end - start} were asked for.", hint="It is read again."
        )
    return data


def open_object(store: ObjectStore, name: str, key: str) -> io.BufferedReader:
    """A stream over one object.

    Raises
    ------
    NotThereError
        If it is not there.
    """
    with explained(name, f"read {key}"):
        answer = obstore.get(store, key)
        size, tag = answer.meta["size"], answer.meta["e_tag"]
        first = bytes(answer.bytes()) if size <= WINDOW else None
    if first is not None:
        whole = first
        return io.BufferedReader(RangeReader(len(whole), lambda start, end: whole[start:end]))
    return io.BufferedReader(
        RangeReader(size, _patiently(lambda start, end: _range(store, name, key, start, end, tag))), WINDOW
    )


def open_parts(store: ObjectStore, name: str, owner: str, marker: Marker) -> io.BufferedReader:
    """A stream over the parts of a large file of ``owner``."""

    def fetch(start: int, end: int) -> bytes:
        part = marker.part
        number = start // part
        inner = start - number * part
        return _range(
            store, name, part_key(owner, marker.upload, number), inner, min(part, inner + end - start), None
        )

    return io.BufferedReader(RangeReader(marker.size, _patiently(fetch)), WINDOW)
