"""Where a participant keeps its own things on this machine, written so that nobody else can read them.

Keys, the roster, the journal and the audit log live under one home, apart from everything that is
synced. Directories are made 0700, files 0600, and a file is replaced whole or not at all. The lock
between processes is here too. It knows paths, and nothing of what is in the files.
"""

import glob
import os
import shlex
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import platformdirs

from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.protocol.names import check_app_name, check_email
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.locks import lock_descriptor

__all__ = [
    "app_dir",
    "append_private",
    "create_private",
    "file_state",
    "home",
    "locked",
    "make_private_dir",
    "participant_dir",
    "read_private",
    "refuse_if_shared",
    "sync_directory",
    "write_private",
]


def home() -> Path:
    """The home of all participants on this machine: ``SYFT_FLWR_HOME``, else the platform's place; made 0700.

    Raises
    ------
    UsageError
        If it cannot be made.
    TrustError
        If others can write there.
    """
    named = os.environ.get("SYFT_FLWR_HOME", "")
    path = Path(named).expanduser().absolute() if named else platformdirs.user_data_path("syft-flwr")
    try:
        refuse_if_shared(make_private_dir(path))
        with suppress(FileNotFoundError):
            refuse_if_shared(path / "participants")
        return path
    except OSError as error:
        raise UsageError(
            f"The home {path} cannot be made: {error.strerror or error}.",
            hint="Set SYFT_FLWR_HOME to a directory that you may write to.",
        ) from error


def refuse_if_shared(path: Path) -> None:
    """Refuse a file or directory that decides what is trusted or run here, and that others could change.

    Raises
    ------
    TrustError
        If its group or others can write to it, or it is somebody else's.
    FileNotFoundError
        If it is not there.
    """
    if os.name != "posix":
        return
    found = path.stat()
    mode, user = stat.S_IMODE(found.st_mode), os.geteuid()
    if mode & 0o022:
        raise TrustError(
            f"Others can write to {path} (mode {mode:04o}), and with it decide what is trusted and run here.",
            hint=f"Look at what is there, then type: chmod go-w {shlex.quote(str(path))}",
        )
    if user != 0 and found.st_uid not in (0, user):
        raise TrustError(
            f"{path} belongs to another user (uid {found.st_uid}), who decides then what is trusted and run here.",
            hint="Set SYFT_FLWR_HOME to a directory of your own.",
        )


def participant_dir(home: Path, email: str) -> Path:
    """The directory of one participant; not made by this call."""
    return home / "participants" / check_email(email)


def app_dir(home: Path, email: str, app: str) -> Path:
    """The directory of what one participant keeps for one app; not made by this call."""
    return participant_dir(home, email) / "apps" / check_app_name(app)


def make_private_dir(path: Path) -> Path:
    """Make ``path`` and what is missing above it, 0700, and return it; what is there stays as it is."""
    if not path.is_dir():
        if path.parent != path:
            make_private_dir(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_directory(path.parent)  # or a power cut could take keys with the folder that they are in
    return path


def write_private(path: Path, data: bytes) -> None:
    """Make ``data`` the whole content of ``path``, 0600: readers see the old bytes or the new ones.

    Survives a crash of the machine once it returns. Missing directories are made, 0700.
    """
    with _written_beside(path, data) as temporary:
        temporary.replace(path)
    crash_points.point("private.renamed")
    sync_directory(path.parent)
    crash_points.point("private.done")


def create_private(path: Path, data: bytes) -> bool:
    """As `write_private`, but only if ``path`` is not there yet; whether it was written.

    Of several processes that try at the same time exactly one succeeds.
    """
    with locked(path):
        if path.exists():
            return False
        with _written_beside(path, data) as temporary:
            temporary.replace(path)
    crash_points.point("private.renamed")
    sync_directory(path.parent)
    crash_points.point("private.done")
    return True


def read_private(path: Path, limit: int) -> bytes:
    """The bytes of a file that only its owner can read.

    Parameters
    ----------
    path : Path
        The file.
    limit : int
        More bytes than this are refused before they are read.

    Raises
    ------
    TrustError
        If group or others can read or write it, or it is larger than ``limit``.
    FileNotFoundError
        If it is not there.
    """
    with path.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
            raise TrustError(
                f"{path} can be read or written by others (mode {stat.S_IMODE(status.st_mode):04o}).",
                hint=f"Type: chmod 600 '{path}'. Keys that somebody else may have read are then to be "
                "replaced with: syft-flwr keys rotate --revoke",
            )
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise TrustError(
            f"{path} is larger than the {limit} bytes it may have.",
            hint="It was not written by syft-flwr; restore it from a backup or move it away.",
        )
    return data


def file_state(path: Path) -> tuple[int, ...]:
    """What changes whenever a file is replaced or written: inode, times, size, mode and owner.

    For whoever remembers what was in a file: two looks with the same state found the same content, unless it was
    written within the resolution of the clock of its file system. `write_private` gives each content a new inode.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    """
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_mode, found.st_uid


def append_private(path: Path) -> TextIO:
    """Open a log, made 0600 whatever the umask, to write text (UTF-8) at its end."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the one lock that belongs to ``path`` (a file beside it) against other threads and processes.

    Waits without limit: whoever holds it only writes a small file. A process that dies lets go of it.
    """
    make_private_dir(path.parent)
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock_descriptor(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """``data`` in a file beside ``path``, under a lock that tells it from one that a dead process has left."""
    make_private_dir(path.parent)
    _sweep_beside(path)
    crash_points.point("private.begin")
    # mkstemp makes the file 0600 whatever the umask.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            lock_descriptor(stream.fileno(), wait=False)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            crash_points.point("private.written")
            yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sweep_beside(path: Path) -> None:
    """Remove what processes that died while they wrote ``path`` have left: whoever writes holds a lock."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(FileNotFoundError), left.open("rb+") as stream:
            if lock_descriptor(stream.fileno(), wait=False):
                left.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory survive a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
