"""Bytes on their way to Google Drive: one request up to 5 MB, a resumable session above.

Large content is first written to a file of our own, because a chunk may have to be sent again; chunks
are a hundredth of it, so that a cut costs no more than that, and at most 8 MiB lie in memory. The
address of the session is journaled before the first byte is sent: a restart asks how much has arrived
and goes on there.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.storage.crash_points import point
from syft_flwr_cli.transports.base import Content
from syft_flwr_cli.transports.gdrive.client import DriveClient, is_verdict
from syft_flwr_cli.transports.gdrive.errors import Verdict

__all__ = ["ONE_REQUEST", "Spooled", "Uploader", "chunk_size", "private_stream", "spooled"]

ONE_REQUEST = 5_000_000
"""Bytes that go in one multipart request."""

FIELDS = "id,name,size,md5Checksum,createdTime,version"
MIME = "application/octet-stream"
PIECE = 256 * 1024
SESSIONS = 6


@dataclass(frozen=True, slots=True)
class Spooled:
    """Content ready to be sent, any part of it, any number of times."""

    size: int
    md5: str
    data: bytes | None
    path: Path | None

    def part(self, offset: int, length: int) -> bytes:
        """Some of it."""
        if self.data is not None:
            return self.data[offset : offset + length]
        assert self.path is not None
        with self.path.open("rb") as stream:
            stream.seek(offset)
            return stream.read(length)


def chunk_size(size: int) -> int:
    """Bytes of a chunk: a hundredth of the whole, in pieces of 256 KiB, from 1 to 8 MiB."""
    pieces = -(-size // 100 // PIECE)
    return min(max(pieces * PIECE, 1 << 20), 8 << 20)


@contextmanager
def spooled(content: Content, directory: Path, name: str) -> Iterator[Spooled]:
    """Make ``content`` ready: in memory if it is small, else in ``directory/name`` while it is needed."""
    digest = hashlib.md5(usedforsecurity=False)
    if content.size <= ONE_REQUEST:
        data = b"".join(bytes(chunk) for chunk in content.chunks())
        digest.update(data)
        _check_size(len(data), content)
        yield Spooled(len(data), digest.hexdigest(), data, None)
        return
    path, size = directory / name, 0
    try:
        with private_stream(path, "wb") as stream:
            for chunk in content.chunks():
                digest.update(chunk)
                size += stream.write(chunk)
        _check_size(size, content)
        yield Spooled(size, digest.hexdigest(), None, path)
    finally:
        path.unlink(missing_ok=True)


def _check_size(size: int, content: Content) -> None:
    if size != content.size:
        raise ValueError(f"The content has {size} bytes and promised {content.size}.")


def private_stream(path: Path, mode: str) -> BinaryIO:
    """Open a file of ours to write (``wb``, made empty) or to append (``ab``), 0600 if it is made."""
    flags = os.O_TRUNC if mode == "wb" else os.O_APPEND
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | flags, 0o600)
    return cast(BinaryIO, os.fdopen(descriptor, mode))


class Uploader:
    """Sends content to new and existing files."""

    def __init__(self, client: DriveClient) -> None:
        self._client = client

    def send(
        self,
        content: Spooled,
        target: str | None,
        meta: dict[str, Any],
        doing: str,
        session: str | None,
        keep: Callable[[str | None], None],
    ) -> dict[str, Any]:
        """Create a file (``target`` None) or replace the content of one; what Drive says it has now.

        Parameters
        ----------
        content : Spooled
            What to send.
        target : str | None
            The id of the file whose content is replaced.
        meta : dict
            The file's resource; for a create with its pre-generated id.
        session : str | None
            The address of a session that began earlier with this very content.
        keep : Callable[[str | None], None]
            Writes the address of a session down, or that it is of no use any more.

        Raises
        ------
        HttpError
            404, 409 and 410 of the request itself.
        TransportError
            Anything else that does not pass in time.
        """
        if content.data is not None:
            return self._at_once(content.data, target, meta, doing)
        for _ in range(SESSIONS):
            if session is None:
                session = self._begin(content, target, meta, doing)
                keep(session)
                point("gdrive.upload.session")
                transfer = _Transfer(self._client, session, content, asked=True)
            else:
                transfer = _Transfer(self._client, session, content, asked=False)
            try:
                return transfer.run(doing)
            except HttpError as error:
                if not is_verdict(error, Verdict.MISSING):
                    raise
                session = None  # Google has forgotten it
                keep(None)
        raise self._client.give_up(f"keep the upload alive to {doing}")

    def _request(self, target: str | None, meta: dict[str, Any]) -> tuple[str, Any]:
        """The official client's request for an upload, with everything but the content."""
        files, media = self._client.api.files(), MediaInMemoryUpload(b"", mimetype=MIME, resumable=True)
        if target is None:
            return "files.create", files.create(body=meta, media_body=media, fields=FIELDS)
        return "files.update", files.update(fileId=target, body=meta, media_body=media, fields=FIELDS)

    def _at_once(self, data: bytes, target: str | None, meta: dict[str, Any], doing: str) -> dict[str, Any]:
        """Metadata and content in one request.

        The official client would draw the boundary between them from Python's global generator, and a
        ServerApp that is replayed must find that as it left it.
        """
        kind, request = self._request(target, meta)
        uri = request.uri.replace("uploadType=resumable", "uploadType=multipart")
        mark = secrets.token_hex(16)
        head = f"--{mark}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(meta)}\r\n"
        head += f"--{mark}\r\nContent-Type: {MIME}\r\n\r\n"
        body = b"".join([head.encode(), data, f"\r\n--{mark}--\r\n".encode()])
        headers = {**request.headers, "content-type": f'multipart/related; boundary="{mark}"'}

        def once() -> dict[str, Any]:
            response, answer = self._client.send(kind, uri, request.method, headers, body)
            if response.status != 200:
                raise HttpError(response, answer, uri=uri)
            found: dict[str, Any] = loads(answer)
            return found

        return self._client.persist(kind, once, doing)

    def _begin(self, content: Spooled, target: str | None, meta: dict[str, Any], doing: str) -> str:
        """Begin a session; its address."""
        kind, request = self._request(target, meta)
        headers = {
            **request.headers,
            "X-Upload-Content-Type": MIME,
            "X-Upload-Content-Length": str(content.size),
        }

        def once() -> str:
            response, answer = self._client.send(kind, request.uri, request.method, headers, request.body)
            if response.status != 200 or "location" not in response:
                raise HttpError(response, answer, uri=request.uri)
            return str(response["location"])

        return self._client.persist(kind, once, doing)


class _Transfer:
    """One session: where it is, and the next chunk."""

    def __init__(self, client: DriveClient, uri: str, content: Spooled, *, asked: bool) -> None:
        self._client = client
        self._uri = uri
        self._content = content
        self._chunk = chunk_size(content.size)
        self._offset = 0
        self._certain = asked
        self._result: dict[str, Any] | None = None

    def run(self, doing: str) -> dict[str, Any]:
        while self._result is None:
            self._client.persist("upload.chunk", self._step, doing)
            point("gdrive.upload.chunk")
        return self._result

    def _step(self) -> None:
        size = self._content.size
        if not self._certain:
            # After any failure only the server knows how much has arrived.
            self._put(b"", f"bytes */{size}")
            self._certain = True
            if self._result is not None:
                return
        data = self._content.part(self._offset, self._chunk)
        self._certain = False
        self._put(data, f"bytes {self._offset}-{self._offset + len(data) - 1}/{size}")
        self._certain = True

    def _put(self, data: bytes, span: str) -> None:
        headers = {"Content-Range": span, "Content-Length": str(len(data))}
        response, answer = self._client.send("upload.chunk", self._uri, "PUT", headers, data)
        if response.status in (200, 201):
            self._result = loads(answer)
        elif response.status == 308:
            kept = response.get("range", "")
            self._offset = int(kept.rpartition("-")[2]) + 1 if kept else 0
        else:
            raise HttpError(response, answer, uri=self._uri)
