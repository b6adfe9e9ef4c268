"""Starts the process of a worker, as early as may be: importing flwr is most of what a node's start takes.

The process runs nothing of the app until `SubprocessRunner` sends it its set-up, so a node may start one with
its own interpreter before it has looked at the project, and let it go again. Imports little itself.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import syft_flwr_cli
from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.execution.sandbox.launch import Sandbox, Sandboxed, start
from syft_flwr_cli.execution.strays import MARK_VARIABLE, kill_strays, new_mark
from syft_flwr_cli.execution.worker_environment import (
    app_environment,
    sandbox_environment,
    server_environment,
)

__all__ = ["SERVER_ENTRY", "WorkerProcess", "exit_cause", "kill_group"]

SERVER_ENTRY = "server_worker"
"""The module that runs in the process of a ServerApp."""

_BOOT = (
    "import sys,importlib.util as u;"
    "s=u.spec_from_file_location('syft_flwr_cli',sys.argv[1]+'/__init__.py',"
    "submodule_search_locations=[sys.argv[1]]);"
    "m=u.module_from_spec(s);sys.modules['syft_flwr_cli']=m;s.loader.exec_module(m);"
    "from syft_flwr_cli.execution.import_guard import keep_out;keep_out(sys.argv[3:]);"
    "from syft_flwr_cli.execution.{entry} import main;main(int(sys.argv[2]))"
)


class WorkerProcess:
    """A worker that waits for its set-up on ``channel``; what it prints comes out of ``process.stdout``.

    Parameters
    ----------
    python : Path, optional
        The interpreter; this one's if None.
    elsewhere : Path, optional
        Where the project lies of which an approved copy is run: nothing is imported from there.
    copies : Path, optional
        A folder in which copies lie, should it lie in there.
    bytecode : Path, optional
        A private folder for what Python compiles. With it, nothing is read or written beside the sources.
    sandbox : Sandbox, optional
        What it runs in; it sees all that this process sees if None.
    entry : str
        The module that runs in it: ``worker`` (a ClientApp) or ``server_worker`` (a ServerApp).

    Raises
    ------
    SyftFlwrError
        If it cannot be started.
    """

    def __init__(
        self,
        python: Path | None = None,
        elsewhere: Path | None = None,
        copies: Path | None = None,
        bytecode: Path | None = None,
        sandbox: Sandbox | None = None,
        entry: str = "worker",
    ) -> None:
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        if entry == SERVER_ENTRY:
            environment = server_environment(os.environ)
        elif sandbox is None:
            environment = app_environment(os.environ)
        else:
            environment = sandbox_environment(os.environ, sandbox.spec.grants.environment)
        environment["PYTHONUNBUFFERED"] = "1"
        self._mark = new_mark()
        if sandbox is None:
            environment[MARK_VARIABLE] = self._mark
        if bytecode is None:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        else:
            environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
        program = str(python or sys.executable)
        package = str(Path(syft_flwr_cli.__file__).parent)
        places = [] if elsewhere is None else [str(elsewhere), *([str(copies)] if copies else []), package]
        command = [program, "-P", "-c", _BOOT.format(entry=entry), package, str(theirs.fileno()), *places]
        try:
            self.process: subprocess.Popen[bytes] = (
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs.fileno()],
                    env=environment,
                    start_new_session=True,
                )
                if sandbox is None
                else start(
                    sandbox,
                    command,
                    environment=environment,
                    descriptors=[theirs.fileno()],
                )
            )
        except OSError as error:
            self.channel.close()
            raise SyftFlwrError(
                f"{program} cannot be started ({error.strerror}).",
                hint="Give the interpreter of the app's environment with --python PATH.",
            ) from error
        finally:
            theirs.close()

    def begin_request(self) -> None:
        """A request begins: its time counts from here."""
        if isinstance(self.process, Sandboxed):
            self.process.begin()

    def end_request(self) -> None:
        """The request has ended."""
        if isinstance(self.process, Sandboxed):
            self.process.end()

    def stopped_because(self) -> str | None:
        """Which limit the app was stopped for; call it when the process has ended."""
        return self.process.report().reason if isinstance(self.process, Sandboxed) else None

    def memory(self) -> int | None:
        """The most bytes that all its processes used together; known in a sandbox, when it has ended."""
        return self.process.report().memory if isinstance(self.process, Sandboxed) else None

    def end(self, grace: float = 0.0) -> int:
        """Kill what is still there of it and of all that it started, after ``grace`` seconds; its exit code.

        It can be done again.
        """
        self.channel.close()
        if self.process.poll() is None and grace:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace)
        self.kill_all()
        code = self.process.wait()
        self.stopped_because()
        return code

    def kill_all(self) -> None:
        """Kill it and all that it started."""
        if not isinstance(self.process, Sandboxed):
            kill_strays(self._mark, self.process.pid if self.process.returncode is None else None)
            kill_group(self.process.pid)
        elif self.process.poll() is None:
            self.process.kill()


def kill_group(leader: int) -> None:
    """Kill every process of the group that ``leader`` began, whether it is itself still there or not."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def exit_cause(code: int) -> str:
    """How a process ended, as the rest of a sentence that begins with it."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    also = {"SIGKILL": ", as the system does when memory runs out,", "SIGABRT": " (abort)"}
    return f"was killed by {name}{also.get(name, '')}"
