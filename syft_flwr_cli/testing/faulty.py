"""A transport that fails on purpose, repeatably from a seed: for tests of whatever lies above it.

`Faulty` is a decorator around any transport. It loses no file and invents none: a call is refused, or it is
carried out and its answer is lost, which is what a store on a network does.
"""

import random
import threading
from collections.abc import Callable
from typing import BinaryIO, TypeVar

from syft_flwr_cli.transports.around import Around
from syft_flwr_cli.transports.base import FileInfo, TransientError, Transport

__all__ = ["Faulty"]

T = TypeVar("T")


class Faulty(Around):
    """Fails on purpose, repeatably as long as the calls come in the same order.

    Parameters
    ----------
    inner : Transport
        What works.
    seed : int
        Where the chances come from.
    refused : float
        Chance that a call fails before it has done anything.
    unanswered : float
        Chance that a call fails although it has done all.
    """

    def __init__(self, inner: Transport, seed: int, refused: float = 0.1, unanswered: float = 0.1) -> None:
        super().__init__(inner)
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._refused = refused
        self._unanswered = unanswered

    def open(self, owner: str, path: str) -> BinaryIO:
        """Fail before or not at all: a stream whose answer is lost would stay open."""
        self._refuse()
        return self._inner.open(owner, path)

    def _look(self, look: Callable[[], list[FileInfo]]) -> list[FileInfo]:
        """Fail before or not at all: what a look has told of, it need not tell of again."""
        self._refuse()
        return look()

    def _refuse(self) -> None:
        with self._lock:
            refused = self._random.random() < self._refused
        if refused:
            raise TransientError("The store refused, as it was asked to.", hint="Try again.")

    def _write(self, action: Callable[[], T]) -> T:
        with self._lock:
            unanswered = self._random.random() < self._unanswered
        self._refuse()
        result = action()
        if unanswered:
            raise TransientError("The store's answer was lost, as it was asked to be.", hint="Try again.")
        return result

    def _read(self, action: Callable[[], T]) -> T:
        return self._write(action)
