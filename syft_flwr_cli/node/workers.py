"""A bounded number of app processes, shared by all apps that a node serves.

A worker is started when its app has something to do, and let go when it was idle for a while or when another app needs
its place. `PooledRunner` is a `Runner` that waits for a place before each request; who is at work is never disturbed.
"""

import threading
import time
from collections.abc import Callable

from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.execution.runner import Runner

__all__ = ["PooledRunner", "WorkerPool"]


class WorkerPool:
    """At most ``limit`` workers at a time; one that was idle for ``idle`` seconds is let go by `let_go_idle`."""

    def __init__(self, limit: int, idle: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._idle = idle
        self._clock = clock
        self._changed = threading.Condition()
        self._busy: set[PooledRunner] = set()
        self._resting: dict[PooledRunner, float] = {}

    def runner(self, runner: Runner) -> "PooledRunner":
        """``runner``, which must not be started, as one of this pool."""
        return PooledRunner(self, runner)

    def acquire(self, one: "PooledRunner") -> None:
        """Wait until ``one`` may have a worker."""
        while True:
            with self._changed:
                if (
                    self._resting.pop(one, None) is not None
                    or len(self._busy) + len(self._resting) < self._limit
                ):
                    self._busy.add(one)
                    return
                oldest = min(self._resting, key=self._resting.__getitem__, default=None)
                if oldest is None:
                    self._changed.wait()
                    continue
                # Its place is taken already, so that nobody else takes it while the process ends.
                del self._resting[oldest]
                self._busy.add(oldest)
            self._end(oldest)

    def release(self, one: "PooledRunner") -> None:
        """``one`` has nothing to do at the moment; its worker stays warm."""
        with self._changed:
            self._busy.discard(one)
            self._resting[one] = self._clock()
            self._changed.notify_all()

    def let_go_idle(self) -> int:
        """End the workers that were idle for long; how many."""
        with self._changed:
            now = self._clock()
            late = [one for one, since in self._resting.items() if now - since >= self._idle]
            for one in late:
                del self._resting[one]
                self._busy.add(one)
        for one in late:
            self._end(one)
        return len(late)

    def forget(self, one: "PooledRunner") -> None:
        """``one`` is closed: its place is free."""
        with self._changed:
            self._busy.discard(one)
            self._resting.pop(one, None)
            self._changed.notify_all()

    def _end(self, one: "PooledRunner") -> None:
        try:
            one.end_worker()
        finally:
            self.forget(one)


class PooledRunner:
    """See the module's first paragraph. Used by one thread at a time, but for `end_worker`."""

    def __init__(self, pool: WorkerPool, runner: Runner) -> None:
        self._pool = pool
        self._runner = runner

    def start(self) -> None:
        """Nothing yet: a worker is started for the first request."""

    def __call__(self, work: Task) -> TaskResult:
        """Run the app on one request, as soon as there is a place."""
        self._pool.acquire(self)
        try:
            return self._runner(work)
        finally:
            self._pool.release(self)

    def end_worker(self) -> None:
        """Let go of the process; the next request starts another."""
        self._runner.close()

    def close(self) -> None:
        """Let go of the process and of the place."""
        self._runner.close()
        self._pool.forget(self)
