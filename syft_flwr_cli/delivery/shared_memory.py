"""Bytes that two processes can see without copying them through a pipe: an anonymous, unlinked file, mapped.

On Linux it is a ``memfd`` (never on a disk), elsewhere a temporary file that has no name any more by
the time anything is written into it. The descriptor is handed over a Unix socket. Whoever dies, the
memory goes with it.
"""

import mmap
import os
import sys
import tempfile
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["SharedBytes"]

_MADV_POPULATE_WRITE = 23
"""madvise(2); Python does not name it."""


class SharedBytes:
    """A mapped anonymous file.

    Parameters
    ----------
    descriptor : int
        Owned by this object from now on.
    size : int
        Bytes; at least what the file has.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        try:
            if os.fstat(descriptor).st_size < size:
                raise ValueError("the shared file is shorter than it is said to be")
            self._map = mmap.mmap(descriptor, size) if size else None
        except BaseException:
            os.close(descriptor)
            raise
        self.view = memoryview(self._map) if self._map is not None else memoryview(b"")

    @classmethod
    def create(cls, size: int) -> Self:
        """New shared bytes, zeros; memory is taken only as it is written."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("syft-flwr", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile(buffering=0) as file:
                descriptor = os.dup(file.fileno())
        try:
            os.ftruncate(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, size)

    def populate(self, offset: int, size: int) -> None:
        """Have the system bring in the memory of a range that is about to be written, all at once.

        Only quicker than one page fault after the other, so where it cannot be had (before Linux 5.14, and
        elsewhere) it does nothing.
        """
        start = offset - offset % mmap.PAGESIZE
        if size and self._map is not None and sys.platform == "linux":
            with suppress(OSError):
                self._map.madvise(_MADV_POPULATE_WRITE, start, offset + size - start)

    def close(self) -> None:
        """Let go; views that are still held keep the memory until they go too."""
        if self.descriptor < 0:
            return
        os.close(self.descriptor)
        self.descriptor = -1
        try:
            self.view.release()
            if self._map is not None:
                self._map.close()
        except BufferError:
            # A slice of it is still in use; the mapping goes with the last one.
            self._map = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
