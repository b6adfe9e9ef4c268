"""The node's end of the worker: starts it, feeds it, and turns its death into an error reply.

`SubprocessRunner` keeps one worker process warm; when it dies, by a signal, the memory limit or an
exit, the request it was at gets an error reply with the cause and the next one gets a new worker.
It takes a `Task` and gives a `TaskResult`, as every `Runner` does; `inline_runner` has the one without a process.
"""

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from syft_flwr_cli.app_environment import APP_NAME_VARIABLE, DATA_VARIABLE
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.execution.output import Screen, copy_output, log_tail
from syft_flwr_cli.execution.sandbox.launch import Sandbox
from syft_flwr_cli.execution.worker_process import WorkerProcess
from syft_flwr_cli.execution.worker_protocol import Closed, Frame, receive, send
from syft_flwr_cli.execution.working_copy import remove_copy
from syft_flwr_cli.flower.error_codes import APP_CRASHED
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = ["AppSetup", "Runner", "SubprocessRunner"]


@dataclass(frozen=True, slots=True)
class AppSetup:
    """What a worker needs to know once.

    Parameters
    ----------
    project : Path
        The folder the app is imported from: the approved copy.
    clientapp : str
        ``module:attribute``.
    app : str
        The app's name.
    node : int
        The node id.
    data : Path, optional
        What the app sees as ``DATA_DIR``.
    python : Path, optional
        The interpreter of the app's environment; this one's if None.
    memory_limit : int, optional
        Bytes the app may allocate.
    mods : sequence of str
        The owner's mods, wrapped around the app.
    check : callable, optional
        Called before each start of a process; raises `NotApprovedError` if it may not be started any more.
    elsewhere : Path, optional
        Where the project lies of which ``project`` is the approved copy: nothing is imported from there.
    bytecode : Path, optional
        A private folder for what Python compiles. With it, nothing is read or written beside the sources.
    sandbox : Sandbox, optional
        What the process runs in.
    work : Path, optional
        Where the app's working copies of the project are made, one for each process; its scratch if None.
    results : Path, optional
        Where the folders of runs lie whose files stay (``RESULTS_DIR``).
    """

    project: Path
    clientapp: str
    app: str
    node: int
    node_config: Mapping[str, Any] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None
    python: Path | None = None
    memory_limit: int | None = None
    mods: Sequence[str] = ()
    check: Callable[[], object] | None = None
    elsewhere: Path | None = None
    bytecode: Path | None = None
    sandbox: Sandbox | None = None
    work: Path | None = None
    results: Path | None = None


class Runner(Protocol):
    """Runs the app."""

    def start(self) -> None:
        """Get ready for the first message; may return before it is."""
        ...

    def __call__(self, work: Task) -> TaskResult:
        """Run the app on one request."""
        ...

    def close(self) -> None:
        """Let go of the worker."""
        ...


class SubprocessRunner:
    """One worker process, warm between messages.

    Parameters
    ----------
    setup : AppSetup
        What to run.
    log : Path
        Where the app's output goes; bounded to 8 MiB, the newest is kept.
    screen : callable, optional
        Shows the app's output while it comes.
    early : WorkerProcess, optional
        The first process, started before it was known what for; with the interpreter that ``setup`` names.
    """

    def __init__(
        self,
        setup: AppSetup,
        log: Path,
        early: WorkerProcess | None = None,
        screen: Screen | None = None,
    ) -> None:
        self._setup = setup
        self._screen = screen
        self._early = early
        self._log = log
        self._worker: WorkerProcess | None = None
        self.peak_memory: int | None = None
        """The most bytes that the processes of an app used together, of those that have ended in a sandbox."""
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._copier: threading.Thread | None = None
        self._ready = False
        self._working: Path | None = None

    def start(self) -> None:
        """Start the process; its imports go on while the node does other things.

        Raises
        ------
        NotApprovedError
            If it may not be started any more.
        """
        setup = self._setup
        if setup.check is not None:
            setup.check()
        worker, self._early = self._early, None
        if worker is None:
            worker = WorkerProcess(
                setup.python, setup.elsewhere, setup.project, setup.bytecode, setup.sandbox
            )
        self._worker = worker
        self._process, self._channel, self._ready = worker.process, worker.channel, False
        assert self._process.stdout is not None
        self._copier = threading.Thread(
            target=copy_output,
            args=(self._process.stdout, self._log, self._screen),
            name="syft-flwr-app-log",
            daemon=True,
        )
        self._copier.start()
        if setup.work is not None:
            self._working = make_private_dir(setup.work) / str(worker.process.pid)
            remove_copy(self._working)
        environment = {APP_NAME_VARIABLE: setup.app}
        if setup.data is not None:
            environment[DATA_VARIABLE] = str(setup.data)
        head = {
            "project": str(setup.project),
            "clientapp": setup.clientapp,
            "node": setup.node,
            "node_config": dict(setup.node_config),
            "run_config": dict(setup.run_config),
            "memory_limit": setup.memory_limit,
            "mods": list(setup.mods),
            "working": None if self._working is None else str(self._working),
            "results": None if setup.results is None else str(setup.results),
            "environment": environment,
        }
        with contextlib.suppress(Closed):
            send(self._channel, Frame(head, []))

    def __call__(self, work: Task) -> TaskResult:
        """Run the app on one request."""
        try:
            channel, frame = self._running(), _request(work)
            try:
                _hand_over(channel, frame)
            except Closed:
                # It died before it had the request, so nothing was begun: another takes its place, unseen.
                self._reap()
                channel = self._running()
                _hand_over(channel, frame)
            if work.shared is not None:
                # The worker has it now, and lets go of it before it makes room for the reply.
                work.shared.close()
            if self._worker is not None:
                self._worker.begin_request()
            answer = receive(channel)
            if self._worker is not None:
                self._worker.end_request()
            crash_points.point("runner.received")
            return _outcome(answer, work)
        except Closed:
            return TaskResult(error=(APP_CRASHED, self._obituary()))
        except (ValueError, KeyError, TypeError) as error:
            self._kill()
            return TaskResult(error=(APP_CRASHED, f"The ClientApp's process answered nonsense: {error}"))

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None and self._ready:
            # It died between two messages: that is nobody's request, so a new one takes its place.
            self._reap()
        if self._process is None:
            self.start()
        assert self._channel is not None
        if not self._ready:
            receive(self._channel)
            self._ready = True
        return self._channel

    def _obituary(self) -> str:
        """Why the worker died, in a sentence, with the last of what it said."""
        process = self._process
        code = None
        if process is not None:
            try:
                code = process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
        stopped = self._worker.stopped_because() if self._worker is not None else None
        if self._copier is not None:
            self._copier.join(timeout=10)
        self._reap()
        tail = log_tail(self._log)
        if stopped is not None:
            cause = f"The ClientApp was stopped: {stopped}"
            return f"{cause}.\n{tail}" if tail else f"{cause}."
        limit = self._setup.memory_limit
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            cause = f"The ClientApp's process was killed by {name}"
            if name == "SIGKILL":
                cause += ", as the system does when memory runs out"
            elif name == "SIGABRT":
                cause += " (abort)"
        else:
            cause = f"The ClientApp's process ended with exit code {code}"
        if limit:
            cause += f" (memory limit {limit} bytes)"
        return f"{cause}.\n{tail}" if tail else f"{cause}."

    def _kill(self) -> None:
        if self._process is not None:
            if self._worker is not None:
                self._worker.kill_all()
            self._process.wait()
        self._reap()

    def _reap(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            if self._worker is not None:
                self._worker.kill_all()  # what the app started ends with it
            self._process.wait()
        if self._process is not None and self._process.stdout is not None and self._copier is not None:
            self._copier.join(timeout=10)
        if self._worker is not None:
            self._worker.stopped_because()
            used = self._worker.memory()
            self.peak_memory = used if self.peak_memory is None else max(self.peak_memory, used or 0)
        self._worker, self._process, self._channel, self._ready = None, None, None, False
        if self._working is not None:
            remove_copy(self._working)
            self._working = None

    def close(self) -> None:
        """Let the worker end: it leaves when its socket closes."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()


def _request(work: Task) -> Frame:
    body = work.body
    extents = [
        [-1, slot.offset, slot.size]
        if slot.payload < 0
        else [0, work.offsets[slot.payload] + slot.offset, slot.size]
        for slot in body.slots
    ]
    head = {
        "op": "run",
        "run": work.run,
        "id": work.id,
        "places": [list(slot.at) for slot in body.slots],
        "extents": extents,
        "has_state": work.state is not None,
        "run_config": dict(body.run_config),
    }
    return Frame(head, [body.skeleton, bytes(body.inline), work.state or b""], work.shared)


def _hand_over(channel: socket.socket, request: Frame) -> None:
    """Give a worker a request, and hear that it begins; raises `Closed` if it dies before that."""
    crash_points.point("runner.before-send")
    send(channel, request)
    crash_points.point("runner.sent")
    receive(channel)


def _outcome(answer: Frame, work: Task) -> TaskResult:
    head = answer.head
    if head["id"] != work.id:
        raise ValueError("it answers another request")
    skeleton, state = answer.parts
    new_state = state if head["has_state"] else None
    shared = answer.shared
    release = shared.close if shared is not None else (lambda: None)
    if head["error"] is not None:
        code, reason = head["error"]
        return TaskResult(error=(int(code), str(reason)[: 20 << 10]), state=new_state, release=release)
    blobs, offset = [], 0
    for size in head["sizes"]:
        if shared is None or not isinstance(size, int) or not 0 <= size <= shared.size - offset:
            raise ValueError("its contents are shorter than it says")
        blobs.append(shared.view[offset : offset + size])
        offset += size
    places = [tuple(place) for place in head["places"]]
    if len(places) != len(blobs):
        raise ValueError("places and contents do not match")
    return TaskResult(skeleton, places, blobs, None, new_state, release)
