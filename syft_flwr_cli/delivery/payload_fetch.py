"""A peer's payload brought into our own store: a private copy, checked while it is made, still sealed.

What was verified is what is used: nobody else can write the copy, so a peer that overwrites its file in place
changes nothing here. Sizes are compared before anything is read, and no more is copied than was announced. A
copy survives a kill; a power cut only once `sync_copy` has been called.
"""

import os
import secrets
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from syft_flwr_cli.errors import DiskError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import PayloadRef
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.sealing import open_payload, sealed_size
from syft_flwr_cli.storage.paths import make_private_dir, sync_directory
from syft_flwr_cli.transports.base import Transport

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["check_length", "fetch_payload", "payload_of", "stored_payload", "sync_copy"]


def payload_of(owner: str, recipient: str, app: str, ref: PayloadRef) -> str:
    """Where ``owner`` has put a payload for ``recipient``."""
    if ref.scope == "all":
        return names.payload_path(owner, app, ref.id)
    return names.direct_payload_path(owner, recipient, app, ref.id)


def stored_payload(received_payloads: Path, run: str, owner: str, payload: str) -> Path:
    """Where a payload of ``owner`` lies in our own store: apart, so that nobody can name another's."""
    return received_payloads / run / names.check_email(owner) / f"{payload}.payload"


def fetch_payload(transport: Transport, owner: str, path: str, ref: PayloadRef, destination: Path) -> bool:
    """Make ``destination`` a checked copy of a peer's payload; False if it was one already.

    Raises
    ------
    NotThereError
        If it is not there yet.
    RefusedError
        ``damaged``, if what is there is not what the envelope promises.
    DiskError
        If this machine's disk does not take it.
    """
    if destination.exists():
        return False
    make_private_dir(destination.parent)
    temporary = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.tmp")
    with transport.open(owner, path) as stream:
        check_length(stream, ref)
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0) as out:
                copied = cast(BinaryIO, _Copied(stream, out.write))
                open_payload(copied, ref.key, ref.size, ref.digest, None)
            temporary.replace(destination)
        finally:
            temporary.unlink(missing_ok=True)
    return True


def check_length(stream: BinaryIO, ref: PayloadRef) -> None:
    """`RefusedError` if the file that ``stream`` is at the beginning of has another size than is announced."""
    there, wanted = _length(stream), sealed_size(ref.size)
    if there is not None and there < wanted:
        what = f"The payload ends after {there} of the {wanted} bytes it should have."
        raise RefusedError("damaged", what)
    if there is not None and there > wanted:
        raise RefusedError("damaged", f"The payload goes on after the {wanted} bytes it should have.")


def sync_copy(destination: Path) -> None:
    """Make a copy last through a power cut."""
    descriptor = os.open(destination, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_directory(destination.parent)


def _length(stream: BinaryIO) -> int | None:
    """Bytes of a stream that is at its beginning; None where only reading tells."""
    if not stream.seekable():
        return None
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return length


class _Copied(RawIOBase):
    """A stream whose bytes are written somewhere as they are read."""

    def __init__(self, inner: BinaryIO, write: Callable[[memoryview], int | None]) -> None:
        self._inner = inner
        self._write = write

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        count = int(cast(RawIOBase, self._inner).readinto(view) or 0)
        rest = view[:count]
        try:
            while rest:
                rest = rest[self._write(rest) or 0 :]
        except OSError as error:
            raise DiskError(
                f"A copy of a payload cannot be written ({error.strerror or error}).",
                hint="Free some space on the disk that holds SYFT_FLWR_HOME.",
            ) from error
        return count
