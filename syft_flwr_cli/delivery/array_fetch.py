"""The arrays of a request, brought from payload files into memory that the worker process can see.

Everything is checked on its way: what is too large is refused before room is made for it, and what is
not what the envelope promises is refused with a sentence and never handed on. Knows no Flower and does
not wait: a payload that is not there yet is for the caller to come back for.
"""

import os
from collections.abc import Callable
from typing import BinaryIO, Final

from syft_flwr_cli.delivery.participant import Participant
from syft_flwr_cli.delivery.payloads import payload_of
from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.sealing import open_payload, sealed_size
from syft_flwr_cli.storage.journal import Request

__all__ = ["bring_arrays"]

Refuse = Callable[[str, RefusedError], None]
"""Hears of a file (its path in the space of its owner) that is not taken, and why."""

MEASURED: Final = 1 << 30
"""Bytes of arrays from which on it is looked whether they have come before room is made for them."""


def bring_arrays(
    me: Participant, request: Request, body: Body, refuse: Refuse
) -> tuple[list[int], SharedBytes | None]:
    """The contents of the payloads of ``request``, one after the other, and where each begins.

    ``refuse`` is told of a file that is not taken, before the error about it is raised.

    Raises
    ------
    NotThereError
        If one is not there yet.
    RefusedError
        ``damaged``, if one is not what the envelope promises (the right one may still come); ``oversized``,
        if there will never be room for them here.
    """
    offsets, total = [], 0
    for ref in body.payloads:
        offsets.append(total)
        total += ref.size
    if not body.payloads:
        return offsets, None
    if total > MEASURED:
        _measure(me, request, body, refuse)
    shared = _room(me, request, total, refuse)
    try:
        for ref, offset in zip(body.payloads, offsets, strict=True):
            path = payload_of(request.sender, me.email, me.app, ref)
            with me.transport.open(request.sender, path) as stream:
                if _length(stream) == sealed_size(ref.size):
                    shared.populate(offset, ref.size)
                out = shared.view[offset : offset + ref.size]
                try:
                    open_payload(stream, ref.key, ref.size, ref.digest, out)
                except RefusedError as error:
                    refuse(path, error)
                    raise
                finally:
                    out.release()
    except BaseException:
        shared.close()
        raise
    return offsets, shared


def _measure(me: Participant, request: Request, body: Body, refuse: Refuse) -> None:
    for ref in body.payloads:
        path = payload_of(request.sender, me.email, me.app, ref)
        with me.transport.open(request.sender, path) as stream:
            there, wanted = _length(stream), sealed_size(ref.size)
        if there not in (wanted, None):
            what = f"The payload has {there} of the {wanted} bytes that are announced."
            refusal = RefusedError("damaged", what)
            refuse(path, refusal)
            raise refusal


def _length(stream: BinaryIO) -> int | None:
    """Bytes of a stream that is at its beginning; None where only reading tells."""
    if not stream.seekable():
        return None
    length = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    return length


def _room(me: Participant, request: Request, total: int, refuse: Refuse) -> SharedBytes:
    try:
        return SharedBytes.create(total)
    except (OSError, OverflowError, ValueError) as error:
        what = f"The request announces {total} bytes of arrays, for which there is no room here."
        refusal = RefusedError("oversized", what)
        refuse(names.request_path(request.sender, me.email, me.app, request.id), refusal)
        raise refusal from error
