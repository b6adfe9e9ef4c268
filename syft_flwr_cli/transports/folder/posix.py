"""What the folder transport asks of an operating system, and nothing else does.

Directories are entered one component at a time through file descriptors, so that no symbolic link
of a peer can lead out of its space, not even one that is swapped in while we look. Writes survive a
crash of the machine once they are synced here. Errors of the system become sentences with a remedy.
Plain POSIX, so Linux and macOS alike; what only one of them has comes with a way around it.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from syft_flwr_cli.transports.base import TransientError, TransportError

try:
    from fcntl import F_FULLFSYNC, fcntl  # type: ignore[attr-defined,unused-ignore]
except ImportError:
    F_FULLFSYNC = None

__all__ = [
    "DEAD",
    "FILE_MODE",
    "FOLDER_MODE",
    "MISSING",
    "entered",
    "explain",
    "is_folder",
    "make_folder",
    "open_folder",
    "open_plain_file",
    "set_mode",
    "sync",
    "sync_folder",
]

FILE_MODE = 0o644
FOLDER_MODE = 0o755

MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
"""What the system answers when a path is not there, or not by a way that we go."""

DEAD = (errno.ENOTCONN, errno.ESTALE, errno.ECONNABORTED, errno.ESHUTDOWN, errno.EHOSTDOWN)
"""What the system answers when the process or the server behind a mount is gone."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_FULL_SYNC = (errno.ENOTSUP, errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP)
_NO_MODES = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

_REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space there, or give another --root."),
    errno.EDQUOT: ("your disk quota is used up", "Free some space there, or give another --root."),
    errno.EFBIG: ("the file is larger than may be written here", "Raise the limit (ulimit -f)."),
    errno.EROFS: ("the file system is read-only", "Mount it for writing, or give another --root."),
    errno.EACCES: ("permission denied", "Ask its owner for access (chmod, chown), or give another --root."),
    errno.EPERM: (
        "this is not permitted",
        "Ask its owner for access (chmod, chown), or give another --root.",
    ),
    errno.EISDIR: ("a folder is in the way", "Move that folder away."),
    errno.ENAMETOOLONG: ("the name is too long", "Give a --root with a shorter path."),
}


def explain(error: OSError, doing: str, place: Path) -> TransportError:
    """Turn an error of the system into one that says what to do.

    Parameters
    ----------
    error : OSError
        What the system said.
    doing : str
        A verb: what was tried.
    place : Path
        What it was tried on.
    """
    if error.errno in _REASONS:
        reason, hint = _REASONS[error.errno]
        return TransportError(f"Cannot {doing} {place}: {reason}.", hint=hint)
    if error.errno in DEAD:
        return TransientError(
            f"Cannot {doing} {place}: the mount that holds it has died.",
            hint="Unmount it and mount it again; what still runs goes on by itself.",
        )
    return TransientError(
        f"Cannot {doing} {place}: {(error.strerror or str(error)).lower()}.",
        hint="Check the disk, or the network mount, that holds it.",
    )


def is_folder(place: Path) -> bool:
    """Whether ``place`` is a folder that can be looked at: not where its mount has died."""
    try:
        return stat.S_ISDIR(place.stat().st_mode)
    except OSError:
        return False


def sync(descriptor: int) -> None:
    """Force what was written to the medium; on macOS past the drive's own cache too."""
    if F_FULLFSYNC is not None:
        try:
            fcntl(descriptor, F_FULLFSYNC)
            return
        except OSError as error:
            if error.errno not in _NO_FULL_SYNC:
                raise
    os.fsync(descriptor)


def sync_folder(descriptor: int) -> None:
    """Make the names in a folder last; file systems that cannot do this keep them anyway."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise


def open_folder(root: Path, parts: Sequence[str]) -> int:
    """Open the folder ``parts`` below ``root``; the caller closes it.

    ``root`` and the first part (the space of one owner) may be symbolic links, which whoever runs the
    machine has set up; below them no link is followed.

    Raises
    ------
    OSError
        One of `MISSING` if it is not there.
    """
    here = os.open(root, _FOLDER)
    try:
        for depth, part in enumerate(parts):
            flags = _FOLDER if depth == 0 else _FOLDER | os.O_NOFOLLOW
            deeper = os.open(part, flags, dir_fd=here)
            os.close(here)
            here = deeper
    except BaseException:
        os.close(here)
        raise
    return here


@contextmanager
def entered(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """`open_folder`, closed at the end."""
    descriptor = open_folder(root, parts)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def make_folder(root: Path, parts: Sequence[str]) -> None:
    """Make the folder ``parts`` below ``root``, and make it last; ``root`` itself must be there."""
    here = os.open(root, _FOLDER)
    try:
        for depth, part in enumerate(parts):
            with suppress(FileExistsError):
                os.mkdir(part, FOLDER_MODE, dir_fd=here)
                deeper = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
                try:
                    set_mode(deeper, FOLDER_MODE)
                finally:
                    os.close(deeper)
            # Also where it was there already: whoever made it may have died before this.
            sync_folder(here)
            flags = _FOLDER if depth == 0 else _FOLDER | os.O_NOFOLLOW
            deeper = os.open(part, flags, dir_fd=here)
            os.close(here)
            here = deeper
    finally:
        os.close(here)


def set_mode(descriptor: int, mode: int) -> None:
    """Set the mode whatever the umask; on file systems without modes the mount has decided already."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in _NO_MODES:
            raise


def open_plain_file(name: str, folder: int) -> int:
    """Open a regular file, and nothing else, in the open ``folder`` for reading; the caller closes it.

    Raises
    ------
    FileNotFoundError
        If it is not there, is a link, a pipe or a folder, or holds nothing yet.
    """
    # Without O_NONBLOCK a peer's named pipe would hold us for ever.
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size == 0:
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "no plain file with something in it", name)
    return descriptor
