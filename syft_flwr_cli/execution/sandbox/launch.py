"""Starts a command in a sandbox of a chosen kind, and is the node's end of what watches it.

`Sandboxed` is a process with three more words: a request begins, a request ends, and why it was stopped.
Killing it kills everything that was started in it.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import syft_flwr_cli
from syft_flwr_cli.execution.sandbox import bubblewrap, macos
from syft_flwr_cli.execution.sandbox.addresses import hosts_file
from syft_flwr_cli.execution.sandbox.capabilities import Capability
from syft_flwr_cli.execution.sandbox.spec import SandboxSpec, spec_to_json

__all__ = ["Report", "Sandbox", "Sandboxed", "start"]

_BOOT = (
    "import sys,importlib.util as u;"
    "s=u.spec_from_file_location('syft_flwr_cli',sys.argv[1]+'/__init__.py',"
    "submodule_search_locations=[sys.argv[1]]);"
    "m=u.module_from_spec(s);sys.modules['syft_flwr_cli']=m;s.loader.exec_module(m);"
    "from syft_flwr_cli.execution.sandbox.{} import main;main(sys.argv[2:])"
)
_REPORT = 1 << 16
_KILL_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a sandbox afterwards: why its app was stopped, if it was, and the bytes it needed at most."""

    reason: str | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that was chosen, to start processes in: how it is made, and what holds in it.

    Parameters
    ----------
    capability : Capability
        The kind, and what it can do on this machine.
    spec : SandboxSpec
        What is to hold; the scratch folder is another one at each start.
    """

    capability: Capability
    spec: SandboxSpec


class Sandboxed(subprocess.Popen[bytes]):
    """A process in a sandbox; use `start`."""

    control: socket.socket | None = None
    scratch: Path | None = None
    _report = Report()

    def begin(self) -> None:
        """A request begins: its time counts from here."""
        self._say(b"B")

    def end(self) -> None:
        """The request has ended."""
        self._say(b"E")

    def kill(self) -> None:
        """Kill all that runs in it, and wait until nothing does."""
        if self.control is not None and self.poll() is None:
            with contextlib.suppress(OSError):
                self.control.shutdown(socket.SHUT_WR)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(_KILL_TIMEOUT)
        if self.poll() is None:
            super().kill()

    def report(self) -> Report:
        """What was told at the end; call it when the process has ended. The scratch folder is removed."""
        if self.control is not None:
            text = b""
            with contextlib.suppress(OSError):
                self.control.settimeout(1.0)
                while len(text) < _REPORT and (block := self.control.recv(_REPORT)):
                    text += block
            self.control.close()
            self.control = None
            with contextlib.suppress(ValueError, KeyError, TypeError):
                told = json.loads(text)
                self._report = Report(told["reason"], int(told["memory"]))
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)
            self.scratch = None
        return self._report

    def _say(self, what: bytes) -> None:
        if self.control is not None:
            with contextlib.suppress(OSError):
                self.control.send(what)


def start(
    sandbox: Sandbox,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    descriptors: Sequence[int] = (),
    stdout: int | None = subprocess.PIPE,
) -> Sandboxed:
    """Start ``command`` in a sandbox.

    Parameters
    ----------
    sandbox : Sandbox
        How, and what is to hold; not of kind ``none``.
    command : sequence of str
        A program of ``spec.programs`` and its arguments.
    environment : mapping
        All of its environment, besides what names the person and the folders for temporary files.
    descriptors : sequence of int
        Descriptors that stay open, under the same numbers.
    stdout : int, optional
        As for `subprocess.Popen`; standard error goes the same way.

    Raises
    ------
    OSError
        If the first process cannot be started.
    """
    kind = sandbox.capability.kind
    package = str(Path(syft_flwr_cli.__file__).parent)
    scratch = Path(os.path.realpath(tempfile.mkdtemp(prefix="syft-flwr-")))
    spec = replace(sandbox.spec, scratch=str(scratch))
    inside = bubblewrap.SCRATCH if kind == "bwrap" else spec.scratch
    environment = {**environment, "HOME": inside, "TMPDIR": inside, "USER": "app", "LOGNAME": "app"}
    if kind == "macos":
        process = _popen(macos.arguments(spec, command), environment, descriptors, stdout)
        process.scratch = scratch
        return process
    if kind == "bwrap":
        command = _in_bubblewrap(spec, package, scratch, command)
    mine, theirs = socket.socketpair()
    boot = [sys.executable, "-I", "-S", "-c", _BOOT.format("supervisor"), package]
    words = [kind, spec_to_json(spec), str(theirs.fileno()), *command]
    try:
        process = _popen([*boot, *words], environment, [*descriptors, theirs.fileno()], stdout)
    except OSError:
        mine.close()
        raise
    finally:
        theirs.close()
    process.control, process.scratch = mine, scratch
    return process


def _in_bubblewrap(spec: SandboxSpec, package: str, scratch: Path, command: Sequence[str]) -> list[str]:
    program = bubblewrap.program()
    if program is None:
        raise FileNotFoundError(2, "bubblewrap is not installed")
    hosts = scratch / "hosts"
    hosts.write_text(hosts_file(spec.grants.network if spec.network == "granted" else ()))
    stage = [command[0], "-I", "-S", "-c", _BOOT.format("confine"), package]
    words = ["bwrap", spec_to_json(spec), "{handshake}", *command]
    return bubblewrap.arguments(program, spec, str(hosts), [*stage, *words])


def _popen(
    command: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int], stdout: int | None
) -> Sandboxed:
    return Sandboxed(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        pass_fds=list(descriptors),
        env=dict(environment),
        start_new_session=True,
    )
