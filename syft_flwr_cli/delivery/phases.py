"""Where a run stands at the aggregator: which phase it is in, and for whom it waits.

A phase is what a ServerApp sends with the same type, group and round. Nothing here is stored; a process that is started
again counts anew.
"""

import time
from collections.abc import Sequence
from typing import Any

from syft_flwr_cli.delivery.replay import OutgoingRequest
from syft_flwr_cli.events import Emit, StillWaiting
from syft_flwr_cli.storage.journal import RequestRow

__all__ = ["PhaseCounter", "WaitingNotice"]

PAUSES = (30.0, 3600.0)
"""Seconds of waiting until it is said for whom: at first, and at most."""


class PhaseCounter:
    """Counts the phases of a run: one is what has the same type, group and round."""

    def __init__(self) -> None:
        self._generation = 0
        self._phase: tuple[Any, ...] = ()

    def advance(self, requests: Sequence[OutgoingRequest]) -> tuple[int, bool]:
        """The phase that these belong to, and whether it has just begun."""
        if not requests:
            return self._generation, False
        body = requests[0].body
        phase = (body.type, body.group, body.round)
        if phase == self._phase:
            return self._generation, False
        self._phase = phase
        self._generation += 1
        return self._generation, True


class WaitingNotice:
    """Says for whom is waited, after longer and longer pauses."""

    def __init__(self) -> None:
        self._pause = PAUSES[0]
        self._said = time.monotonic()
        self._deadline: float | None = None

    def ends(self, deadline: float | None) -> None:
        """Note until when (of `time.monotonic`) the call that waits will wait; None is without limit."""
        self._deadline = deadline

    def broken(self, rows: Sequence[RequestRow], emit: Emit) -> float:
        """Say it if it is time to; seconds until the next time."""
        now = time.monotonic()
        if not rows:
            self._pause, self._said = PAUSES[0], now
            return self._pause
        if now >= self._said + self._pause:
            peers = tuple(sorted({row.recipient for row in rows}))
            since, wall = min(row.created for row in rows), time.time()
            until = None if self._deadline is None else wall + max(0.0, self._deadline - now)
            emit(StillWaiting(peers, since, max(0.0, wall - since), until))
            self._pause, self._said = min(PAUSES[1], 4 * self._pause), now
        return max(0.1, self._said + self._pause - now)
