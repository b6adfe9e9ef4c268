"""The one policy by which a call to a store is tried again: growing, random pauses, and an end.

`policy` is that policy, for whoever has calls of its own to repeat (Google Drive repeats single requests);
`Retrying` puts it around a whole transport. What changes the store is tried again for long, because a file that
was not published reaches nobody, and so is the look at one's own files; what looks at others' is by default not:
whoever looks looks again anyway, and one place that fails must not keep it from the others. A file that is not
there yet is no failure.
"""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

import tenacity

from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.transports.around import Around
from syft_flwr_cli.transports.base import FileInfo, Transport

__all__ = ["FIRST", "LONGEST", "RETRY_TIMEOUT", "Retrying", "policy"]

T = TypeVar("T")

RETRY_TIMEOUT = 60.0
"""Seconds for which a store that fails is tried again before its error is raised."""

FIRST, LONGEST = 0.4, 5.0
"""Seconds of the first pause at the most, and of any pause."""


def policy(
    retry_timeout: float,
    retry: Callable[[BaseException], bool],
    *,
    first: float = FIRST,
    longest: float = LONGEST,
    sleep: Callable[[float], None],
    chance: random.Random,
    on_failure: Callable[[BaseException], None] = lambda error: None,
) -> tenacity.Retrying:
    """The policy, to be called with an action.

    Parameters
    ----------
    retry_timeout : float
        Seconds after which the last error is raised as it is; 0 for a single try.
    retry : callable
        Whether another try may help against this error.
    first, longest : float
        Seconds: each pause is random between none and a bound (full jitter) that starts at ``first`` and
        doubles up to ``longest``.
    sleep : callable
        How to pause.
    chance : random.Random
        Where the randomness comes from. Not Python's own generator: an app's random numbers are its own.
    on_failure : callable
        Hears of each failure that is followed by another try.
    """

    def pause(state: tenacity.RetryCallState) -> float:
        bound: float = min(longest, first * 2.0 ** min(state.attempt_number - 1, 60))
        return chance.uniform(0.0, bound)

    def failed(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if error is not None:
            on_failure(error)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(retry),
        wait=pause,
        stop=tenacity.stop_after_delay(retry_timeout),
        sleep=sleep,
        before_sleep=failed,
        reraise=True,
    )


class Retrying(Around):
    """Tries again what failed with a `TransportError`; see the module's first paragraph.

    Parameters
    ----------
    inner : Transport
        What may fail.
    retry_timeout : float
        Seconds after which the last error of a call that changes the store is raised; may be changed.
    read_timeout : float
        The same for calls that only look.
    first, longest : float
        See `policy`.
    on_failure : callable
        Hears of each failure that is followed by another try.
    sleep : callable, optional
        How to pause; by default until `close` is called at the latest.
    seed : int, optional
        Of the pauses.
    """

    def __init__(
        self,
        inner: Transport,
        retry_timeout: float = RETRY_TIMEOUT,
        *,
        read_timeout: float = 0.0,
        first: float = FIRST,
        longest: float = LONGEST,
        on_failure: Callable[[TransportError], None] = lambda error: None,
        sleep: Callable[[float], None] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(inner)
        self.retry_timeout = retry_timeout
        self.read_timeout = read_timeout
        self._first, self._longest = first, longest
        self._on_failure = on_failure
        self._closing = threading.Event()
        self._sleep = sleep or self._pause
        self._chance = random.Random(seed)

    @property
    def once(self) -> Transport:
        """The transport inside, for a call that is repeated by its caller's own rhythm."""
        return self._inner

    def list_own(self, folder: str = "") -> list[tuple[str, FileInfo]]:
        """Own files: tried again like a write, for whoever asks for them here needs them before anything goes on."""
        return self._write(lambda: self._inner.list_own(folder))

    def close(self) -> None:
        """Close the transport inside; calls that wait for another try end with their last error."""
        self._closing.set()
        super().close()

    def _write(self, action: Callable[[], T]) -> T:
        return self._try(action, self.retry_timeout)

    def _read(self, action: Callable[[], T]) -> T:
        return self._try(action, self.read_timeout)

    def _try(self, action: Callable[[], T], retry_timeout: float) -> T:
        if retry_timeout <= 0:
            return action()
        again = policy(
            retry_timeout,
            self._may_pass,
            first=self._first,
            longest=self._longest,
            sleep=self._sleep,
            chance=self._chance,
            on_failure=self._tell,
        )
        return again(action)

    def _may_pass(self, error: BaseException) -> bool:
        if self._closing.is_set() or isinstance(error, NotThereError):
            return False
        return isinstance(error, TransportError)

    def _tell(self, error: BaseException) -> None:
        if isinstance(error, TransportError):
            self._on_failure(error)

    def _pause(self, seconds: float) -> None:
        self._closing.wait(seconds)
