"""The way from the journal to the audit log: what happened is handed over in batches, in order, once.

The journal holds what the log must hear in the transaction of its effect; `AuditFeed` passes it on when there
is time, and at the latest when a head is needed that vouches for it. Thread-safe.
"""

import math
import threading
import time

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.transports.base import Transport

__all__ = ["AuditFeed"]

MOMENT, LATEST = 0.05, 1.0
"""Seconds; see `AuditFeed.wait_for_change`."""


class AuditFeed:
    """From one app's journal to the person's audit log.

    Parameters
    ----------
    app : str
        The app that entries are of.
    journal : Journal
        What holds them until they are handed over.
    log : AuditLog
        What hears them.
    """

    def __init__(self, app: str, journal: Journal, log: AuditLog) -> None:
        self._app = app
        self._journal = journal
        self._log = log
        self._head = ""
        self._flushed = -math.inf
        self._lock = threading.Lock()

    def flush(self) -> str:
        """Hand over what waits; the log's head (hex)."""
        with self._lock:
            while pending := self._journal.audit_pending():
                self._head = self._log.append([{"app": self._app, **entry} for _, entry in pending])
                self._journal.audit_heard(pending[-1][0])
            return self.head()

    def head(self) -> str:
        """The newest entry of the audit log that this process knows of (hex)."""
        if not self._head:
            self._head = self._log.head()
        return self._head

    def wait_for_change(
        self, transport: Transport, token: int, timeout: float, *, busy: bool = False
    ) -> None:
        """Wait until ``transport`` has something new, at most ``timeout`` seconds; flush first.

        ``busy`` says that more is about to happen, which the log can hear of together with this: it hears of it
        when nothing comes for a moment, and once a second otherwise.
        """
        if self._journal.audit_waits():
            if busy and time.monotonic() < self._flushed + LATEST:
                if transport.wait(token, min(MOMENT, timeout)) != token:
                    return
                timeout = max(0.0, timeout - MOMENT)
            self._flushed = time.monotonic()
            self.flush()
        transport.wait(token, timeout)
