"""The arrays of a request, brought from payload files into memory that the worker process can see.

Everything is checked on its way: what is too large is refused before room is made for it, sizes are compared
before memory is taken, memory is taken as what fills it proves genuine, and what is not what the envelope promises
is refused with a sentence and never handed on. Knows no Flower and does not wait: a payload that is not there yet
is for the caller to come back for.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import BinaryIO, Final

from syft_flwr_cli.delivery.budget import available_memory
from syft_flwr_cli.delivery.payload_fetch import check_length, payload_of
from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, PayloadRef
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.sealing import open_payload
from syft_flwr_cli.storage.journal import Request
from syft_flwr_cli.transports.base import Transport

__all__ = ["bring_arrays"]

Refuse = Callable[[str, RefusedError], None]
"""Hears of a file (its path in the space of its owner) that is not taken, and why."""

AT_ONCE: Final = 64 << 20
"""Bytes of memory that are taken at once, before what belongs there has proved to be genuine."""


def bring_arrays(
    transport: Transport,
    email: str,
    app: str,
    request: Request,
    body: Body,
    refuse: Refuse,
    memory: Callable[[], int] = available_memory,
) -> tuple[list[int], SharedBytes | None]:
    """The contents of the payloads of ``request`` to ``email``, one after the other, and where each begins.

    ``refuse`` is told of a file that is not taken, before the error about it is raised; ``memory`` says how
    many bytes there may be in all.

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
    paths = [payload_of(request.sender, email, app, ref) for ref in body.payloads]
    with ExitStack() as opened:
        # Opening may mean a download, so the only payload of a request is opened once. Of several, which may be many,
        # none is read before all have been seen to be there in their size.
        only = opened.enter_context(transport.open(request.sender, paths[0])) if len(paths) == 1 else None

        def stream_of(path: str) -> AbstractContextManager[BinaryIO]:
            return transport.open(request.sender, path) if only is None else nullcontext(only)

        for ref, path in zip(body.payloads, paths, strict=True):
            with stream_of(path) as stream:
                _checked(lambda stream=stream, ref=ref: check_length(stream, ref), path, refuse)  # type: ignore[misc]
        shared = _room(total, memory, names.request_path(request.sender, email, app, request.id), refuse)
        try:
            for ref, offset, path in zip(body.payloads, offsets, paths, strict=True):
                with stream_of(path) as stream:
                    _checked(
                        lambda stream=stream, ref=ref, offset=offset: _fill(stream, ref, shared, offset),  # type: ignore[misc]
                        path,
                        refuse,
                    )
        except BaseException:
            shared.close()
            raise
    return offsets, shared


def _checked(action: Callable[[], None], path: str, refuse: Refuse) -> None:
    try:
        action()
    except RefusedError as error:
        refuse(path, error)
        raise


def _fill(stream: BinaryIO, ref: PayloadRef, shared: SharedBytes, offset: int) -> None:
    check_length(stream, ref)
    taken = 0

    def take(end: int) -> None:
        nonlocal taken
        if end > taken:
            size = min(AT_ONCE, ref.size - taken)
            shared.populate(offset + taken, size)
            taken += size

    out = shared.view[offset : offset + ref.size]
    try:
        open_payload(stream, ref.key, ref.size, ref.digest, out, before_chunk=take)
    finally:
        out.release()


def _room(total: int, memory: Callable[[], int], path: str, refuse: Refuse) -> SharedBytes:
    try:
        if total > memory():
            raise OverflowError
        return SharedBytes.create(total)
    except (OSError, OverflowError, ValueError) as error:
        what = f"The request announces {total} bytes of arrays, for which there is no room here."
        refusal = RefusedError("oversized", what)
        refuse(path, refusal)
        raise refusal from error
