"""How the node and its worker process talk: frames over a Unix socket, large contents in shared memory.

A frame is a JSON head with the lengths of the byte strings that follow it, and at most one descriptor of
shared bytes. Both ends check every length. Standard library only: the worker may run in an environment
where nothing of ours is installed.
"""

import json
import socket
import struct
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.protocol.strict_json import loads

__all__ = ["Closed", "Frame", "receive", "send"]

MAX_HEAD = 64 << 20
MAX_PART = 1 << 40
_LENGTH = struct.Struct(">I")


class Closed(Exception):
    """The other end is gone."""


@dataclass(slots=True)
class Frame:
    """One message: a head of plain values, byte strings, and shared bytes."""

    head: dict[str, Any]
    parts: list[bytes]
    shared: SharedBytes | None = None


def send(channel: socket.socket, frame: Frame) -> None:
    """Send a frame; raises `Closed` if nobody is there."""
    head = {
        **frame.head,
        "parts": [len(part) for part in frame.parts],
        "shared": None if frame.shared is None else frame.shared.size,
    }
    text = json.dumps(head).encode()
    try:
        descriptors = [] if frame.shared is None else [frame.shared.descriptor]
        socket.send_fds(channel, [_LENGTH.pack(len(text))], descriptors)
        channel.sendall(text)
        for part in frame.parts:
            channel.sendall(part)
    except OSError as error:
        raise Closed(str(error)) from error


def receive(channel: socket.socket) -> Frame:
    """Wait for a frame; raises `Closed` when the other end is gone, ValueError if it makes no sense."""
    try:
        first, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, 1)
    except OSError as error:
        raise Closed(str(error)) from error
    if not first:
        raise Closed("the other end is gone")
    first += _exactly(channel, _LENGTH.size - len(first))
    (length,) = _LENGTH.unpack(first)
    if length > MAX_HEAD:
        raise ValueError("a frame's head is too long")
    head = loads(_exactly(channel, length))
    sizes = head.pop("parts")
    shared_size = head.pop("shared")
    if not all(isinstance(size, int) and 0 <= size <= MAX_PART for size in sizes):
        raise ValueError("a frame's part has no proper length")
    shared = None
    if descriptors:
        if not isinstance(shared_size, int) or not 0 <= shared_size <= MAX_PART:
            raise ValueError("a frame's shared bytes have no proper length")
        shared = SharedBytes(descriptors[0], shared_size)
    return Frame(head, [_exactly(channel, size) for size in sizes], shared)


def _exactly(channel: socket.socket, size: int) -> bytes:
    if size == 0:
        return b""
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        try:
            count = channel.recv_into(view[done:])
        except OSError as error:
            raise Closed(str(error)) from error
        if count == 0:
            raise Closed("the other end is gone")
        done += count
    return bytes(buffer)
