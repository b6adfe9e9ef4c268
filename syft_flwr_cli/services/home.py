"""A whole home as one file: to another machine, or into a backup and back.

The file is a compressed tar archive, 0600, of everything below ``SYFT_FLWR_HOME`` but locks, sockets and caches. It
holds private keys: as protected as they are at home. A journal is copied by SQLite itself, so that it is whole
whatever moment it is. Importing checks every name before it writes, and never mixes two homes.
"""

import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from syft_flwr_cli.errors import BusyError, UsageError
from syft_flwr_cli.services.status import apps_of, participants
from syft_flwr_cli.storage.locks import who_holds
from syft_flwr_cli.storage.paths import app_dir

__all__ = ["HomeCopy", "export_home", "import_home"]

MARK = "syft-flwr-home"
MAX_BYTES = 1 << 40
MAX_FILES = 1_000_000
_SKIPPED_SUFFIXES = (".lock", "-wal", "-shm", ".tmp", ".sock")
_SKIPPED_FOLDERS = ("bytecode", "__pycache__")


@dataclass(frozen=True, slots=True)
class HomeCopy:
    """A home in a file: where, whose, how many files and bytes."""

    file: Path
    participants: tuple[str, ...]
    files: int
    bytes: int


def export_home(home: Path, destination: Path) -> HomeCopy:
    """Write the home into a file, which must not be there.

    Raises
    ------
    UsageError
        If the file is there, or the home is empty.
    BusyError
        If a process works in the home: the copy could be of two moments.
    """
    people = participants(home)
    if not people:
        raise UsageError(f"There is nothing in {home} yet.", hint="Name the home with SYFT_FLWR_HOME.")
    _check_idle(home)
    try:
        descriptor = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{destination} is there already.", hint="Name a file that is not.") from None
    except OSError as error:
        raise UsageError(
            f"{destination} cannot be written: {error.strerror}.", hint="Choose a place where you may write."
        ) from error
    count = size = 0
    try:
        with (
            os.fdopen(descriptor, "wb") as stream,
            tarfile.open(fileobj=stream, mode="w:gz") as archive,
            tempfile.TemporaryDirectory(dir=home, prefix=".export-") as scratch,
        ):
            for path in _files(home, Path(scratch)):
                source = path if path.suffix != ".sqlite3" else _whole(path, Path(scratch) / "copy")
                archive.add(source, f"{MARK}/{path.relative_to(home).as_posix()}", recursive=False)
                count, size = count + 1, size + source.stat().st_size
            stream.flush()
    except BaseException:
        destination.unlink(missing_ok=True)
        raise
    return HomeCopy(destination, tuple(people), count, size)


def import_home(home: Path, source: Path) -> HomeCopy:
    """Bring a home back from a file into ``home``, which must hold no participant.

    Raises
    ------
    UsageError
        If somebody is at home there already, or the file is not one that `export_home` has written.
    """
    if participants(home):
        raise UsageError(
            f"{home} holds a home already, of {', '.join(participants(home))}.",
            hint="Set SYFT_FLWR_HOME to a new folder, or move that one away.",
        )
    try:
        with tarfile.open(source, "r:gz") as archive:
            members = _checked(archive, source)
            with tempfile.TemporaryDirectory(dir=home, prefix=".import-") as scratch:
                count, size = _unpack(archive, members, Path(scratch))
                for entry in (Path(scratch) / MARK).iterdir():
                    entry.rename(home / entry.name)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise UsageError(
            f"{source} cannot be read as a home: {error}.", hint="Give a file that 'home export' wrote."
        ) from error
    return HomeCopy(source, tuple(participants(home)), count, size)


def _check_idle(home: Path) -> None:
    for email in participants(home):
        for app in apps_of(home, email):
            directory = app_dir(home, email, app)
            locks = [directory / "lock", *(directory / "runs").glob("*.lock")]
            for holder in filter(None, map(who_holds, locks)):
                raise BusyError(
                    f"Process {holder.pid} works on {app} for {email}.",
                    hint="End it first (Ctrl-C loses nothing), then export.",
                )


def _files(home: Path, scratch: Path) -> Iterator[Path]:
    for path in sorted(home.rglob("*")):
        inside = path.relative_to(home).parts
        if scratch in path.parents or any(part in _SKIPPED_FOLDERS for part in inside):
            continue
        if path.is_symlink() or not path.is_file() or path.name.endswith(_SKIPPED_SUFFIXES):
            continue
        if path.name != "lock":
            yield path


def _whole(path: Path, copy: Path) -> Path:
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.chmod(0o600)
    return copy


def _checked(archive: tarfile.TarFile, source: Path) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in archive:
        parts = PurePosixPath(member.name).parts
        proper = member.isreg() and len(parts) > 1 and parts[0] == MARK and ".." not in parts
        total += member.size
        if not proper or total > MAX_BYTES or len(members) >= MAX_FILES:
            raise UsageError(
                f"{source} is no home: it holds {member.name[:80]!r}.",
                hint="Give a file that 'home export' wrote.",
            )
        members.append(member)
    if not members:
        raise UsageError(f"{source} is empty.", hint="Give a file that 'home export' wrote.")
    return members


def _unpack(archive: tarfile.TarFile, members: list[tarfile.TarInfo], folder: Path) -> tuple[int, int]:
    size = 0
    for member in members:
        target = folder.joinpath(*PurePosixPath(member.name).parts)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        stream = archive.extractfile(member)
        assert stream is not None
        # Copies of approved code are read-only; everything else is its owner's alone.
        mode = 0o400 if not member.mode & 0o200 else 0o600
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with stream, os.fdopen(descriptor, "wb") as out:
            while block := stream.read(1 << 20):
                out.write(block)
                size += len(block)
            os.fchmod(out.fileno(), mode | (0o100 if member.mode & 0o100 else 0))
    return len(members), size
