"""What a participant sent, received, executed, approved and refused, in a record that shows tampering.

An `AuditLog` appends; each entry is chained to the one before by its hash and signed by the participant.
`append` returns when the entries will survive a crash of the machine: one write and one sync per call. A
torn last line (a crash in the middle of an append) is cut off by the next append, and that is recorded too.
Several processes and threads may append. Entries are metadata and digests, never data. What the log cannot
show by itself, the loss of its last entries, the peers can: they record the heads they saw
(``peer``, ``peer_head``); see `audit_check`. It does not know what the events mean.
"""

import hashlib
import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.audit.entry import (
    EVENTS,
    GENESIS,
    MAX_LINE,
    LineError,
    check_fields,
    make_line,
    parse_line,
    signed_bytes,
)
from syft_flwr_cli.audit.verify import (
    BrokenLogError,
    PeerHead,
    Report,
    verify,
    verify_against_peer,
)
from syft_flwr_cli.errors import AuditError, DiskError
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import Identity, parse_public
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.locks import lock_descriptor
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = [
    "EVENTS",
    "GENESIS",
    "AuditLog",
    "BrokenLogError",
    "PeerHead",
    "Report",
    "read_entries",
    "verify",
    "verify_against_peer",
]

REMEMBERED = 1000
"""Among how many last entries an ``eid`` that was recorded before is recognised."""

_BLOCK = 256 * 1024
_FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(slots=True)
class _End:
    """The end of the file, as it was when it had this size and this time."""

    inode: int
    modified: int
    size: int
    seq: int = 0
    head: str = GENESIS
    torn: bytes = b""
    rotated: bool = False
    eids: deque[str | None] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def is_of(self, status: os.stat_result) -> bool:
        return (self.inode, self.modified, self.size) == (status.st_ino, status.st_mtime_ns, status.st_size)


class AuditLog:
    """The log of one participant.

    Parameters
    ----------
    path : Path
        The file, ``audit.jsonl`` in the participant's directory; made with the first entry.
    identity : Identity
        Signs the entries. When the last entry was signed with the keys before, a ``rotated`` entry with the
        new identity document comes first.
    clock : Callable[[], float]
        Seconds since 1970.
    random : Callable[[int], bytes]
        For the salt of each entry.
    """

    def __init__(
        self,
        path: Path,
        identity: Identity,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._path = path
        self._identity = identity
        self._clock = clock
        self._random = random
        self._thread = threading.Lock()
        self._end: _End | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def append(self, entries: Sequence[Mapping[str, Any]]) -> str:
        """Record ``entries`` in this order and return the new head (hex).

        An entry has an ``event`` (one of `EVENTS`), may have a ``time`` (else it is now), and any further
        metadata. One with an ``eid`` that is among the last 1000 entries is skipped: whoever crashed after
        an append repeats it without doubles. With nothing to record, nothing is written.

        Raises
        ------
        UsageError
            If a field may not stand in an entry. Nothing is written.
        AuditError
            If the end of the log was altered, so that nothing can follow it. Nothing is written.
        DiskError
            If the file cannot be written.
        """
        for fields in entries:
            check_fields(fields)
        with self._opened() as descriptor:
            end = self._look(descriptor)
            seen = set(end.eids)
            fresh: list[Mapping[str, Any]] = []
            for fields in entries:
                eid = fields.get("eid")
                if eid is None or eid not in seen:
                    fresh.append(fields)
                    seen.add(eid)
            own = self._own_entries(end)
            return self._write(descriptor, end, [*own, *fresh]) if own or fresh else end.head

    def head(self) -> str:
        """The hash (hex) of the last entry; `GENESIS` when there is none. Errors as for `append`."""
        if not self._path.exists():
            return GENESIS
        with self._opened() as descriptor:
            return self._look(descriptor).head

    def has_had(self, head: str) -> bool:
        """Whether ``head`` (hex) is the hash of one of the entries, or of the empty log."""
        if head == GENESIS:
            return True
        # A text in an entry cannot look like this: its quotation marks are escaped.
        wanted = f'"hash":"{head}"'.encode("ascii", "replace")
        try:
            with (
                self._path.open("rb") as stream,
                mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
            ):
                # Backwards: what is asked for is nearly always among the newest, and a log may be large.
                return data.rfind(wanted) >= 0
        except (FileNotFoundError, ValueError):  # missing or empty
            return False

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every entry, oldest first, as it stands there; see `read_entries`."""
        return read_entries(self._path)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, open and locked against other threads and processes."""
        with self._thread:
            try:
                make_private_dir(self._path.parent)
                descriptor = self._open()
                try:
                    yield descriptor
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise DiskError(
                    f"The audit log {self._path} cannot be written: {error.strerror or error}.",
                    hint="Free some space or correct the permissions; nothing is lost meanwhile.",
                ) from error

    def _open(self) -> int:
        """Open and lock the file that lies at the path at the moment when the lock is ours."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
            try:
                lock_descriptor(descriptor, wait=True)
                if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                    return descriptor
            except FileNotFoundError:
                pass
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _look(self, descriptor: int) -> _End:
        """The end of the file, from memory if nobody else has written since."""
        status = os.fstat(descriptor)
        if self._end is not None and self._end.is_of(status):
            return self._end
        self._end = None
        end = _End(status.st_ino, status.st_mtime_ns, status.st_size)
        lines = _read_back(descriptor, end.size, REMEMBERED + 1)
        if lines and not lines[-1].endswith(b"\n"):
            end.torn = lines.pop()
        for place, raw in enumerate(lines, 1):
            try:
                line = parse_line(raw)
            except LineError as error:
                if place < len(lines):
                    continue  # verification names it; to go on, only the last entry must be whole
                raise self._broken(end.seq + 1, str(error)) from error
            end.seq, end.head = line.seq, line.hash
            end.eids.append(line.entry.get("eid"))
            if place == len(lines):
                end.rotated = not self._identity.public.verify(signed_bytes(line.hash), line.signature)
        if end.rotated:
            self._check_rotation(end)
        self._end = end
        return end

    def _check_rotation(self, end: _End) -> None:
        """Refuse to go on with keys that those of the last entry do not vouch for."""
        named = [entry["identity"] for entry in read_entries(self._path) if "identity" in entry]
        try:
            before = parse_public(f"{named[-1]}\n".encode())
        except (IndexError, RefusedError) as error:
            raise self._broken(end.seq, "it is not signed by this participant") from error
        if not before.vouches_for(now := self._identity.public):
            raise self._broken(
                end.seq,
                f"it is signed with keys of {before.email} (number {before.version}) that the keys in use "
                f"now (number {now.version} of {now.email}) do not follow",
            )

    def _own_entries(self, end: _End) -> list[dict[str, Any]]:
        """What the log has to say by itself before anything else is appended."""
        own: list[dict[str, Any]] = []
        if end.seq == 0 or end.rotated:
            document = self._identity.public.to_bytes().decode("ascii").strip()
            own.append({"event": "rotated" if end.rotated else "opened", "identity": document})
        if end.torn:
            digest = hashlib.sha256(end.torn).hexdigest()
            own.append({"event": "repaired", "cut_bytes": len(end.torn), "cut_digest": digest})
        return own

    def _write(self, descriptor: int, end: _End, entries: Sequence[Mapping[str, Any]]) -> str:
        """Put the entries at the end, over a torn line if there is one, and wait until they are on the disk.

        Over it, not after cutting it: so the note of the repair comes with the repair, or neither does.
        """
        seq, head, lines = end.seq, end.head, bytearray()
        for fields in entries:
            timed = {"time": round(self._clock(), 6), **fields}
            line, head = make_line(seq + 1, timed, self._random(16).hex(), head, self._identity.sign)
            seq += 1
            lines += line
        self._end = None
        place = end.size - len(end.torn)
        crash_points.point("audit.before-write")
        try:
            _write_at(descriptor, place, lines)
            crash_points.point("audit.written")
            if end.size > place + len(lines):
                os.ftruncate(descriptor, place + len(lines))
            _sync_data(descriptor)
        except BaseException:
            _write_at(descriptor, place, end.torn)
            os.ftruncate(descriptor, end.size)
            raise
        if place == 0:
            _sync_directory(self._path.parent)
        crash_points.point("audit.synced")
        status = os.fstat(descriptor)
        eids = end.eids
        eids.extend(fields.get("eid") for fields in entries)
        self._end = _End(status.st_ino, status.st_mtime_ns, status.st_size, seq, head, eids=eids)
        return head

    def _broken(self, seq: int, why: str) -> AuditError:
        return AuditError(
            f"Nothing can follow the last entry (number {seq}) of {self._path}: {why}.",
            hint="Type: syft-flwr audit verify. To begin a new log, move this file aside and keep it.",
        )


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Every complete entry of a log, oldest first; nothing if there is no file.

    Only the form of each entry is checked, not the chain nor the signatures: that is `audit_check.verify`.

    Raises
    ------
    AuditError
        If a line is no entry.
    """
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        number = 0
        while raw := stream.readline(MAX_LINE):
            number += 1
            if not raw.endswith(b"\n") and not stream.read(1):
                return
            try:
                yield parse_line(raw).entry
            except LineError as error:
                raise AuditError(
                    f"Entry {number} of {path} is broken: {error}.", hint="Type: syft-flwr audit verify"
                ) from error


def _read_back(descriptor: int, size: int, count: int) -> list[bytes]:
    """The last ``count`` lines (or all) of the first ``size`` bytes, newlines kept."""
    data, start = b"", size
    while start and data.count(b"\n") <= count:
        step = min(_BLOCK, start)
        start -= step
        os.lseek(descriptor, start, os.SEEK_SET)
        data = _read(descriptor, step) + data
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return ([*lines, last] if last else lines)[-count:]


def _read(descriptor: int, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := os.read(descriptor, count - len(data))):
        data += more
    return data


def _write_at(descriptor: int, place: int, data: bytes | bytearray) -> None:
    os.lseek(descriptor, place, os.SEEK_SET)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_data(descriptor: int) -> None:
    getattr(os, "fdatasync", os.fsync)(descriptor)


def _sync_directory(directory: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
