"""A data owner's node: one process that serves every app its owner has approved, a thread and a worker each.

What there is to serve is asked for again and again (`Supervisor.look`): an app that appears is opened, one that is
approved no more, or in another version, is let go after the request at hand. An app that fails is tried again later
and does not disturb the others. The supervisor does not know how apps are found, what an approval is, or Flower.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.events import AppFailed, AppLetGo, AppServed, Emit
from syft_flwr_cli.node.node import AppNode

__all__ = ["Served", "ServedApp", "Supervisor"]


class ServedApp(Protocol):
    """An app to serve: of whom, from whom, in which version; and how it is opened."""

    @property
    def email(self) -> str:
        """The data owner."""
        ...

    @property
    def app_name(self) -> str:
        """The app."""
        ...

    @property
    def aggregator(self) -> str:
        """Whose requests are answered."""
        ...

    @property
    def version(self) -> str:
        """The digest of what is run; another one means another opening."""
        ...

    def open(self) -> "tuple[AppNode, Callable[[], None]]":
        """The node of the app, and what closes the rest of it."""
        ...


@dataclass(slots=True)
class Served:
    """What became of an app in `Supervisor.work_off`: steps done, and the error that stopped it."""

    app_name: str
    steps: int = 0
    error: SyftFlwrError | None = None


class _Thread:
    """One app, being served."""

    def __init__(self, app: ServedApp, emit: Emit, wake: Callable[[], None]) -> None:
        self.app = app
        self._emit = emit
        self._wake = wake
        self._node: AppNode | None = None
        self._lock = threading.Lock()
        self._ending = False
        self.failed = False
        self._thread = threading.Thread(target=self._run, name=f"syft-flwr-{app.app_name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        with self._lock:
            self._ending = True
            node = self._node
        if node is not None:
            node.interrupt()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        app = self.app
        try:
            node, close = app.open()
            try:
                with self._lock:
                    self._node = node
                    ending = self._ending
                if not ending:
                    self._emit(AppServed(app.email, app.app_name, app.aggregator))
                    node.serve(lambda: _report(node))
            finally:
                node.close()
                close()
        except SyftFlwrError as error:
            self.failed = True
            self._emit(AppFailed(app.email, app.app_name, error.what, error.hint))
        except Exception as error:
            # Whatever it is, it is this app's: the others go on.
            self.failed = True
            self._emit(AppFailed(app.email, app.app_name, f"{type(error).__name__}: {error}"))
        else:
            self._emit(AppLetGo(app.email, app.app_name))
        finally:
            self._wake()


def _report(node: AppNode) -> bool:
    """Say of each run that it ended; the node stays."""
    node.report_ends()
    return False


class Supervisor:
    """See the module's first paragraph.

    Parameters
    ----------
    find : callable
        The apps that are to be served now.
    emit : callable
        Hears what happens.
    retry : float
        Seconds after which an app that failed is tried again.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        find: Callable[[], Sequence[ServedApp]],
        emit: Emit,
        retry: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._emit = emit
        self._retry = retry
        self._clock = clock
        self._threads: dict[tuple[str, str], _Thread] = {}
        self._again: dict[tuple[str, str], float] = {}
        self._ending = threading.Event()
        self._woken = threading.Event()

    @property
    def serving(self) -> list[str]:
        """The names of the apps that are being served."""
        return sorted(one.app.app_name for one in self._threads.values() if one.alive)

    def interrupt(self) -> None:
        """Let `serve` or `work_off` end soon."""
        self._ending.set()
        self._woken.set()
        for one in list(self._threads.values()):
            one.end()

    def serve(self, every: float, besides: Callable[[], None] = lambda: None) -> None:
        """Serve until `interrupt`; every ``every`` seconds look for apps anew, and do what is to be done besides."""
        try:
            while not self._ending.is_set():
                self.look()
                besides()
                self._woken.wait(every)
                self._woken.clear()
        finally:
            self.interrupt()
            for one in self._threads.values():
                one.join(30.0)

    def look(self) -> None:
        """Open what is new, and let go of what is to be served no more."""
        wanted = {(app.email, app.app_name): app for app in self._find()}
        for key, one in list(self._threads.items()):
            if not one.alive:
                del self._threads[key]
                if one.failed:
                    self._again[key] = self._clock() + self._retry
            elif key not in wanted or wanted[key].version != one.app.version:
                one.end()
        for key, app in wanted.items():
            if key in self._threads or self._clock() < self._again.get(key, 0.0) or self._ending.is_set():
                continue
            self._threads[key] = _Thread(app, self._emit, self._woken.set)

    def work_off(self) -> list[Served]:
        """Do what is there for each app, one after the other, until nothing is left to do."""
        done = []
        for app in self._find():
            if self._ending.is_set():
                break
            one = Served(app.app_name)
            done.append(one)
            try:
                node, close = app.open()
                try:
                    one.steps = node.work_off()
                finally:
                    node.close()
                    close()
            except SyftFlwrError as error:
                one.error = error
                self._emit(AppFailed(app.email, app.app_name, error.what, error.hint))
        return done
