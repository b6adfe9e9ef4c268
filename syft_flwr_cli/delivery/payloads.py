"""Payload files: which byte strings leave the envelope, written once per content, read back checked.

A byte string larger than the inline limit becomes a payload of its own; smaller ones stay in the body
while they are few, and are bundled into payloads where together they are many. A content that was
written before in the same run for the same readers is named again, not written again. Each payload is
journaled with its id and key before it is written, so a crash leaves no file that nobody knows of.
"""

import secrets
import threading
import uuid
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from syft_flwr_cli.delivery.participant import Participant
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import PayloadRef, Slot
from syft_flwr_cli.security.sealing import SealedPayload, content_digest, open_payload
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import PayloadRow
from syft_flwr_cli.storage.paths import make_private_dir
from syft_flwr_cli.transports.base import Buffer

__all__ = ["Digests", "Layout", "PayloadWriter", "fetch_payload", "payload_of", "plan_payloads"]

INLINE_TOTAL = 64 << 10
BUNDLE = 4 << 20
WRITERS = 4
THERE, WRITING = "there", "writing"
EVERYBODY = "all"


@dataclass(slots=True)
class Layout:
    """Where each byte string goes: groups of buffers that become payloads, their digests, and the inline rest."""

    slots: list[Slot] = field(default_factory=list)
    groups: list[list[Buffer]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    inline: bytes = b""


def plan_payloads(
    places: Sequence[tuple[str | int, ...]],
    blobs: Sequence[Buffer],
    inline_limit: int,
    digests: "Digests",
    one_file: int = 0,
) -> Layout:
    """Decide where each byte string goes. Equal contents of one message are copies in one payload.

    Parameters
    ----------
    places, blobs : sequences of equal length
        As `codec.Packed` has them.
    inline_limit : int
        Bytes from which a byte string is a payload of its own.
    digests : Digests
        What is known of the contents of ``blobs``.
    one_file : int
        If all of them together are no more bytes than this, all stay inline.
    """
    layout = Layout()
    if sum(len(blob) for blob in blobs) <= one_file:
        inline_limit = one_file
    small = [len(blob) for blob in blobs if len(blob) <= inline_limit]
    bundled = sum(small) > max(one_file, min(INLINE_TOTAL, inline_limit))
    inline: list[Buffer] = []
    end = room = 0
    bundle = -1
    for place, blob in zip(places, blobs, strict=True):
        size = len(blob)
        if size > inline_limit:
            layout.slots.append(Slot(place, len(layout.groups), 0, size))
            layout.groups.append([blob])
        elif bundled:
            if bundle < 0 or room + size > BUNDLE:
                bundle, room = len(layout.groups), 0
                layout.groups.append([])
            layout.slots.append(Slot(place, bundle, room, size))
            layout.groups[bundle].append(blob)
            room += size
        else:
            layout.slots.append(Slot(place, -1, end, size))
            inline.append(blob)
            end += size
    layout.inline = b"".join(inline)
    return _merge_equal(layout, digests)


def _merge_equal(layout: Layout, digests: "Digests") -> Layout:
    """Make one payload of groups with equal contents: a reader refuses a message that names a payload twice."""
    found = [digests.of_group(group) for group in layout.groups]
    if len(set(found)) == len(found):
        return replace(layout, digests=found)
    merged: dict[bytes, list[Buffer]] = {}
    order: dict[bytes, int] = {}
    moved: list[tuple[int, int]] = []
    for digest, group in zip(found, layout.groups, strict=True):
        copies = merged.setdefault(digest, [])
        moved.append((order.setdefault(digest, len(order)), sum(len(buffer) for buffer in copies)))
        copies.extend(group)
    slots = [
        slot
        if slot.payload < 0
        else Slot(slot.at, moved[slot.payload][0], moved[slot.payload][1] + slot.offset, slot.size)
        for slot in layout.slots
    ]
    groups = list(merged.values())
    return Layout(slots, groups, [digests.of_group(group) for group in groups], layout.inline)


class PayloadWriter:
    """Writes the payloads of one run, each content once.

    Parameters
    ----------
    me : Participant
        Whose space they lie in.
    run : str
        The run.
    recipient : str
        The one reader (the payload lies beside its envelope), or ``all``.
    readers : collection of str
        Who may read the files.
    """

    def __init__(self, me: Participant, run: str, recipient: str, readers: Collection[str]) -> None:
        self._me = me
        self._run = run
        self._recipient = recipient
        self._readers = tuple(readers)
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
        if not groups:
            return []
        contents = dict(zip(digests, groups, strict=True))
        # One at a time: of several threads that push the same model the first writes it.
        with self._guard:
            before = {digest: self._row(digest) for digest in contents}
            rows = {
                digest: row if row is not None else self._new_row(contents[digest], digest, generation)
                for digest, row in before.items()
            }
            missing = [row for row in rows.values() if row.state != THERE]
            self._me.journal.put_payloads([row for row in missing if before[row.digest] is None])
            self._write([(row, contents[row.digest]) for row in missing])
            used = {d: replace(row, state=THERE, used=generation) for d, row in rows.items()}
            self._me.journal.put_payloads([row for d, row in used.items() if row != before[d]])
        scope = "all" if self._recipient == EVERYBODY else "direct"
        return [PayloadRef(used[d].id, scope, used[d].key, used[d].size, used[d].digest) for d in digests]

    def _write(self, missing: Sequence[tuple[PayloadRow, Sequence[Buffer]]]) -> None:
        def write(item: tuple[PayloadRow, Sequence[Buffer]]) -> None:
            row, buffers = item
            crash_points.point("payload.before-write")
            self._me.publish(row.path, SealedPayload(row.key, buffers), self._readers)
            crash_points.point("payload.after-write")

        if len(missing) == 1:
            write(missing[0])
        elif missing:
            # Sealing one overlaps with the disk's work on another.
            with ThreadPoolExecutor(min(WRITERS, len(missing)), "syft-flwr-payload") as pool:
                list(pool.map(write, missing))

    def _row(self, digest: bytes) -> PayloadRow | None:
        return self._me.journal.payload(self._run, digest, self._recipient)

    def _new_row(self, buffers: Sequence[Buffer], digest: bytes, generation: int) -> PayloadRow:
        me, identifier = self._me, str(uuid.uuid4())
        if self._recipient == EVERYBODY:
            path = names.payload_path(me.email, me.app, identifier)
        else:
            path = names.direct_payload_path(me.email, self._recipient, me.app, identifier)
        size = sum(len(buffer) for buffer in buffers)
        key = secrets.token_bytes(32)
        return PayloadRow(
            self._run, digest, self._recipient, identifier, key, size, path, WRITING, generation
        )

    def sweep(self, keep: Collection[str], before: int) -> int:
        """Remove the payloads last used before generation ``before`` that are not in ``keep``; how many."""
        old = [
            row
            for row in self._me.journal.payloads(self._run)
            if row.recipient == self._recipient and row.used < before and row.id not in keep
        ]
        remove_payloads(self._me, old)
        return len(old)


def remove_payloads(me: Participant, rows: Sequence[PayloadRow]) -> None:
    """Remove payload files of ours, and forget them.

    That they are no longer there is noted first: after a crash in between, nobody is referred to a file
    that is gone.
    """
    if not rows:
        return
    me.journal.put_payloads([replace(row, state=WRITING) for row in rows])
    for row in rows:
        crash_points.point("payload.before-remove")
        me.remove(row.path)
    me.journal.drop_payloads([row.id for row in rows])


def payload_of(owner: str, recipient: str, app: str, ref: PayloadRef) -> str:
    """Where ``owner`` has put a payload for ``recipient``."""
    if ref.scope == "all":
        return names.payload_path(owner, app, ref.id)
    return names.direct_payload_path(owner, recipient, app, ref.id)


def fetch_payload(me: Participant, owner: str, ref: PayloadRef, destination: Path) -> None:
    """Bring a peer's payload into our own store, checked, still sealed.

    Raises
    ------
    NotThereError
        If it is not there yet.
    RefusedError
        If what is there is not what the envelope promises.
    """
    if not destination.exists():
        make_private_dir(destination.parent)
        me.transport.fetch(owner, payload_of(owner, me.email, me.app, ref), destination)
    try:
        with destination.open("rb") as stream:
            open_payload(stream, ref.key, ref.size, ref.digest, None)
    except Exception:
        destination.unlink(missing_ok=True)
        raise


class Digests:
    """BLAKE3 of byte strings, each hashed once for as long as this object lives.

    The same model goes to N data owners as the same object in memory; it is held here so that its
    address cannot come to mean another.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Buffer, bytes]] = {}

    def of(self, blob: Buffer) -> bytes:
        """The digest of one byte string."""
        found = self._known.get(id(blob))
        if found is None or found[0] is not blob:
            found = self._known[id(blob)] = (blob, content_digest([blob]))
        return found[1]

    def of_group(self, group: Sequence[Buffer]) -> bytes:
        """The digest of the concatenation of a group."""
        return self.of(group[0]) if len(group) == 1 else content_digest(group)
