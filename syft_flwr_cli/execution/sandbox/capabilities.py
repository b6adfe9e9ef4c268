"""What this machine can keep an app from, each way of a sandbox by itself, found by trying.

``enforced`` is by the kernel; ``watched`` is measured and ended, a little late; ``not enforced`` is said to
the data owner and to the aggregator, and a policy that demands it refuses.
"""

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syft_flwr_cli.execution.sandbox import bubblewrap, kernel
from syft_flwr_cli.execution.sandbox.spec import Kind

__all__ = ["ASPECTS", "Capability", "Strength", "capabilities"]

Strength = Literal["enforced", "watched", "not enforced"]

ASPECTS: Mapping[str, str] = {
    "files": "see only the files that are named",
    "execution": "execute no program in the data, the copy or the scratch folder",
    "tcp": "open no TCP connection but a granted one",
    "udp": "send no UDP packet and resolve no name",
    "unix-sockets": "reach no Unix socket outside",
    "abstract-sockets": "reach no abstract Unix socket outside",
    "granted-hosts": "reach of a granted port only the granted host",
    "signals": "signal no process outside",
    "ptrace": "trace no process, and read no memory of one",
    "process-view": "see no process outside",
    "processes": "start no more processes and threads than the limit",
    "memory": "use no more memory than the limit, all processes together",
    "scratch": "write no more than the limit to the scratch folder",
    "results": "write no more than the limit to the results folder",
    "leftovers": "leave no process behind",
    "time": "take no longer than the limit",
}
"""What a sandbox keeps an app from: it can …"""


@dataclass(frozen=True, slots=True)
class Capability:
    """One kind of sandbox on this machine.

    Parameters
    ----------
    kind : str
        ``bwrap``, ``landlock``, ``macos`` or ``none``.
    works : bool
        Whether it can be used.
    why : str
        What it is, or why it cannot be used.
    strengths : mapping
        How each of `ASPECTS` is kept.
    """

    kind: Kind
    works: bool
    why: str
    strengths: Mapping[str, Strength]

    def unenforced(self) -> tuple[str, ...]:
        """The aspects that are not kept, in the order of `ASPECTS`."""
        return tuple(name for name in ASPECTS if self.strengths.get(name, "not enforced") == "not enforced")


def capabilities() -> list[Capability]:
    """All kinds, the strongest first; takes some milliseconds, for bubblewrap is tried."""
    return [
        _bubblewrap(),
        _landlock(),
        _macos(),
        Capability("none", True, "no sandbox: the app can do what you can", {}),
    ]


def _bubblewrap() -> Capability:
    program = bubblewrap.program() if sys.platform == "linux" else None
    if program is None:
        return Capability("bwrap", False, "bubblewrap (bwrap) is not installed", {})
    trial = [
        program,
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--die-with-parent",
    ]
    trial += [
        "--cap-drop",
        "ALL",
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--",
        "/proc/self/exe",
    ]
    try:
        tried = subprocess.run([*trial, "--version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Capability("bwrap", False, f"{program} does not run: {error}", {})
    if tried.returncode != 0:
        said = tried.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        return Capability("bwrap", False, f"{program} does not work here: {ascii(said[0])[1:-1][:200]}", {})
    if not _filters():
        return Capability(
            "bwrap", False, "this kernel has no system call filter (seccomp) that is known here", {}
        )
    strengths: dict[str, Strength] = dict.fromkeys(ASPECTS, "enforced")
    strengths |= {"memory": "watched", "results": "watched", "time": "watched"}
    abi = kernel.landlock_abi()
    if abi < 1:
        strengths["execution"] = "not enforced"
    version = tried.stdout.decode(errors="replace").strip()
    return Capability("bwrap", True, f"{version} with a system call filter{_with_landlock(abi)}", strengths)


def _landlock() -> Capability:
    if sys.platform != "linux":
        return Capability("landlock", False, "Landlock is part of Linux", {})
    abi = kernel.landlock_abi()
    if abi < 1:
        return Capability(
            "landlock", False, "this kernel has no Landlock (Linux 5.13 and later, if enabled)", {}
        )
    if not _filters():
        return Capability("landlock", False, "this kernel has no system call filter (seccomp) known here", {})
    strengths: dict[str, Strength] = dict.fromkeys(ASPECTS, "enforced")
    for name in ("memory", "scratch", "results", "time"):
        strengths[name] = "watched"
    strengths["granted-hosts"] = "not enforced"
    strengths["process-view"] = "enforced"
    if abi < 6:
        strengths["signals"] = "not enforced"
    why = f"Landlock, version {abi} of its rules, with a system call filter"
    return Capability("landlock", True, why, strengths)


def _with_landlock(abi: int) -> str:
    return f" and Landlock, version {abi}" if abi else ""


def _filters() -> bool:
    with contextlib.suppress(OSError):
        return kernel.machine() is not None and "Seccomp:" in Path("/proc/self/status").read_text()
    return False


def _macos() -> Capability:
    program = "/usr/bin/sandbox-exec"
    if platform.system() != "Darwin" or not os.access(program, os.X_OK):
        return Capability("macos", False, "sandbox-exec is part of macOS", {})
    kept = ("files", "execution", "tcp", "udp", "unix-sockets", "abstract-sockets", "signals", "ptrace")
    strengths: dict[str, Strength] = dict.fromkeys(kept, "enforced")
    strengths["time"] = "watched"
    return Capability("macos", True, "sandbox-exec; written for macOS, not tested there yet", strengths)
