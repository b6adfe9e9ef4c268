"""HTTP connections, bounded: no more than so many at once, and none that is kept open without a request.

uvicorn's own limit answers further requests with 503 but keeps every connection, and waits for the first request
for ever; connections that say nothing could take all file descriptors of the process.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["MAX_CONNECTIONS", "SILENCE", "BoundedHttp"]

MAX_CONNECTIONS = 256
"""Connections at the same time; more are closed at once."""

SILENCE = 5.0
"""Seconds within which the head of the first request has to be there; with TLS, from the end of its handshake."""


class BoundedHttp(H11Protocol):
    """One connection; see the module's first paragraph."""

    def connection_made(self, transport: Any) -> None:
        """Close it at once if there are too many, later if nothing comes."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        asyncio.get_running_loop().call_later(SILENCE, self._end_silence, transport)

    def _end_silence(self, transport: Any) -> None:
        if getattr(self, "cycle", None) is None and not transport.is_closing():
            transport.abort()
