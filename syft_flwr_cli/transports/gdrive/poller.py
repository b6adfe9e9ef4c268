"""When to look at Google Drive again: soon after something happened, ever less often after that.

A thread looks for news as long as somebody waits for them, and only then. How soon it looks after our
own writing follows from how long answers have taken before; the longest pause is the ceiling. Every
pause is jittered. Knows no calls.
"""

import threading
import time
from collections.abc import Callable

from syft_flwr_cli.errors import TransportError

__all__ = ["Pace", "Poller"]


class Pace:
    """How long to wait until the next look. Not thread-safe.

    Parameters
    ----------
    floor, ceiling : float
        The shortest and the longest pause, in seconds.
    """

    GROWTH = 1.5

    def __init__(self, floor: float, ceiling: float) -> None:
        self._floor = floor
        self.ceiling = ceiling
        self._expected = 0.0
        self._wrote: float | None = None
        self._pause = floor

    def wrote(self, now: float) -> None:
        """We have written something: an answer may come, about as late as answers came before."""
        self._wrote = now
        self._pause = self._clamp(self._expected / 2)

    def heard(self, now: float) -> None:
        """There was news: there may be more."""
        if self._wrote is not None:
            took = now - self._wrote
            self._expected = took if not self._expected else (self._expected + took) / 2
            self._wrote = None
        self._pause = self._clamp(self._expected / 8)

    def next(self) -> float:
        """The pause before the next look, in seconds."""
        pause = self._pause
        self._pause = min(pause * self.GROWTH, self.ceiling)
        return pause

    def _clamp(self, seconds: float) -> float:
        return min(max(seconds, self._floor), self.ceiling)


class Poller:
    """Looks while somebody waits.

    Parameters
    ----------
    look : Callable[[], bool]
        Looks once; whether there is news.
    pace : Pace
        How often.
    jitter : Callable[[float], float]
        A pause, a little longer or shorter.
    """

    def __init__(self, look: Callable[[], bool], pace: Pace, jitter: Callable[[float], float]) -> None:
        self._look = look
        self._pace = pace
        self._jitter = jitter
        self._condition = threading.Condition()
        self._token = 0
        self._waiting = 0
        self._closed = False
        self._due = 0.0
        self._since: float | None = None
        self._failure: TransportError | None = None
        self._told = ""
        self._thread: threading.Thread | None = None

    def token(self) -> int:
        """Grows whenever something may have changed."""
        with self._condition:
            return self._token

    def ring(self) -> None:
        """Let everybody who waits look."""
        with self._condition:
            self._token += 1
            self._condition.notify_all()

    def wrote(self) -> None:
        """We have written something."""
        with self._condition:
            now = time.monotonic()
            self._pace.wrote(now)
            # Who writes all the time still looks now and then.
            self._since = now if self._since is None else self._since
            self._due = min(now + self._jitter(self._pace.next()), self._since + self._pace.ceiling)
            self._condition.notify_all()

    def wait(self, token: int, timeout: float) -> int:
        """Wait until the token exceeds ``token``, at most ``timeout`` seconds; the token then."""
        deadline = time.monotonic() + timeout
        with self._condition:
            self._begin()
            self._waiting += 1
            self._condition.notify_all()
            try:
                while self._token <= token and not self._closed:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    self._condition.wait(left)
                return self._token
            finally:
                self._waiting -= 1

    def raise_failure(self) -> None:
        """Raise what has gone wrong with looking, once."""
        with self._condition:
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def close(self, patience: float) -> bool:
        """Look no more, and let go those who wait; whether the thread has ended within ``patience``."""
        with self._condition:
            self._closed = True
            self._token += 1
            self._condition.notify_all()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _begin(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="syft-flwr-drive", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._until_due():
            try:
                news = self._look()
                failed: TransportError | None = None
            except TransportError as error:
                news, failed = False, error
            with self._condition:
                now = time.monotonic()
                if failed is None:
                    self._told = ""
                elif failed.what != self._told:
                    self._failure, self._told = failed, failed.what
                    news = True
                if news:
                    if failed is None:
                        self._pace.heard(now)
                    self._token += 1
                    self._condition.notify_all()
                self._since = None
                self._due = now + self._jitter(self._pace.next())

    def _until_due(self) -> bool:
        """Wait until it is time and somebody cares; False when closed."""
        with self._condition:
            while not self._closed:
                left = self._due - time.monotonic()
                if self._waiting and left <= 0:
                    return True
                self._condition.wait(left if self._waiting else None)
            return False
