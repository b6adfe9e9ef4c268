"""A folder of plain files as one deterministic, bounded byte string, and back.

A bundle is a line with the format and the length of the manifest, the manifest (see `consent.manifest`), and the
contents of its files one after the other, uncompressed: how much is written can be told from how much was read, and
the same files make the same bytes everywhere. Unpacking trusts nothing: names, order, sizes and every digest are
checked, files are made in a private folder that appears under its name only when it is whole, and nothing that a
project's digest would leave out is accepted. It does not know who sent a bundle, nor what the files are for.
"""

import hashlib
import itertools
import os
import re
import tempfile
from pathlib import Path, PurePosixPath

from syft_flwr_cli.consent.manifest import (
    EXECUTABLE,
    PLAIN,
    Entry,
    Manifest,
    has_exactly,
    make_manifest,
    remove_copy,
)
from syft_flwr_cli.consent.source_tree import MAX_FILES, check_name, open_plain, read_blocks
from syft_flwr_cli.errors import NotApprovedError, NotAProjectError
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = ["MAX_BUNDLE", "pack", "read_manifest", "unpack"]

MAX_BUNDLE = 128 * 1024 * 1024
"""Bytes of a bundle, at most."""

MAX_MANIFEST = 16 * 1024 * 1024

_FIRST = re.compile(rb"syft-flwr bundle 1 (0|[1-9][0-9]{0,9})\n")
_LINE = re.compile(r"(100644|100755) ([0-9a-f]{64}) (0|[1-9][0-9]{0,11}) (.+)\Z")


def pack(manifest: Manifest, root: Path) -> bytes:
    """The bundle of the files of ``manifest``, which lie in ``root``.

    Raises
    ------
    NotApprovedError
        If a file is not what the manifest says.
    NotAProjectError
        If the bundle would be larger than `MAX_BUNDLE`.
    """
    listing = manifest.to_bytes()
    total = sum(entry.size for entry in manifest.entries)
    if total + len(listing) + 64 > MAX_BUNDLE or len(listing) > MAX_MANIFEST:
        largest = max(manifest.entries, key=lambda entry: entry.size)
        raise NotAProjectError(
            f"The files in {root} have {total:,} bytes; at most {MAX_BUNDLE:,} can be offered.",
            hint=f"The largest is {largest.path} ({largest.size:,} bytes). Keep results and data out of the "
            "project, or name them under [tool.syft_flwr] exclude in pyproject.toml.",
        )
    parts = [b"syft-flwr bundle 1 %d\n" % len(listing), listing]
    for entry in manifest.entries:
        descriptor = open_plain(root, entry.path)
        try:
            content = b"".join(read_blocks(descriptor))
        finally:
            os.close(descriptor)
        if len(content) != entry.size or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise NotApprovedError(
                f"{entry.path} in {root} changed while it was read.",
                hint="Wait until the project's files are complete, then try again.",
            )
        parts.append(content)
    return b"".join(parts)


def read_manifest(data: memoryview) -> tuple[Manifest, int]:
    """The manifest of a bundle, checked, and where the contents begin; nothing is written.

    Raises
    ------
    RefusedError
        ``oversized`` if there is too much in it; ``garbage`` if it is no bundle, or holds a name that could
        leave its folder, hide, or be taken for another.
    """
    if len(data) > MAX_BUNDLE:
        raise RefusedError(
            "oversized", f"The bundle has {len(data):,} bytes; at most {MAX_BUNDLE:,} are taken."
        )
    first = _FIRST.match(bytes(data[:64]))
    if first is None:
        raise RefusedError("garbage", "This is no bundle of files that this syft-flwr can read.")
    start, length = first.end(), int(first[1])
    if length > MAX_MANIFEST or start + length > len(data):
        raise RefusedError("oversized", f"The bundle announces a list of {length:,} bytes.")
    try:
        lines = bytes(data[start : start + length]).decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise RefusedError("garbage", "The bundle's list of files is no UTF-8.") from error
    if lines.pop() or not lines:
        raise RefusedError("garbage", "The bundle's list of files is cut off or empty.")
    if len(lines) > MAX_FILES:
        raise RefusedError("oversized", f"The bundle holds more than {MAX_FILES:,} files.")
    entries = tuple(_entry(line) for line in lines)
    _check_names(entries)
    total = sum(entry.size for entry in entries)
    if start + length + total != len(data):
        raise RefusedError(
            "damaged",
            f"The bundle's files should have {total:,} bytes and have {len(data) - start - length:,}.",
        )
    return Manifest(entries), start + length


def unpack(data: memoryview, digest: str, destination: Path) -> Manifest:
    """Make the folder ``destination`` with the files of a bundle, read-only, all of them or nothing.

    Parameters
    ----------
    data : memoryview
        The bundle.
    digest : str
        The digest (hexadecimal) that its manifest must have.
    destination : Path
        The folder. One that is there and exact is left as it is; another is replaced.

    Raises
    ------
    RefusedError
        As `read_manifest`; ``damaged`` if a file, or the whole, is not what its digest says. Nothing is left behind.
    """
    manifest, at = read_manifest(data)
    if manifest.digest != digest:
        raise RefusedError(
            "damaged", f"The bundle has the digest {manifest.digest[:16]}…, not {digest[:16]}…."
        )
    if has_exactly(destination, manifest):
        return manifest
    make_private_dir(destination.parent)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=destination.parent))
    try:
        for entry in manifest.entries:
            _write(entry, data[at : at + entry.size], scratch)
            at += entry.size
        _check_complete(scratch, manifest)
        for folder, _, _ in os.walk(scratch, topdown=False):
            Path(folder).chmod(0o500)
        _put_in_place(scratch, destination, manifest)
    except BaseException:
        remove_copy(scratch)
        raise
    return manifest


def _entry(line: str) -> Entry:
    found = _LINE.match(line)
    if found is None:
        raise RefusedError("garbage", "The bundle's list of files has a line that is none.")
    mode, sha256, size, path = found.groups()
    for component in path.split("/"):
        if component in ("", ".", ".."):
            raise RefusedError(
                "garbage", f"The bundle holds the path {ascii(path)[:200]}, which leaves its folder."
            )
        try:
            check_name(component, path)
        except NotAProjectError as error:
            raise RefusedError("garbage", f"The bundle holds a name that is refused: {error.what}") from error
    return Entry(path, mode, int(size), sha256)


def _check_names(entries: tuple[Entry, ...]) -> None:
    """Sorted, each once, and no file in the place of a folder, whether or not a disk tells cases apart."""
    paths = [entry.path.encode() for entry in entries]
    if any(before >= after for before, after in itertools.pairwise(paths)):
        raise RefusedError("garbage", "The bundle's list of files is not in its one proper order.")
    files = {entry.path.casefold() for entry in entries}
    folders = {str(parent) for entry in entries for parent in PurePosixPath(entry.path).parents}
    if len(files) != len(entries) or len({folder.casefold() for folder in folders}) != len(folders):
        raise RefusedError("garbage", "The bundle holds names that differ only in upper and lower case.")
    if files & {folder.casefold() for folder in folders}:
        raise RefusedError("garbage", "The bundle holds a file and a folder of the same name.")


def _write(entry: Entry, content: memoryview, scratch: Path) -> None:
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise RefusedError("damaged", f"{ascii(entry.path)[:200]} in the bundle is not what its digest says.")
    place = scratch / entry.path
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = {PLAIN: 0o400, EXECUTABLE: 0o500}[entry.mode]
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _check_complete(scratch: Path, manifest: Manifest) -> None:
    try:
        found = make_manifest(scratch)
    except NotAProjectError as error:
        raise RefusedError("garbage", f"The bundle is refused: {error.what}") from error
    if found != manifest:
        left = sorted({entry.path for entry in manifest.entries} - {entry.path for entry in found.entries})
        raise RefusedError(
            "garbage",
            f"The bundle holds {ascii(left[0])[:200] if left else 'files'}, which no digest of a project covers.",
        )


def _put_in_place(scratch: Path, destination: Path, manifest: Manifest) -> None:
    if destination.is_symlink() or destination.is_file():
        destination.unlink()
    elif destination.exists():
        remove_copy(destination)
    try:
        scratch.rename(destination)
    except OSError:
        if not has_exactly(destination, manifest):  # else another process was quicker
            raise
        remove_copy(scratch)
