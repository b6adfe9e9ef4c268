"""Rules of the kernel's Landlock module for this process and all that it starts: files, TCP, signals.

Needs no privilege, and stays for good. What a kernel's version of Landlock cannot do is left out here and
named by `capabilities`. Source: landlock(7) and linux/landlock.h.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Sequence

from syft_flwr_cli.execution.sandbox import kernel
from syft_flwr_cli.execution.sandbox.spec import SandboxSpec

__all__ = ["restrict"]

_EXECUTE, _WRITE, _READ, _LIST, _TRUNCATE, _IOCTL = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14, 1 << 15
_MAKE = sum(
    1 << bit for bit in (4, 5, 7, 8, 9, 10, 12, 13)
)  # remove, make dir, file, socket, pipe, link; move
_ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_FOR_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_BIND_TCP, _CONNECT_TCP = 1, 2
_ABSTRACT_SOCKETS, _SIGNALS = 1, 2
_PATH, _PORT = 1, 2

_SYSTEM = (
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/hosts", "/etc/ssl"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems", "/proc/version"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node"),
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def restrict(spec: SandboxSpec, *, whole: bool) -> None:
    """Put the rules of ``spec`` on this process.

    Parameters
    ----------
    spec : SandboxSpec
        What may be reached.
    whole : bool
        Whether Landlock alone keeps the app in. Otherwise a view of the files is there already, and only
        what that view does not rule is added: execution from folders of data, and signals.

    Raises
    ------
    OSError
        If the kernel has no Landlock, or a path that must be there is not.
    """
    abi = kernel.landlock_abi()
    if abi < 1:
        raise OSError(38, "this kernel has no Landlock")
    files = _ALL.get(abi, (1 << 16) - 1)
    network = _BIND_TCP | _CONNECT_TCP if abi >= 4 and whole and spec.network != "open" else 0
    scoped = _ABSTRACT_SOCKETS | _SIGNALS if abi >= 6 and spec.network != "open" else 0
    if abi >= 6 and spec.network == "open":
        scoped = _SIGNALS
    sizes = {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}
    attributes = struct.pack("<QQQ", files if whole else files & _EXECUTE, network, scoped)[
        : sizes.get(abi, 24)
    ]
    ruleset = kernel.call(
        "landlock_create_ruleset",
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
        ctypes.c_uint32(0),
    )
    handled = files if whole else files & _EXECUTE
    read, write = _READ | _LIST, _WRITE | _READ | _LIST | _MAKE | _TRUNCATE
    _allow(ruleset, (*spec.programs, *spec.grants.paths), (read | _EXECUTE) & handled)
    if whole:
        _allow(ruleset, spec.readable, read & handled)
        results = (spec.results,) if spec.results is not None else ()
        _allow(ruleset, (spec.scratch, *spec.writable, *results), write & handled)
        _allow(ruleset, _SYSTEM, read & handled, missing=True)
        devices = (*_DEVICES, *(_gpus() if spec.gpu else ()))
        _allow(ruleset, devices, (_WRITE | _READ | _IOCTL) & handled, missing=True)
        if network and spec.network == "granted":
            for port in sorted({grant.port for grant in spec.grants.network}):
                rule = struct.pack("<QQ", _CONNECT_TCP, port)
                _add(ruleset, _PORT, rule)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.call("landlock_restrict_self", ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _gpus() -> Sequence[str]:
    names = ("kfd", "dri", *(name for name in os.listdir("/dev") if name.startswith("nvidia")))
    return [f"/dev/{name}" for name in names]


def _allow(ruleset: int, paths: Iterable[str], rights: int, *, missing: bool = False) -> None:
    for path in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            if missing:
                continue
            raise
        try:
            directory = stat.S_ISDIR(os.fstat(place).st_mode)
            allowed = rights if directory else rights & _FOR_FILES
            if allowed:
                _add(ruleset, _PATH, struct.pack("<Qi", allowed, place))
        finally:
            os.close(place)


def _add(ruleset: int, kind: int, rule: bytes) -> None:
    kernel.call(
        "landlock_add_rule",
        ctypes.c_int(ruleset),
        ctypes.c_int(kind),
        ctypes.c_char_p(rule),
        ctypes.c_uint32(0),
    )
