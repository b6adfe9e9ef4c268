"""Putting whole files in place: all of a file appears under its name, or nothing does.

Works in folders that are open already (see ``posix``), so that no link can lead it elsewhere, and has
written everything to the medium when it returns. A failure leaves nothing temporary behind; only the
death of the process can, under a name that `is_temporary` knows, and without the lock that every writer
holds on its temporary file: `sweep` removes what nobody writes any more. It knows nothing of owners.
"""

import errno
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from syft_flwr_cli.storage.crash_points import point
from syft_flwr_cli.storage.locks import lock_descriptor
from syft_flwr_cli.transports.base import Content
from syft_flwr_cli.transports.folder import posix

__all__ = ["fetch", "is_temporary", "publish", "sweep"]

ABANDONED = 24 * 3600.0
"""Age in seconds after which a temporary file belongs to a process that is long dead."""

BACKDATED = 15_000_000_000
"""Nanoseconds by which a file's content is older than its arrival, so that a reader can tell a file that was put in
place whole from one that is being written (see ``watch``), also on a mount that shows one time for both: more than
the age from which a file counts as whole there, and some seconds between the clocks of two machines."""

_NO_KERNEL_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EPERM)

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def is_temporary(name: str) -> bool:
    """Whether only this module makes such names, and only for a moment."""
    return name.startswith(".") and name.endswith(".tmp")


def sweep(name: str, folder: int, now: float) -> None:
    """Remove the temporary file ``name`` from the open ``folder`` unless somebody writes it.

    Where a file system has no locks, age has to tell: after `ABANDONED` seconds nobody does.
    """
    descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        locked = _lock(descriptor)
        if locked is False or (locked is None and os.fstat(descriptor).st_mtime > now - ABANDONED):
            return
        os.unlink(name, dir_fd=folder)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Lock an open file: False if somebody else holds it, None where there are no locks."""
    try:
        return lock_descriptor(descriptor, wait=False)
    except OSError:
        return None


def publish(
    name: str, folder: int, content: Content, after_rename: Callable[[int], None] | None = None
) -> None:
    """Put ``content`` under ``name`` into the open ``folder``, for everybody to read.

    Parameters
    ----------
    after_rename : Callable[[int], None], optional
        What else to do with the file once it is in place, given a descriptor to read and write it.

    Raises
    ------
    OSError
        If it cannot be done; what was there before is there still, or else the new file is.
    ValueError
        If ``content`` does not make as many bytes as it promised.
    """
    begun = time.time_ns() - BACKDATED
    temporary = _temporary_name(name)
    point("publish.begin")
    descriptor = os.open(temporary, _NEW, 0o600, dir_fd=folder)
    _lock(descriptor)
    try:
        try:
            _write(descriptor, content)
            point("publish.written")
            posix.set_mode(descriptor, posix.FILE_MODE)
            os.utime(descriptor, ns=(begun, begun))
            posix.sync(descriptor)
            point("publish.synced")
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        point("publish.renamed")
        if after_rename is not None:
            after_rename(descriptor)
            os.utime(descriptor, ns=(begun, begun))
    finally:
        os.close(descriptor)
    posix.sync_folder(folder)
    point("publish.done")


def fetch(source: BinaryIO, name: str, folder: int, final: str, target: int) -> None:
    """Link or copy the file open as ``source``, ``name`` in ``folder``, to ``final`` in ``target``."""
    temporary = _temporary_name(final)
    point("fetch.begin")
    try:
        if not _link(source, name, folder, temporary, target):
            with os.fdopen(os.open(temporary, _NEW, 0o600, dir_fd=target), "wb") as copy:
                _copy(source.fileno(), copy)
                posix.sync(copy.fileno())
        point("fetch.copied")
        os.rename(temporary, final, src_dir_fd=target, dst_dir_fd=target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=target)
        raise
    # A rename onto another link of the same file does nothing and leaves both.
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=target)
    posix.sync_folder(target)
    point("fetch.done")


def _temporary_name(name: str) -> str:
    return f".{name}.{secrets.token_hex(4)}.tmp"


def _write(descriptor: int, content: Content) -> None:
    written = 0
    for chunk in content.chunks():
        rest = memoryview(chunk).cast("B")
        while len(rest):
            count = os.write(descriptor, rest)
            written += count
            rest = rest[count:]
    if written != content.size:
        raise ValueError(f"Content of {content.size} bytes was promised, but its chunks made {written}.")


def _link(source: BinaryIO, name: str, folder: int, temporary: str, target: int) -> bool:
    """Make a hard link, and make sure that it leads to the very file that is open."""
    try:
        os.link(name, temporary, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        return False  # another file system, a file of somebody else's, or no links at all
    link, opened = os.stat(temporary, dir_fd=target, follow_symlinks=False), os.fstat(source.fileno())
    if (link.st_dev, link.st_ino) != (opened.st_dev, opened.st_ino):
        os.unlink(temporary, dir_fd=target)
        return False
    posix.sync(source.fileno())
    return True


def _copy(source: int, target: BinaryIO) -> None:
    """Copy the rest of ``source``, by the kernel (or by sharing blocks) where it can."""
    if hasattr(os, "copy_file_range"):
        try:
            while os.copy_file_range(source, target.fileno(), 1 << 30):
                pass
        except OSError as error:
            if error.errno not in _NO_KERNEL_COPY:
                raise
    # Goes on where the kernel stopped, which is at the end where it could do it all.
    while chunk := os.read(source, 1 << 20):
        target.write(chunk)
    target.flush()
