"""Signs of life: a running node rewrites its presence document from time to time, once for all apps on a store.

At most every 5 minutes, every 15 where writing has a price. A store that fails is no matter: the next time is soon.
"""

import threading
import time
from collections.abc import Callable

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.events import Emit, StoreFailed
from syft_flwr_cli.security.presence import PRESENCE_PATH, make_presence
from syft_flwr_cli.session.session import Session, participants_of
from syft_flwr_cli.transports.base import BytesContent

__all__ = ["Presence"]

EVERY, EVERY_WHERE_WRITES_COST = 300.0, 900.0


class Presence:
    """Keeps the presence documents of a node, one on each store."""

    def __init__(self, emit: Emit, clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def keeper(self, session: Session) -> Callable[[], None]:
        """What an app's node calls now and then: it publishes the document through ``session`` when it is time."""
        settings = session.settings
        store = f"{settings.transport} {sorted((k, str(v)) for k, v in settings.transport_options.items())}"
        readers = [who for who in participants_of(settings) if who != settings.email]

        def keep() -> None:
            now = self._clock()
            with self._lock:
                if now < self._next.get(store, 0.0):
                    return
                every = EVERY_WHERE_WRITES_COST if session.meter.cost().calls else EVERY
                self._next[store] = now + every
            document = make_presence(session.channel.account.identity, session.channel.clock())
            try:
                session.channel.transport.publish(PRESENCE_PATH, BytesContent(document), readers)
            except TransportError as error:
                self._emit(StoreFailed(error.what, error.hint))

        return keep
