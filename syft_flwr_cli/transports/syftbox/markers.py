"""What SyftBox's daemon sets aside of our own files, and what becomes of it.

A scan of the daemon that overlaps a push takes a file for a conflict although both versions are the same: it renames
ours to ``NAME.conflict.EXT``, and at its next scan may take the original for deleted and delete it on the server. So
a file that was set aside is put back, at once, where nothing has taken its place; a marker whose content is that of
the original, or one that we wrote there before, is removed; only a marker beside another content is a conflict.
What the server refused (``.rejected``) stays where it is and is told of. It knows no rules and no messages.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from syft_flwr_cli.transports.base import Buffer, Content
from syft_flwr_cli.transports.folder import posix
from syft_flwr_cli.transports.folder.sync_artifacts import is_conflict, is_rejected, original_name

__all__ = ["Digested", "Markers"]

REMEMBERED = 10_000
"""Files that were removed lately and are not to be put back."""

CHUNK = 1 << 20


class Markers:
    """The markers in one's own space.

    Parameters
    ----------
    space : Path
        The own space.
    after_rename : callable
        What else is done with a file that was put in place, given a descriptor.
    """

    def __init__(self, space: Path, after_rename: Callable[[int], None]) -> None:
        self._space = space
        self._after_rename = after_rename
        self._removed: deque[str] = deque(maxlen=REMEMBERED)
        self._written: deque[tuple[str, bytes]] = deque(maxlen=REMEMBERED)

    def written(self, path: str, digest: bytes) -> None:
        """A file of ours was published with this content (see `Digested`)."""
        self._written.append((path, digest))
        if path in self._removed:
            self._removed.remove(path)

    def removed(self, path: str) -> None:
        """A file of ours was removed on purpose; markers of it go too."""
        self._removed.append(path)
        folder, _, name = path.rpartition("/")
        stem, _, extension = name.rpartition(".")
        with suppress(OSError):  # there is none, as nearly always; or the next look finds it
            (self._space / folder / f"{stem}.conflict.{extension}").unlink()

    def settle(self) -> list[str]:
        """Put back or remove what can be; the markers that are left, one path each, sorted."""
        return sorted(path for path in self._all("") if not self.settle_one(path))

    def settle_one(self, path: str) -> bool:
        """Whether the marker at ``path`` is gone, because it was put back or meant nothing."""
        folder, _, name = path.rpartition("/")
        if is_rejected(name) or not is_conflict(name):
            return False
        original = original_name(name)
        if original == name:
            return False
        subject = f"{folder}/{original}"
        try:
            with posix.entered(self._space, tuple(folder.split("/")) if folder else ()) as here:
                if subject not in self._removed and _put_back(name, original, here):
                    self._written_again(self._space / subject)
                    return True
                if subject in self._removed or self._is_ours(name, subject, original, here):
                    os.unlink(name, dir_fd=here)
                    return True
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def _is_ours(self, name: str, subject: str, original: str, folder: int) -> bool:
        set_aside, there = _digest_at(name, folder), _digest_at(original, folder)
        return set_aside == there or (subject, set_aside) in self._written

    def _written_again(self, place: Path) -> None:
        try:
            descriptor = os.open(place, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return  # the next scan of the daemon uploads it
        try:
            self._after_rename(descriptor)
        finally:
            os.close(descriptor)

    def _all(self, folder: str) -> list[str]:
        found = []
        try:
            with os.scandir(self._space / folder) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        found += self._all(path)
                    elif is_conflict(entry.name) or is_rejected(entry.name):
                        found.append(path)
        except OSError:
            pass  # whatever is wrong with the folder, the next read or write says it
        return found


def _put_back(marker: str, original: str, folder: int) -> bool:
    """Rename the marker to the original, if nothing is there."""
    try:
        os.link(marker, original, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    os.unlink(marker, dir_fd=folder)
    return True


class Digested:
    """A content whose digest is known once all of it was read."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.digest = b""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self._content.size

    def chunks(self) -> Iterator[Buffer]:
        """The bytes, in order."""
        digest = _new_digest()
        for chunk in self._content.chunks():
            digest.update(chunk)
            yield chunk
        self.digest = digest.digest()


def _new_digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=16)


def _digest_at(name: str, folder: int) -> bytes:
    digest = _new_digest()
    with os.fdopen(posix.open_plain_file(name, folder), "rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.digest()
