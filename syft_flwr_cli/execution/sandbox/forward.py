"""Connections from inside a sandbox to one granted address outside: the only way out of its network.

The socket listens in the sandbox's network, and is accepted from here, outside of it; the name is resolved
here. Each connection is two threads that copy bytes until both directions have ended.
"""

import contextlib
import socket
import threading

__all__ = ["forward"]

_CONNECT_TIMEOUT = 30.0
_MOST = 64


def forward(server: socket.socket, host: str, port: int) -> None:
    """Accept connections on ``server`` and join each with one to the address, at most 64 at a time."""
    room = threading.BoundedSemaphore(_MOST)
    threading.Thread(target=_accept, args=(server, (host, port), room), daemon=True).start()


def _accept(server: socket.socket, address: tuple[str, int], room: threading.BoundedSemaphore) -> None:
    while True:
        room.acquire()
        try:
            inside, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(inside, address, room), daemon=True).start()


def _join(inside: socket.socket, address: tuple[str, int], room: threading.BoundedSemaphore) -> None:
    try:
        with inside, contextlib.suppress(OSError):
            with socket.create_connection(address, _CONNECT_TIMEOUT) as outside:
                outside.settimeout(None)
                back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
                back.start()
                _copy(inside, outside)
                back.join()
    finally:
        room.release()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
