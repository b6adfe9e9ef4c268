"""Payload files of ours: written once per content, put back where they are lost, removed when nobody needs them.

A content that was written before in the same run for the same readers is named again, not written again. Each
payload is journaled with its id and key before it is written, so a crash leaves no file that nobody knows of. No
lock is held while a store is waited for: of several threads that push the same model the first writes it, and
the others wait for it.
"""

import secrets
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import PayloadRef
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.sealing import SealedPayload, open_payload, sealed_size
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Journal, PayloadRow
from syft_flwr_cli.storage.paths import make_private_dir
from syft_flwr_cli.transports.base import Buffer, Transport

__all__ = ["EVERYBODY", "THERE", "OwnPayloads", "PayloadWriter"]

WRITERS = 4
THERE, WRITING = "there", "writing"
EVERYBODY = "all"

_CHUNK = 1 << 20

CHEAP: Final = 0.01
"""A store whose listing costs fewer seconds than this lets a copy of one's own file be made by a link."""


class OwnPayloads:
    """The payload files of one participant in one app.

    Parameters
    ----------
    email : str
        Whose.
    journal : Journal
        Knows each of them.
    transport : Transport
        Where they lie.
    copies : Path
        A private directory for links to those that must be there: what a store loses is put back from here.
    """

    def __init__(self, email: str, journal: Journal, transport: Transport, copies: Path) -> None:
        self._email = email
        self._journal = journal
        self._transport = transport
        self._copies = copies
        self._links = transport.properties.listing_cost < CHEAP

    def write(self, row: PayloadRow, buffers: Sequence[Buffer], readers: Collection[str]) -> None:
        """Write a payload, and keep a copy of it where that costs next to nothing."""
        crash_points.point("payload.before-write")
        self._transport.publish(row.path, SealedPayload(row.key, buffers), readers)
        crash_points.point("payload.after-write")
        if self._links:
            make_private_dir(self._copies)
            with suppress(TransportError):  # without a copy it cannot be put back, and all else goes on
                self._transport.fetch(self._email, row.path, self._copy_of(row.id))

    def restore(self, row: PayloadRow, readers: Collection[str]) -> bool:
        """Write a payload again that is gone from the store, or is not what it was; False if there is no copy."""
        copy = self._copy_of(row.id)
        try:
            with copy.open("rb") as stream:
                open_payload(stream, row.key, row.size, row.digest, None)
        except (FileNotFoundError, RefusedError):
            return False
        self._transport.publish(row.path, _FileContent(copy, sealed_size(row.size)), readers)
        return True

    def remove(self, rows: Sequence[PayloadRow]) -> None:
        """Remove payload files, and forget them.

        That they are no longer there is noted first: after a crash in between, nobody is referred to a file
        that is gone.
        """
        if not rows:
            return
        self._journal.put_payloads([replace(row, state=WRITING) for row in rows])
        for row in rows:
            crash_points.point("payload.before-remove")
            self._transport.remove(row.path)
            self._copy_of(row.id).unlink(missing_ok=True)
        self._journal.drop_payloads([row.id for row in rows])

    def _copy_of(self, payload: str) -> Path:
        return self._copies / f"{payload}.payload"


class PayloadWriter:
    """Writes the payloads of one run, each content once. Thread-safe.

    Parameters
    ----------
    email, app, run : str
        Whose space they lie in, in which app, and of which run they are.
    recipient : str
        The one reader (the payload lies beside its envelope), or ``all``.
    readers : collection of str
        Who may read the files.
    journal : Journal
        Where each is noted before it is written.
    files : OwnPayloads
        The files.
    """

    def __init__(
        self,
        email: str,
        app: str,
        run: str,
        recipient: str,
        readers: Collection[str],
        journal: Journal,
        files: OwnPayloads,
    ) -> None:
        self._email = email
        self._app = app
        self._run = run
        self._journal = journal
        self._files = files
        self._recipient = recipient
        self.readers = tuple(readers)
        self._busy: dict[bytes, Future[None]] = {}
        self._guard = threading.Lock()

    def ensure(
        self, groups: Sequence[Sequence[Buffer]], digests: Sequence[bytes], generation: int = 0
    ) -> list[PayloadRef]:
        """Have these contents written, now or before; how the envelope refers to each.

        Parameters
        ----------
        groups : sequence of sequences of bytes-like
            Each group's concatenation is one content.
        digests : sequence of bytes
            The BLAKE3 of each content.
        generation : int
            The phase of the run in which they are used, for `sweep`.
        """
        contents = dict(zip(digests, groups, strict=True))
        rows: dict[bytes, PayloadRow] = {}
        while missing := [digest for digest in contents if digest not in rows]:
            mine, others = self._claim(missing)
            try:
                rows |= self._ensure({digest: contents[digest] for digest in mine}, generation)
            finally:
                self._release(mine)
            for other in others:
                other.result()
        scope = "all" if self._recipient == EVERYBODY else "direct"
        return [PayloadRef(rows[d].id, scope, rows[d].key, rows[d].size, rows[d].digest) for d in digests]

    def sweep(self, keep: Collection[str], before: int) -> int:
        """Remove the payloads last used before generation ``before`` that are not in ``keep``; how many."""
        found = {
            row.digest: row
            for row in self._journal.payloads(self._run)
            if row.recipient == self._recipient and row.used < before and row.id not in keep
        }
        mine, _ = self._claim(found)
        try:
            # Once claimed they are looked at again: one may have been used meanwhile.
            old = [row for digest in mine if (row := self._row(digest)) is not None and row.used < before]
            self._files.remove(old)
        finally:
            self._release(mine)
        return len(old)

    def rows(self) -> list[PayloadRow]:
        """The payloads of this run that are written, for these readers."""
        rows = self._journal.payloads(self._run)
        return [row for row in rows if row.recipient == self._recipient and row.state == THERE]

    def restore(self, rows: Iterable[PayloadRow]) -> list[PayloadRow]:
        """Write payloads again that the store has lost; those that could be."""
        return [row for row in rows if self._files.restore(row, self.readers)]

    def _claim(self, digests: Iterable[bytes]) -> tuple[list[bytes], list[Future[None]]]:
        """Those that are now this thread's to work on, and who works on the others."""
        mine, others = [], []
        with self._guard:
            for digest in digests:
                if digest in self._busy:
                    others.append(self._busy[digest])
                else:
                    self._busy[digest] = Future()
                    mine.append(digest)
        return mine, others

    def _release(self, digests: Iterable[bytes]) -> None:
        with self._guard:
            done = [self._busy.pop(digest) for digest in digests]
        for future in done:
            future.set_result(None)

    def _ensure(self, contents: dict[bytes, Sequence[Buffer]], generation: int) -> dict[bytes, PayloadRow]:
        before = {digest: self._row(digest) for digest in contents}
        rows = {
            digest: row if row is not None else self._new_row(contents[digest], digest, generation)
            for digest, row in before.items()
        }
        missing = [row for row in rows.values() if row.state != THERE]
        self._journal.put_payloads([row for row in missing if before[row.digest] is None])
        self._write([(row, contents[row.digest]) for row in missing])
        used = {digest: replace(row, state=THERE, used=generation) for digest, row in rows.items()}
        self._journal.put_payloads([row for digest, row in used.items() if row != before[digest]])
        return used

    def _write(self, missing: Sequence[tuple[PayloadRow, Sequence[Buffer]]]) -> None:
        def write(item: tuple[PayloadRow, Sequence[Buffer]]) -> None:
            self._files.write(*item, self.readers)

        if len(missing) == 1:
            write(missing[0])
        elif missing:
            # Sealing one overlaps with the disk's work on another.
            with ThreadPoolExecutor(min(WRITERS, len(missing)), "syft-flwr-payload") as pool:
                list(pool.map(write, missing))

    def _row(self, digest: bytes) -> PayloadRow | None:
        return self._journal.payload(self._run, digest, self._recipient)

    def _new_row(self, buffers: Sequence[Buffer], digest: bytes, generation: int) -> PayloadRow:
        identifier = str(uuid.uuid4())
        if self._recipient == EVERYBODY:
            path = names.payload_path(self._email, self._app, identifier)
        else:
            path = names.direct_payload_path(self._email, self._recipient, self._app, identifier)
        size = sum(len(buffer) for buffer in buffers)
        key = secrets.token_bytes(32)
        return PayloadRow(
            self._run, digest, self._recipient, identifier, key, size, path, WRITING, generation
        )


@dataclass(frozen=True, slots=True)
class _FileContent:
    """A file as the content of another."""

    path: Path
    size: int

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
