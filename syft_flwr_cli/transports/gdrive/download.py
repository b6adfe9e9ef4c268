"""Bytes on their way from Google Drive: small files into memory, large ones in ranges to a file of ours.

What has arrived of a large file stays under its id and checksum, so that a cut connection or a restart
goes on from there; of an answer that is cut, what came through is kept. Nothing is handed on whose size
and checksum are not those of the listing.
"""

import hashlib
import http.client
import io
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from googleapiclient.errors import HttpError

from syft_flwr_cli.storage.paths import make_private_dir
from syft_flwr_cli.transports.base import TransientError
from syft_flwr_cli.transports.gdrive.client import DriveClient
from syft_flwr_cli.transports.gdrive.upload import ONE_REQUEST, chunk_size, private_stream

__all__ = ["ChangedError", "Downloader", "Remote"]

PAYLOAD = ".payload"
LONGEST_MESSAGE = 65 << 20
"""Bytes: more than any message, or document, that participants read whole has."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file as a listing shows it: ``created`` in seconds since 1970, ``version`` grows with each change."""

    id: str
    name: str
    size: int
    md5: str
    created: float
    version: int


class ChangedError(TransientError):
    """What came is not what the listing promised: the file has been replaced meanwhile."""


class Downloader:
    """Brings files here. Thread-safe.

    Parameters
    ----------
    client : DriveClient
        Who asks.
    directory : Path
        Where parts of large files wait for the rest.
    """

    def __init__(self, client: DriveClient, directory: Path) -> None:
        self._client = client
        self._directory = make_private_dir(directory)
        self._guard = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}

    def open(self, remote: Remote, doing: str) -> BinaryIO:
        """A stream over the whole file; over its beginning, if it is longer than any but a payload may be.

        Whoever reads finds it longer than it may be, and refuses it; nothing is brought here for that.
        """
        if remote.size > LONGEST_MESSAGE and not remote.name.endswith(PAYLOAD):
            return io.BytesIO(self._beginning(remote, doing))
        if remote.size <= ONE_REQUEST:
            return io.BytesIO(self._small(remote, doing))
        with self._large(remote, doing) as part:
            stream = part.open("rb")
            part.unlink()  # the stream keeps the bytes
        return stream

    def fetch(self, remote: Remote, destination: Path, doing: str) -> None:
        """Make ``destination`` a private, lasting copy of the file."""
        make_private_dir(destination.parent)
        temporary = destination.with_name(f".{destination.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            if remote.size <= ONE_REQUEST:
                with private_stream(temporary, "wb") as out:
                    out.write(self._small(remote, doing))
            else:
                with self._large(remote, doing) as part:
                    shutil.move(part, temporary)
            with temporary.open("r+b") as out:
                os.fsync(out.fileno())
            temporary.replace(destination)
        except OSError as error:
            raise TransientError(
                f"{destination} cannot be written: {error.strerror or error}.", hint="Make room on this disk."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _beginning(self, remote: Remote, doing: str) -> bytes:
        request = self._client.api.files().get_media(fileId=remote.id)
        span = f"bytes=0-{LONGEST_MESSAGE}"
        return self._client.persist("files.download", lambda: self._get(request, span), doing)

    def _small(self, remote: Remote, doing: str) -> bytes:
        request = self._client.api.files().get_media(fileId=remote.id)

        def once() -> bytes:
            return self._get(request, None)

        data = self._client.persist("files.download", once, doing)
        if len(data) != remote.size or hashlib.md5(data, usedforsecurity=False).hexdigest() != remote.md5:
            raise _changed(remote)
        return data

    @contextmanager
    def _large(self, remote: Remote, doing: str) -> Iterator[Path]:
        # Both come from elsewhere: hashed, they name one file in this folder and no other place.
        name = hashlib.sha256(f"{remote.id}\0{remote.md5}".encode(errors="replace")).hexdigest()[:40]
        part = self._directory / f"{name}.part"
        with self._guard:
            lock = self._busy.setdefault(part.name, threading.Lock())
        with lock:
            with private_stream(part, "ab") as out:
                self._fill(remote, out, doing)
            if _md5(part) != remote.md5 or part.stat().st_size != remote.size:
                part.unlink()
                raise _changed(remote)
            yield part

    def _fill(self, remote: Remote, out: BinaryIO, doing: str) -> None:
        request = self._client.api.files().get_media(fileId=remote.id)
        chunk = chunk_size(remote.size)

        def once() -> None:
            offset = out.tell()
            span = f"bytes={offset}-{min(offset + chunk, remote.size) - 1}"
            try:
                out.write(self._get(request, span)[: min(chunk, remote.size - offset)])
            except http.client.IncompleteRead as cut:
                out.write(cut.partial)
                if not cut.partial:
                    raise

        out.seek(0, os.SEEK_END)
        while out.tell() < remote.size:
            # An answer may be longer than what was asked for; no copy is longer than its listing says.
            self._client.persist("files.download", once, doing)

    def _get(self, request: Any, span: str | None) -> bytes:
        # Compressed answers cannot be asked for in ranges, and sealed bytes do not shrink.
        headers = {"Accept-Encoding": "identity", **({"Range": span} if span else {})}
        response, content = self._client.send("files.download", request.uri, "GET", headers)
        if response.status != (206 if span else 200):
            raise HttpError(response, content, uri=request.uri)
        self._client.meter.received("files.download", len(content))
        return content


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _changed(remote: Remote) -> ChangedError:
    return ChangedError(
        f"{remote.name} on Google Drive is not what its folder said it is.",
        hint="Its owner has replaced it meanwhile; it is looked up again.",
    )
