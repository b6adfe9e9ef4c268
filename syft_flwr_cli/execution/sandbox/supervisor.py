"""The process between a node and its sandboxed app: starts it, watches its limits, ends all that is left.

It is the parent of everything the app starts, also of what the app lets go of, and runs nothing of the app.
The kernel asks it before each new process or thread; memory, disk and time are measured, the more often the
less is left. When the app ends, when a limit is passed, or when the node goes away, every process is killed
and the scratch folder removed before this one ends. It ends as the app's process did, by the same code or
signal, after one line of JSON to the node: why it was stopped, if it was, and the most memory that was used.
"""

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence

from syft_flwr_cli.execution.sandbox import kernel, usage
from syft_flwr_cli.execution.sandbox.confine import confine
from syft_flwr_cli.execution.sandbox.forward import forward
from syft_flwr_cli.execution.sandbox.spec import SandboxSpec, spec_from_json

__all__ = ["BEGIN", "END", "main"]

BEGIN, END = b"B", b"E"
"""What the node sends when a request begins and when it ends."""

_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV and _SEND of linux/seccomp.h
_NOTIFICATION, _ANSWER = 80, "<QqiI"
_CONTINUE = 1
_THREAD = 0x00010000  # CLONE_THREAD
_FASTEST = 4 << 30  # bytes per second: no machine fills memory or a disk faster than about this
_OFTEN, _SELDOM = 0.01, 0.5
_START_TIMEOUT = 60.0


def main(arguments: Sequence[str]) -> None:
    """Run a command to its end: ``[kind, spec, control descriptor, program, argument, …]``."""
    kind, text, control, *command = arguments
    spec = spec_from_json(text)
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    node = socket.socket(fileno=int(control))
    node.set_inheritable(False)
    mine, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _become(kind, spec, theirs, command)
    theirs.close()
    supervisor = _Supervisor(spec, child, node, mine)
    status, reason = supervisor.watch()
    _remove(spec.scratch)
    report = {"reason": reason, "memory": supervisor.peak, "asks": supervisor.asks}
    with contextlib.suppress(OSError):
        node.sendall(json.dumps(report).encode() + b"\n")
    _end_like(status, kind)


def _become(kind: str, spec: SandboxSpec, supervisor: socket.socket, command: list[str]) -> None:
    try:
        if kind == "landlock":
            os.chdir(spec.directory)
            confine(spec, kind, supervisor)
        else:
            supervisor.set_inheritable(True)
            command = [str(supervisor.fileno()) if word == "{handshake}" else word for word in command]
        os.execv(command[0], command)
    except BaseException as error:
        os.write(2, f"The sandbox cannot be made: {error}\n".encode())
    os._exit(126)


class _Supervisor:
    def __init__(self, spec: SandboxSpec, child: int, node: socket.socket, handshake: socket.socket) -> None:
        self._spec = spec
        self._child = child
        self._node = node
        self._handshake = handshake
        self._listener: int | None = None
        self._tree = usage.Tree(os.getpid())
        self._bound = 1
        self._counted = 0.0
        found = kernel.machine()
        self._clone = kernel.system_calls(found[0])["clone"] if found is not None else -1
        self._began: tuple[float, float] | None = None
        self._reason: str | None = None
        self.peak = 0
        self.asks = False

    def watch(self) -> tuple[int, str | None]:
        """Serve until the child has ended, and everything else with it; its wait status, and why it was stopped."""
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        waked, waking = os.pipe()
        os.set_blocking(waking, False)
        signal.set_wakeup_fd(waking)
        ended = os.pidfd_open(self._child)
        events = select.poll()
        for descriptor in (waked, ended, self._node.fileno(), self._handshake.fileno()):
            events.register(descriptor, select.POLLIN)
        due, before = 0.0, time.monotonic()
        while self._reason is None:
            for descriptor, event in events.poll(max(0.0, due - time.monotonic()) * 1000):
                if descriptor in (ended, waked):
                    return self._finish()
                if descriptor == self._node.fileno():
                    if not self._heard():
                        return self._finish()
                    due = min(due, time.monotonic() + self._spec.limits.seconds)
                elif descriptor == self._handshake.fileno():
                    events.unregister(descriptor)
                    self._begin(events)
                elif event & select.POLLIN:
                    self._answer()
                else:
                    events.unregister(descriptor)
            now = time.monotonic()
            if self._handshake.fileno() >= 0 and now - before > _START_TIMEOUT:
                self._reason = "it could not be started in its sandbox in a minute"
            if now >= due:
                due = now + self._measure(now)
        return self._finish()

    def _begin(self, events: select.poll) -> None:
        """The app's process is confined: take what it hands over."""
        text, descriptors, _, _ = socket.recv_fds(self._handshake, 4096, 64)
        self._handshake.close()
        if not text:
            return  # it died on the way: its end is seen next
        # bubblewrap starts the app's process before anything asks, so a look that came earlier has not seen it.
        self._tree.grows()
        self.asks = bool(json.loads(text)["asks"])
        if self.asks:
            self._listener = descriptors.pop(0)
            events.register(self._listener, select.POLLIN)
        for descriptor, grant in zip(descriptors, self._spec.grants.network, strict=False):
            forward(socket.socket(fileno=descriptor), grant.host, grant.port)

    def _heard(self) -> bool:
        said = self._node.recv(256)
        for one in said:
            now = time.monotonic()
            # A warm request is over in milliseconds, and this process shares the processor with it.
            counts = self._spec.limits.cpu_seconds is not None
            self._began = (now, self._tree.cpu_seconds() if counts else 0.0) if one == BEGIN[0] else None
        return bool(said)

    def _answer(self) -> None:
        """The kernel asks whether a process or thread may be started."""
        assert self._listener is not None
        asked = bytearray(_NOTIFICATION)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, asked)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return
            raise
        (number,) = struct.unpack_from("<Q", asked)
        (call,), (flags,) = struct.unpack_from("<i", asked, 16), struct.unpack_from("<Q", asked, 32)
        allowed = self._room()
        if allowed and not (call == self._clone and flags & _THREAD):
            self._tree.grows()
        answer = struct.pack(_ANSWER, number, 0, 0 if allowed else -errno.EAGAIN, _CONTINUE if allowed else 0)
        with contextlib.suppress(OSError):  # it died meanwhile
            fcntl.ioctl(self._listener, _SEND, answer)

    def _room(self) -> bool:
        """Whether one more fits; the tree is counted only when it may be full, and then not too often."""
        limit, now = self._spec.limits.processes, time.monotonic()
        if self._bound >= limit and now - self._counted > 0.05:
            self._bound, self._counted = self._tree.threads(), now
        if self._bound >= limit:
            return False
        self._bound += 1
        return True

    def _measure(self, now: float) -> float:
        """Look at what is used; the seconds until the next look."""
        limits, spec = self._spec.limits, self._spec
        memory = limits.memory if limits.memory is not None else usage.machine_memory() * 3 // 4
        used = self._tree.memory(memory)
        self.peak = max(self.peak, used)
        left = memory - used
        if left < 0:
            self._reason = f"its processes used more than {_size(memory)} of memory together"
        if not self.asks and self._tree.threads() > limits.processes:
            self._reason = f"it started more than {limits.processes} processes and threads"
        for folder, most, name in (
            (spec.scratch, limits.scratch, "scratch folder"),
            (spec.results, limits.results, "results folder"),
        ):
            if folder is not None:
                left = min(left, rest := most - usage.disk(folder))
                if rest < 0:
                    self._reason = f"it wrote more than {_size(most)} to its {name}"
        wait = min(max(left / _FASTEST, _OFTEN), _SELDOM)
        if self._began is not None:
            took = now - self._began[0]
            if took > limits.seconds:
                self._reason = f"the request took longer than {limits.seconds:g} seconds"
            if (
                limits.cpu_seconds is not None
                and self._tree.cpu_seconds() - self._began[1] > limits.cpu_seconds
            ):
                self._reason = f"the request used more than {limits.cpu_seconds:g} seconds of processor time"
            wait = min(wait, max(limits.seconds - took, _OFTEN))
        return wait

    def _finish(self) -> tuple[int, str | None]:
        """Kill all that is left, until there is nothing left."""
        if self._listener is not None:
            os.close(self._listener)  # from here on nothing can be started
        status: int | None = None
        # The child first, if it has ended by itself: its own status is the one that tells.
        ended, found = os.waitpid(self._child, os.WNOHANG)
        if ended:
            status = found
        while True:
            for process in self._tree.processes(fresh=True):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            try:
                ended, found = os.waitpid(-1, os.WNOHANG)
                if ended == 0:
                    time.sleep(0.002)
            except ChildProcessError:
                return status if status is not None else signal.SIGKILL, self._reason
            if ended == self._child and status is None:
                status = found


def _remove(scratch: str) -> None:
    """Remove the scratch folder: a node that was killed does not."""
    if scratch:
        import shutil

        shutil.rmtree(scratch, ignore_errors=True)


def _end_like(status: int, kind: str) -> None:
    code = os.waitstatus_to_exitcode(status)
    if kind == "bwrap" and code > 128:
        code = 128 - code  # bubblewrap's way to say that a signal ended what it ran
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    sys.stdout.flush()
    os._exit(code if code >= 0 else 1)


def _size(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MiB"
