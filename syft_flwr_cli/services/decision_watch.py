"""The service's eye on decisions: while runs wait for them, offers that wait go out and decisions are taken in.

One thread for all projects, with a view of the store of its own. It decides nothing; whoever wants to know what has
been decided reads the records. A store that fails is looked at again.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.services.federation import Federation

__all__ = ["DecisionWatch"]

WAIT = 60.0
"""Seconds between two looks where the store raises no events."""

AGAIN = 5.0

_log = logging.getLogger("syft_flwr.service")


class DecisionWatch:
    """See the module's first paragraph.

    Parameters
    ----------
    open_federation : callable
        Opens the aggregator's part in the exchange of records.
    awaited : callable
        By app, the data owners of whom a decision is awaited.
    ask : callable
        Brings what data owners are asked up to date, before it is sent.
    changed : callable
        Is called after every look.
    """

    def __init__(
        self,
        open_federation: Callable[[], Federation],
        awaited: Callable[[], Mapping[str, Sequence[str]]],
        ask: Callable[[Federation], None],
        changed: Callable[[], None],
    ) -> None:
        self._open, self._awaited, self._ask, self._changed = open_federation, awaited, ask, changed
        self._federation: Federation | None = None
        self._wanted = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="syft-flwr-decisions", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._wanted.set()
        self._thread.start()

    def look(self) -> None:
        """Look now, and on for as long as something is awaited."""
        self._wanted.set()
        if (federation := self._federation) is not None:
            federation.session.channel.transport.wake()

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self._wanted.set()
        if (federation := self._federation) is not None:
            federation.session.channel.transport.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        try:
            while True:
                # Other processes put runs into the queue, too: `syft-flwr submit`.
                called = self._wanted.wait(AGAIN)
                self._wanted.clear()
                if self._closing:
                    return
                try:
                    if not called and not self._awaited():
                        continue
                    self._watch()
                except SyftFlwrError as error:
                    _log.error("Decisions cannot be looked at: %s %s", error.what, error.hint)
                    self._let_go()
                    if not self._wanted.wait(AGAIN):
                        self._wanted.set()
        finally:
            self._let_go()

    def _watch(self) -> None:
        """Look once, and on until nothing is awaited any more."""
        while not self._closing:
            awaited = self._awaited()
            if self._federation is None:
                self._federation = self._open()
            federation = self._federation
            token = federation.token()
            self._ask(federation)
            federation.mailbox.post()
            peers = sorted({email for owners in awaited.values() for email in owners})
            federation.mailbox.collect(peers, ("decision", "leave"))
            self._changed()
            if not self._awaited():
                return
            if not self._closing:
                federation.wait(token, WAIT)

    def _let_go(self) -> None:
        if self._federation is not None:
            self._federation.close()
            self._federation = None
