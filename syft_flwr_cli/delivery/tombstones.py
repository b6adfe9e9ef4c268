"""Tombstones: that a request was answered, and with what, after the response has been withdrawn from the store.

One signed line for each withdrawn response, in a file of its own beside the journal: where the journal is lost or
was restored from an older state, a request that somebody puts back is still known as answered, and is not
executed again. A line holds the id of the request, its run, the digest of the response, when it was withdrawn and
by which key it is signed, and nothing of its content. A line that does not hold is passed over; one that was signed
with a key that was rotated since is believed by its form, because it only ever keeps something from being done.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.errors import DiskError
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, decode_base64, encode_base64, read_object
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.paths import make_private_dir, sync_directory, write_private

__all__ = ["TOMBSTONES", "Tombstone", "Tombstones"]

TOMBSTONES: Final = "tombstones.jsonl"
"""The name of the file in the participant's directory for the app."""

_TAG: Final = b"syft-flwr tombstone 1\0"
_MAX_LINE: Final = 1024


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A response that was withdrawn.

    Parameters
    ----------
    id, run : str
        The request that it answered, and its run.
    digest : str
        Of the response's envelope (hex).
    time : float
        When it was withdrawn, in seconds since 1970.
    key : str
        The fingerprint (hex) of the key that signs it.
    """

    id: str
    run: str
    digest: str
    time: float
    key: str

    def statement(self) -> dict[str, Any]:
        """What is signed."""
        return {
            "id": self.id,
            "run": self.run,
            "digest": self.digest,
            "time": self.time,
            "key": self.key,
        }


class Tombstones:
    """The tombstones of one participant in one app. Used from one thread.

    Parameters
    ----------
    path : Path
        The file; made, with mode 0600, with the first of them.
    identity : Identity
        Signs them.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        self._path = path
        self._identity = identity
        self._ids: set[str] | None = None

    def add(self, withdrawn: Sequence[tuple[str, str, str]], now: float) -> None:
        """Write down the id, run and response's digest of each; they survive a crash of the machine once this returns.

        Raises
        ------
        DiskError
            If the file cannot be written.
        """
        if not withdrawn:
            return
        key, time = self._identity.public.fingerprint, round(now, 3)
        lines = b"".join(self._line(Tombstone(*one, time=time, key=key)) for one in withdrawn)
        try:
            make_private_dir(self._path.parent)
            new = not self._path.exists()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b") as stream:
                crash_points.point("tombstones.before-write")
                # After a crash in the middle of a line the next one must not become a part of it.
                end = stream.seek(0, os.SEEK_END)
                torn = end > 0 and os.pread(stream.fileno(), 1, end - 1) != b"\n"
                stream.write(b"\n" + lines if torn else lines)
                stream.flush()
                os.fdatasync(stream.fileno())
                crash_points.point("tombstones.synced")
            if new:
                sync_directory(self._path.parent)
        except OSError as error:
            raise DiskError(
                f"The file {self._path} cannot be written: {error.strerror or error}.",
                hint="Free some space or correct the permissions; nothing is lost meanwhile.",
            ) from error
        if self._ids is not None:
            self._ids.update(mid for mid, _, _ in withdrawn)

    def __contains__(self, mid: object) -> bool:
        """Whether there is a tombstone for the request with this id; the file is read the first time."""
        if self._ids is None:
            self._ids = {one.id for one in self.all()}
        return mid in self._ids

    def all(self) -> Iterator[Tombstone]:
        """Every tombstone that holds, oldest first."""
        return (one for _, one in self._lines() if one is not None)

    def _lines(self) -> Iterator[tuple[bytes, Tombstone | None]]:
        with suppress(FileNotFoundError), self._path.open("rb") as stream:
            while line := stream.readline(_MAX_LINE):
                yield line, self._read(line)

    def forget(self, runs: Collection[str]) -> None:
        """Forget the tombstones of runs of which the journal remembers only that they are over."""
        if not runs or not self._path.exists():
            return
        left = [line for line, one in self._lines() if one is not None and one.run not in runs]
        write_private(self._path, b"".join(left))
        self._ids = None

    def _line(self, one: Tombstone) -> bytes:
        statement = one.statement()
        signature = encode_base64(self._identity.sign(_TAG + canonical(statement)))
        return canonical({**statement, "signature": signature})

    def _read(self, line: bytes) -> Tombstone | None:
        try:
            document = read_object(line.rstrip(b"\n"), "the tombstone")
            signature = decode_base64(document.pop("signature"), 64, "the signature")
            one = Tombstone(**document)
            signed = _TAG + canonical(one.statement())
        except (RefusedError, KeyError, TypeError, ValueError):
            return None
        public = self._identity.public
        return one if one.key != public.fingerprint or public.verify(signed, signature) else None
