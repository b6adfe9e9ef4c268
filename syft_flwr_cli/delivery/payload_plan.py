"""Which byte strings leave the envelope: a plan of payloads for one message, in bounded groups.

A byte string larger than the inline limit becomes a payload of its own; smaller ones stay in the body while they
are few, and are bundled into payloads where together they are many. Equal contents of one message are copies in
one payload, because a reader refuses a message that names a payload twice. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from syft_flwr_cli.protocol.body import Slot
from syft_flwr_cli.security.sealing import content_digest
from syft_flwr_cli.transports.base import Buffer

__all__ = ["Digests", "Layout", "plan_payloads"]

INLINE_TOTAL = 64 << 10
BUNDLE = 4 << 20


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
    digests: Digests,
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


def _merge_equal(layout: Layout, digests: Digests) -> Layout:
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
