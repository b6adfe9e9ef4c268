"""A wake-up signal: how the threads of one participant wait for the store.

A number that grows, to wait on, with a backoff: whoever learns that something may have changed notifies, and
whoever waits is woken at once. Where nobody notifies (a file system without events) the signal fires by itself:
soon after something happened, then less and less often, at the least once in ``ceiling`` seconds. It has no
thread of its own: the time is kept by those who wait. It knows nothing of files.
"""

import threading
import time

__all__ = ["WakeupSignal"]

QUICKEST = 0.01
"""Seconds between two looks right after something has happened."""

ACTIVE = 600.0
"""Seconds after the last thing that happened for which more is expected soon."""


class WakeupSignal:
    """A token that grows, to wait on.

    Parameters
    ----------
    ceiling : float
        The longest time, in seconds, that anybody waits without being told to look again.
    quickest : float
        Seconds between two looks right after something has happened.
    """

    def __init__(self, ceiling: float, quickest: float = QUICKEST) -> None:
        self._ceiling = max(ceiling, quickest)
        self._quickest = quickest
        self._condition = threading.Condition()
        self._token = 0
        self._pace = self._ceiling
        self._happened = time.monotonic()
        self._due = self._happened + self._pace

    @property
    def active(self) -> bool:
        """Whether something has happened not long ago, so that an answer may be awaited."""
        with self._condition:
            return time.monotonic() < self._happened + ACTIVE

    def mark_active(self) -> None:
        """Note that something has happened."""
        with self._condition:
            self._happened = time.monotonic()

    def token(self) -> int:
        """How often the signal has fired so far."""
        with self._condition:
            return self._token

    def notify(self) -> None:
        """Wake everybody who waits."""
        with self._condition:
            self._token += 1
            self._condition.notify_all()

    def expect(self, delay: float) -> None:
        """Fire by itself in ``delay`` seconds at the latest."""
        with self._condition:
            due = time.monotonic() + delay
            if due < self._due:
                self._due = due
                self._condition.notify_all()

    def reset_backoff(self) -> None:
        """Start again at the quickest pace, because something has happened that may go on."""
        with self._condition:
            self._happened = time.monotonic()
            self._pace = self._quickest
        self.expect(self._quickest)

    def wait(self, token: int, timeout: float) -> int:
        """Wait until the token exceeds ``token``, at most ``timeout`` seconds; the token then."""
        deadline = time.monotonic() + timeout
        with self._condition:
            while self._token <= token:
                now = time.monotonic()
                if now >= self._due:
                    self._pace = min(self._pace * 2, self._ceiling)
                    self._due = now + self._pace
                    self._token += 1
                    self._condition.notify_all()
                elif now >= deadline:
                    break
                else:
                    self._condition.wait(min(self._due, deadline) - now)
            return self._token
