"""HTTP connections, bounded: no more than so many at once, and none that is kept open without a request.

uvicorn's own limit answers further requests with 503 but keeps every connection, and waits for the first request
for ever; a TLS handshake that is never finished is waited for, too. Connections that say nothing could take all file
descriptors of the process. So they are counted where they are accepted: one that has sent no whole request in time is
ended, and where there are too many, the oldest of those that have sent none makes room for the newest.
"""

import asyncio
import socket
import weakref
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BACKLOG", "MAX_CONNECTIONS", "SILENCE", "BoundedHttp", "BoundedListener"]

MAX_CONNECTIONS = 256
"""Connections at the same time."""

BACKLOG = 64
"""Connections that are accepted before those are looked at that are there."""

SILENCE = 5.0
"""Seconds within which the TLS handshake and the head of the first request have to be there."""


class BoundedListener(socket.socket):
    """A listening socket whose connections are bounded; to be used within one event loop.

    Parameters
    ----------
    family : int
        ``AF_INET`` or ``AF_INET6``.
    """

    def __init__(self, family: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._silent: dict[int, weakref.ref[socket.socket]] = {}

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; the oldest that has said nothing is ended where there are too many.

        Raises
        ------
        ConnectionAbortedError
            If there is no room for it.
        """
        connection, address = super().accept()
        if sum(one.fileno() >= 0 for one in self._open) >= MAX_CONNECTIONS:
            oldest = next(iter(self._silent), None)
            if oldest is None:
                connection.close()
                raise ConnectionAbortedError("too many connections")
            self._end(oldest, self._silent[oldest])
        number, held = connection.fileno(), weakref.ref(connection)
        self._open.add(connection)
        self._silent[number] = held
        asyncio.get_running_loop().call_later(SILENCE, self._end, number, held)
        return connection, address

    def heard(self, number: int) -> None:
        """Note that the connection with this descriptor has sent a request."""
        self._silent.pop(number, None)

    def _end(self, number: int, held: "weakref.ref[socket.socket]") -> None:
        if self._silent.get(number) is not held:
            return
        del self._silent[number]
        connection = held()
        if connection is not None and connection.fileno() == number:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the peer has been quicker


class BoundedHttp(H11Protocol):
    """One connection; it tells its listener of the first request."""

    listener: BoundedListener

    @classmethod
    def of(cls, listener: BoundedListener) -> "type[BoundedHttp]":
        """The protocol for the connections of a listener."""
        return type("BoundedHttp", (cls,), {"listener": listener})

    def data_received(self, data: bytes) -> None:
        """See `H11Protocol`; a first request is noted."""
        super().data_received(data)
        if getattr(self, "cycle", None) is not None and not self.transport.is_closing():
            self.listener.heard(self.transport.get_extra_info("socket").fileno())
