"""The aggregator's end of the ServerApp's process: starts it, answers its Grid's calls, and sees that all of it ends.

The process has neither keys nor journal: it sends messages taken apart, and gets replies whose arrays stay here until
it asks for them. Calls of the app's own thread are made in this thread, those of its other threads in others, so that
the order that a replay relies on is the app's.
"""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flwr.app import Context, Message

from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.execution.output import Screen, copy_output, own_screen
from syft_flwr_cli.execution.server_grid import gather, pack_messages, unpack_messages
from syft_flwr_cli.execution.worker import state_from
from syft_flwr_cli.execution.worker_process import SERVER_ENTRY, WorkerProcess, exit_cause
from syft_flwr_cli.execution.worker_protocol import Closed, Frame, receive, send
from syft_flwr_cli.flower import codec
from syft_flwr_cli.flower.lazy_array import LazyArray

__all__ = ["AppFailed", "ServerProcess"]


class AppFailed(Exception):
    """The ServerApp raised something: its class and text, and in ``traceback`` where."""

    def __init__(self, text: str, traceback: str) -> None:
        super().__init__(text)
        self.traceback = traceback
        self.add_note(traceback)


@dataclass(slots=True)
class ServerProcess:
    """How a ServerApp is run in a process of its own.

    Parameters
    ----------
    project : Path
        Where the app is imported from.
    working : Path
        The folder in which it works.
    serverapp : str
        ``module:attribute``.
    log : Path
        Where its output goes.
    python : Path, optional
        The interpreter of the app's environment; this one's if None.
    environment : mapping
        What is added to this process's environment.
    screen : callable, optional
        Shows its output.
    keep : mapping, optional
        Which models are kept where (see `flower.model_keeper`): ``folder``, ``model``, ``best``.
    """

    project: Path
    working: Path
    serverapp: str
    log: Path
    python: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    screen: Screen | None = field(default_factory=own_screen)
    keep: Mapping[str, Any] | None = None
    _serving: "_Serving | None" = None

    def interrupt(self) -> None:
        """From another thread: have `run` look at what has happened to the grid, and end."""
        if self._serving is not None:
            self._serving.wake()

    def run(self, grid: SyftGrid, context: Context, seed: str, dependencies: Sequence[str]) -> None:
        """Run the app to its end; ``context`` gets the state that it left.

        Raises
        ------
        AppFailed
            If the app raised.
        SyftFlwrError
            If its process died, or could not be started.
        """
        process = WorkerProcess(self.python, entry=SERVER_ENTRY)
        copier = threading.Thread(
            target=copy_output,
            args=(process.process.stdout, self.log, self.screen),
            name="syft-flwr-app-log",
            daemon=True,
        )
        copier.start()
        serving = self._serving = _Serving(grid, process)
        head = {
            "project": str(self.project),
            "working": str(self.working),
            "serverapp": self.serverapp,
            "environment": dict(self.environment),
            "run": str(context.run_id),
            "run_config": dict(context.run_config),
            "seed": seed,
            "dependencies": list(dependencies),
            "keep": None if self.keep is None else dict(self.keep),
        }
        try:
            with contextlib.suppress(Closed):
                send(process.channel, Frame(head, []))
            end = serving.until_the_end()
        finally:
            code = process.end(grace=1.0 if serving.died else 0.0)
            copier.join(timeout=5.0)
        if end is None:
            grid.outbox.check()
            raise SyftFlwrError(
                f"The ServerApp's process {exit_cause(code)} before it had come to its end.",
                hint=f"What it said stands above and in {self.log}; its environment is "
                f"{self.python or 'that of syft-flwr itself'} (--python names another).",
            )
        if end.head["op"] == "failed":
            _raise(end.head, serving.raised)
        context.state = state_from(end.parts[0])


def _raise(head: Mapping[str, Any], raised: Mapping[str, SyftFlwrError]) -> None:
    if head["kind"] == "SyftFlwrError":
        # What the grid raised came back as text; its class decides whether the run stays open.
        raise raised.get(head["text"]) or SyftFlwrError(head["text"], hint=head["hint"])
    raise AppFailed(f"{head['kind']}: {head['text']}", head["traceback"])


class _Serving:
    """Answers the calls of one app."""

    def __init__(self, grid: SyftGrid, process: WorkerProcess) -> None:
        self._grid = grid
        self._channel = process.channel
        self._sending = threading.Lock()
        self._tokens = itertools.count(1)
        self._held: dict[int, LazyArray] = {}
        self.died = False
        self.raised: dict[str, SyftFlwrError] = {}
        """What calls of the app have raised, by the sentence that the app was told."""
        self._home: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="syft-flwr-app", daemon=True).start()

    def wake(self) -> None:
        """Let `until_the_end` return."""
        self._home.put(None)

    def until_the_end(self) -> Frame | None:
        """Serve until the app is through; None if its process died."""
        while True:
            frame = self._home.get()
            if frame is None or frame.head["op"] in ("done", "failed"):
                return frame
            self._answer(frame)

    def _listen(self) -> None:
        while True:
            try:
                frame = receive(self._channel)
            except (Closed, ValueError, OSError):
                self.died = True
                self._home.put(None)
                return
            for token in frame.head.get("released", ()):
                self._held.pop(token, None)
            if frame.head.get("home", True):
                self._home.put(frame)
            else:
                threading.Thread(target=self._answer, args=(frame,), daemon=True).start()

    def _answer(self, frame: Frame) -> None:
        number, shared = frame.head["call"], None
        try:
            head, parts, shared = self._call(frame)
        except BaseException as error:
            if threading.current_thread() is threading.main_thread() and not isinstance(error, Exception):
                raise
            told = {"kind": type(error).__name__, "text": str(error)}
            if isinstance(error, SyftFlwrError):
                told = {"kind": "SyftFlwrError", "text": error.what, "hint": error.hint}
                self.raised[error.what] = error
            head, parts = {"error": told}, []
        finally:
            if frame.shared is not None:
                frame.shared.close()
        try:
            with self._sending, contextlib.suppress(Closed):
                send(self._channel, Frame({**head, "call": number}, parts, shared))
        finally:
            if shared is not None:
                shared.close()

    def _call(self, frame: Frame) -> tuple[dict[str, Any], list[bytes], SharedBytes | None]:
        head, grid = frame.head, self._grid
        match head["op"]:
            case "node_ids":
                return {"nodes": grid.get_node_ids()}, [], None
            case "nodes":
                return {}, [info.SerializeToString() for info in grid.get_nodes()], None
            case "pull":
                return self._replies(grid.pull_messages(head["ids"]), [])
            case "push":
                sent = unpack_messages(frame, _never, lazy=False)
                ids = grid.push_messages(sent)
                return {"ids": ids, "message_ids": _ids(sent)}, [], None
            case "send":
                sent = unpack_messages(frame, _never, lazy=False)
                return self._replies(grid.send_and_receive(sent, timeout=head["timeout"]), sent)
            case "stop":
                return {"to": grid.send_stop_signal(head["group"], head["reason"])}, [], None
            case "load":
                return self._load(int(head["token"]))
            case _:
                raise ValueError(f"there is no call {head['op']!r}")

    def _replies(
        self, replies: list[Message], sent: Sequence[Message]
    ) -> tuple[dict[str, Any], list[bytes], SharedBytes | None]:
        head, parts, blobs = pack_messages(replies, self._token)
        return {**head, "message_ids": _ids(sent)}, parts, gather(blobs)

    def _token(self, array: LazyArray) -> int:
        token = next(self._tokens)
        self._held[token] = array
        return token

    def _load(self, token: int) -> tuple[dict[str, Any], list[bytes], SharedBytes | None]:
        data = self._held[token].raw()
        if len(data) <= codec.LARGE:
            return {}, [bytes(data)], None
        return {}, [], gather([data])


def _ids(messages: Sequence[Message]) -> list[str]:
    return [message.metadata.message_id for message in messages]


def _never(token: int) -> Callable[[], bytes]:
    raise ValueError("a message of the app names an array that is not in it")
