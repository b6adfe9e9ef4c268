"""What exactly the code of a project is: a canonical manifest, its digest, and a checked copy to run from.

The manifest lists the files of the project (see `tree`) by relative path, mode, size and SHA-256. The copy
made for execution holds exactly the files of the manifest, checked while they were copied, and nothing
else: what is left out of the digest cannot be imported from it. It does not know who approved what.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from syft_flwr_cli.consent.source_tree import (
    check_encoding,
    excluded_paths,
    file_paths,
    open_plain,
    read_blocks,
)
from syft_flwr_cli.errors import NotApprovedError, NotAProjectError
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = [
    "Changes",
    "Entry",
    "Manifest",
    "compare",
    "copy_tree",
    "has_exactly",
    "make_manifest",
    "remove_copy",
]

PLAIN = "100644"
EXECUTABLE = "100755"

MAX_PROJECT = 1 << 30
"""Bytes of all files of a project, at most."""

_TAG = b"syft-flwr manifest 1\0"


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file: its path (POSIX, relative), mode (``100644`` or ``100755``), bytes, SHA-256 (hex)."""

    path: str
    mode: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a project, sorted by the bytes of their paths, and the digest (hex) over all of them."""

    entries: tuple[Entry, ...]
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.entries, key=lambda entry: entry.path.encode()))
        object.__setattr__(self, "entries", ordered)
        object.__setattr__(self, "digest", hashlib.sha256(_TAG + self.to_bytes()).hexdigest())

    def to_bytes(self) -> bytes:
        """The canonical form: one line ``{mode} {sha256} {size} {path}`` per file, in UTF-8."""
        lines = (f"{entry.mode} {entry.sha256} {entry.size} {entry.path}\n" for entry in self.entries)
        return "".join(lines).encode()


@dataclass(frozen=True, slots=True)
class Changes:
    """Paths by what became of them, each sorted."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def make_manifest(root: Path) -> Manifest:
    """Read the project in the folder ``root``.

    Besides what is always left out, the project can leave out files and folders of its own (the results of
    a run, say) with ``[tool.syft_flwr] exclude = ["path", ...]``, relative paths without patterns.

    Raises
    ------
    NotAProjectError
        If there is a symbolic link or something else that is no file, a name that is not the same on every
        machine, too many files (20,000), a file that cannot be read, one that Python runs by itself, or a source
        that is not in UTF-8.
    """
    paths = list(file_paths(root, excluded_paths(root)))
    size = sum((root / path).lstat().st_size for path in paths)  # before a byte of it is read
    if size > MAX_PROJECT:
        raise NotAProjectError(
            f"{root} holds {size} bytes, more than the {MAX_PROJECT} that a project may have.",
            hint="Keep data and models out of the project, or name them under [tool.syft_flwr] exclude.",
        )
    for path in paths:
        check_encoding(root, path)
    return Manifest(tuple(_read_entry(root, path) for path in paths))


def compare(old: Manifest, new: Manifest) -> Changes:
    """What became of the files between two manifests; a changed mode is a change."""
    before = {entry.path: entry for entry in old.entries}
    after = {entry.path: entry for entry in new.entries}
    return Changes(
        added=tuple(path for path in after if path not in before),
        removed=tuple(path for path in before if path not in after),
        changed=tuple(path for path in after if path in before and after[path] != before[path]),
    )


def copy_tree(manifest: Manifest, root: Path, destination: Path) -> Path:
    """Make, or find again, the read-only copy of the files in ``manifest``; its folder.

    Parameters
    ----------
    manifest : Manifest
        What the copy must hold, to the byte.
    root : Path
        Where the files are now. Not looked at when a copy that is still exact is there.
    destination : Path
        The folder of all copies; the copy is ``destination / manifest.digest``.

    Raises
    ------
    NotApprovedError
        If a file in ``root`` is not what the manifest says. No copy is left behind.
    """
    target = destination / manifest.digest
    if has_exactly(target, manifest):
        return target
    make_private_dir(destination)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=destination))
    try:
        for entry in manifest.entries:
            _copy_file(entry, root, scratch)
        for folder, _, _ in os.walk(scratch, topdown=False):
            Path(folder).chmod(0o500)
        if target.exists() or target.is_symlink():
            _move_aside(target)
        try:
            scratch.rename(target)
        except OSError:
            if not has_exactly(target, manifest):  # else another process was quicker
                raise
            remove_copy(scratch)
    except BaseException:
        remove_copy(scratch)
        raise
    return target


def has_exactly(folder: Path, manifest: Manifest) -> bool:
    """Whether ``folder`` is there and holds the files of ``manifest``, unchanged, and nothing else at all."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    try:
        found = Manifest(tuple(_read_entry(folder, path) for path in file_paths(folder, None)))
    except NotAProjectError:
        return False
    return found == manifest


def remove_copy(folder: Path) -> None:
    """Remove a copy, read-only as it is; an absent one is no error."""
    for place, _, _ in os.walk(folder):
        Path(place).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _read_entry(root: Path, path: str) -> Entry:
    descriptor = open_plain(root, path)
    try:
        return _entry(path, descriptor, read_blocks(descriptor))
    finally:
        os.close(descriptor)


def _entry(path: str, descriptor: int, blocks: Iterable[bytes]) -> Entry:
    mode = EXECUTABLE if os.fstat(descriptor).st_mode & 0o100 else PLAIN
    hash_, size = hashlib.sha256(), 0
    for block in blocks:
        hash_.update(block)
        size += len(block)
    return Entry(path, mode, size, hash_.hexdigest())


def _copy_file(entry: Entry, root: Path, target: Path) -> None:
    place = make_private_dir((target / entry.path).parent) / PurePosixPath(entry.path).name
    descriptor = open_plain(root, entry.path)
    try:
        with place.open("xb") as stream:
            found = _entry(entry.path, descriptor, _written(read_blocks(descriptor), stream, entry.size))
            stream.truncate(found.size)
    finally:
        os.close(descriptor)
    if found != entry:
        raise NotApprovedError(
            f"{entry.path} in {root} changed while it was read.",
            hint="Wait until the project's files are complete, then try again.",
        )
    place.chmod(0o500 if entry.mode == EXECUTABLE else 0o400)


def _written(blocks: Iterable[bytes], stream: BinaryIO, limit: int) -> Iterator[bytes]:
    """``blocks``, copied: not more of them than there should be, and holes as holes, so that a file takes no more room
    here than where it comes from."""
    for block in blocks:
        limit -= len(block)
        if limit < 0:
            yield block  # it has grown meanwhile: that is found out, and nothing of it is kept
            return
        if block.count(0) == len(block):
            stream.seek(len(block), os.SEEK_CUR)
        else:
            stream.write(block)
        yield block


def _move_aside(target: Path) -> None:
    """Take an altered copy out of the way and remove it."""
    aside = Path(tempfile.mkdtemp(prefix=".altered-", dir=target.parent))
    if target.is_symlink() or not target.is_dir():
        target.unlink()
    else:
        target.chmod(0o700)
        target.rename(aside / "copy")
    remove_copy(aside)
