"""Writing a file: in one request, or in parts that a restart goes on with.

Which upload a path belongs to, and the digest of each part that the store has confirmed, is kept in a small file per
path below the state directory before the next part is sent. After a crash the same content is asked for again; parts
whose digest is the noted one are not sent a second time, anything else begins a new upload. Services' own multipart
uploads are not used: their client here cannot take one up again after a restart, and a part as an
object of its own works the same on every service.
"""

import hashlib
import json
import secrets
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import obstore
from obstore.store import ObjectStore

from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.storage.crash_points import point
from syft_flwr_cli.storage.paths import make_private_dir
from syft_flwr_cli.transports.base import Content
from syft_flwr_cli.transports.object_store.errors import explained
from syft_flwr_cli.transports.object_store.keys import MARKER, PART_SIZE, marker_key, part_key

__all__ = ["Uploader"]

AT_ONCE = 3
"""Parts that are under way, and in memory, at the same time."""


class Uploader:
    """Writes files of one owner. Thread-safe for different paths.

    Parameters
    ----------
    store : ObjectStore
        The bucket.
    name : str
        The store as the user named it.
    owner : str
        Whose space is written.
    directory : Path
        Where unfinished uploads are noted.
    part : int
        Bytes of a part.
    """

    def __init__(
        self, store: ObjectStore, name: str, owner: str, directory: Path, part: int = PART_SIZE
    ) -> None:
        self._store, self._name, self._owner, self._part = store, name, owner, part
        self._notes = make_private_dir(directory)

    def put(self, key: str, content: Content) -> str | None:
        """Write ``content``; the key of the marker where the file was too large for one request.

        Raises
        ------
        ValueError
            If the chunks are not as many bytes as was promised.
        TransportError
            If the store fails; what was there before is still there.
        """
        if content.size <= self._part:
            data = b"".join(_pieces(content, self._part))
            point("upload.begin")
            with explained(self._name, f"write {key}"):
                obstore.put(self._store, key, data, use_multipart=False)
            point("upload.done")
            return None
        upload = self._parts(key, content)
        marker = marker_key(key, content.size, self._part, upload)
        point("upload.parts")
        with explained(self._name, f"write {marker}"):
            obstore.put(self._store, marker, MARKER, use_multipart=False)
        point("upload.done")
        self._note(key).unlink(missing_ok=True)
        return marker

    def unfinished(self) -> set[str]:
        """The uploads that a repeated `put` may go on with."""
        found = set()
        for note in self._notes.glob("*.jsonl"):
            noted = _read_note(note)
            if noted:
                found.add(noted[0])
        return found

    def _parts(self, key: str, content: Content) -> str:
        note = self._note(key)
        noted = _read_note(note)
        upload, confirmed = noted if noted else (secrets.token_hex(16), [])
        if not noted:
            _append(note, {"upload": upload, "size": content.size})
        pending: deque[tuple[int, str, Future[None]]] = deque()

        def confirm() -> None:
            number, digest, sending = pending.popleft()
            sending.result()
            _append(note, {"part": number, "digest": digest})
            point("upload.part")

        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="upload") as pool:
            try:
                for number, piece in enumerate(_pieces(content, self._part)):
                    digest = hashlib.blake2b(piece, digest_size=16).hexdigest()
                    if number < len(confirmed):
                        if confirmed[number] == digest:
                            continue
                        # Other content than was begun with: its parts may never be mixed with ours.
                        note.unlink()
                        return self._parts(key, content)
                    if len(pending) >= AT_ONCE:
                        confirm()
                    pending.append((number, digest, pool.submit(self._send, upload, number, piece)))
                while pending:
                    confirm()
            finally:
                for _, _, sending in pending:
                    sending.cancel()
        return upload

    def _send(self, upload: str, number: int, piece: bytes) -> None:
        key = part_key(self._owner, upload, number)
        with explained(self._name, f"write {key}"):
            obstore.put(self._store, key, piece, use_multipart=False)

    def _note(self, key: str) -> Path:
        return self._notes / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.jsonl"


def _pieces(content: Content, size: int) -> Iterator[bytes]:
    """The content in pieces of ``size`` bytes; ValueError if it is more or less than promised."""
    piece, total = bytearray(), 0
    for chunk in content.chunks():
        view = memoryview(chunk)
        total += len(view)
        if total > content.size:
            continue
        while len(view):
            taken = view[: size - len(piece)]
            piece += taken
            view = view[len(taken) :]
            if len(piece) == size:
                yield bytes(piece)
                piece.clear()
    if total != content.size:
        raise ValueError(f"Content of {content.size} bytes was promised, but its chunks made {total}.")
    if piece:
        yield bytes(piece)


def _append(note: Path, line: dict[str, object]) -> None:
    with note.open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def _read_note(note: Path) -> tuple[str, list[str]] | None:
    """The upload and the digests of its first confirmed parts; a line that a crash cut off ends them."""
    try:
        lines = note.read_text().splitlines()
        head = loads(lines[0])
        upload, digests = str(head["upload"]), []
        for number, line in enumerate(lines[1:]):
            about = loads(line)
            if about["part"] != number:
                break
            digests.append(str(about["digest"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, IndexError, TypeError):
        if "upload" not in locals():
            return None
    return upload, digests
