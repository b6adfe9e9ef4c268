"""Withdrawal: messages of ours that are proven delivered leave the store while the run goes on, but for the newest.

However long a run is, the store then holds a bounded number of its messages. What is delivered is removed in
batches, each after the store has taken the new messages, so that nobody waits for it. A removal that fails is
tried again with the next batch; a process that dies leaves files that the next one finds by a listing. It does not
know what makes a message delivered, nor what a message is.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

__all__ = ["KEPT", "Withdrawal"]

KEPT: Final = 8
"""How many of the newest delivered messages to each peer stay."""


def _nothing(ids: Sequence[str]) -> None:
    """Nothing has to be noted."""


class Withdrawal:
    """The delivered messages to one peer that still lie in the store. Used from one thread.

    Parameters
    ----------
    remove : callable
        Removes the file of a message, given by its id; may fail, and may be repeated.
    before : callable
        Hears of the ids of a batch before the first of its files is removed; if it raises, none is.
    kept : int
        How many of the newest stay. They are removed so many at a time, so up to twice as many lie there.
    """

    def __init__(
        self,
        remove: Callable[[str], None],
        before: Callable[[Sequence[str]], None] = _nothing,
        kept: int = KEPT,
    ) -> None:
        self._remove = remove
        self._before = before
        self._kept = kept
        self._delivered: dict[str, None] = {}

    def delivered(self, ids: Iterable[str]) -> None:
        """These are proven delivered, in this order; naming one again changes nothing."""
        for mid in ids:
            self._delivered.setdefault(mid)

    def carry_out(self) -> int:
        """Withdraw a batch if there are enough; how many were removed.

        Raises
        ------
        TransportError
            If the store fails; what is left of the batch is tried again with the next call.
        """
        surplus = len(self._delivered) - self._kept
        if surplus < self._kept:
            return 0
        batch = list(self._delivered)[:surplus]
        self._before(batch)
        for mid in batch:
            self._remove(mid)
            del self._delivered[mid]
        return len(batch)
