"""The system calls that a sandboxed app cannot make: a filter that the kernel runs before each.

Refused are calls that reach other processes, mounts, namespaces, keys, kernel modules or the clock, and
sockets beyond those that the network rule allows. Calls that start a process or a thread are asked of the
supervisor, which counts them: the number of processes of a root user is bounded by nothing else. The filter
stays for good, also over ``execve``. Source: seccomp(2), linux/bpf_common.h.
"""

import ctypes
import errno
import struct
from typing import Literal

from syft_flwr_cli.execution.sandbox import kernel

__all__ = ["ASKED", "REFUSED", "Sockets", "install", "program"]

Sockets = Literal["none", "unix", "tcp", "local", "open"]
"""Which sockets may be made: none; Unix; TCP; Unix and Internet in a network of its own; or any of those."""

REFUSED = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise"),
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen"),
    *("fsconfig", "fsmount", "fspick", "mount_setattr", "keyctl", "add_key", "request_key", "bpf"),
    *("perf_event_open", "userfaultfd", "init_module", "finit_module", "delete_module", "kexec_load"),
    *("kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd"),
    *("name_to_handle_at", "open_by_handle_at", "settimeofday", "clock_settime", "adjtimex"),
    *("clock_adjtime", "sethostname", "setdomainname", "syslog", "ioperm", "iopl", "vhangup"),
    *("fanotify_init", "move_pages", "migrate_pages", "shmget", "semget", "msgget", "mq_open"),
    "memfd_secret",
)
"""Calls that fail with EPERM, whatever their arguments."""

ABSENT = ("clone3", "io_uring_setup", "io_uring_enter", "io_uring_register")
"""Calls that fail with ENOSYS: the libraries then use older ones, whose arguments a filter can see."""

ASKED = ("clone", "fork", "vfork")

_KILL, _ERRNO, _NOTIFY, _ALLOW = 0x80000000, 0x00050000, 0x7FC00000, 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCH, _ARGUMENT = 0, 4, 16
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # the CLONE_NEW* flags of clone(2)
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM, _TCP = 1, 6
_TYPE_MASK = 0xF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3

Step = tuple[int, int, int, int]


def program(machine: str, arch: int, sockets: Sockets, *, ask: bool) -> bytes:
    """The filter as the kernel takes it: instructions of 8 bytes.

    Parameters
    ----------
    machine, arch
        As `kernel.machine` says.
    sockets : str
        Which sockets may be made.
    ask : bool
        Whether starting a process is asked of the supervisor.
    """
    numbers = kernel.system_calls(machine)
    steps: list[Step] = [_load(_ARCH), (_EQUAL, 1, 0, arch), _give(_KILL), _load(_NUMBER)]
    if machine == "x86_64":
        steps += [(_AT_LEAST, 0, 1, _X32), _give(_ERRNO | errno.ENOSYS)]
    for name in REFUSED:
        if name in numbers:
            steps += _when(numbers[name], [_give(_ERRNO | errno.EPERM)])
    for name in ABSENT:
        steps += _when(numbers[name], [_give(_ERRNO | errno.ENOSYS)])
    started = _give(_NOTIFY if ask else _ALLOW)
    refused = _give(_ERRNO | errno.EPERM)
    steps += _when(numbers["clone"], [_load(_ARGUMENT), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), refused, started])
    for name in ("fork", "vfork"):
        if name in numbers:
            steps += _when(numbers[name], [started])
    steps += _when(numbers["socket"], _sockets(sockets))
    steps += _when(numbers["socketpair"], [_load(_ARGUMENT), (_EQUAL, 0, 1, _UNIX), _give(_ALLOW), refused])
    steps += _when(
        numbers["ioctl"],
        [
            _load(_ARGUMENT + 8),
            (_EQUAL, 1, 0, _TIOCSTI),
            (_EQUAL, 0, 1, _TIOCLINUX),
            refused,
            _give(_ALLOW),
        ],
    )
    # Another process's limits are not the app's business; its own are named by 0.
    steps += _when(numbers["prlimit64"], [_load(_ARGUMENT), (_EQUAL, 0, 1, 0), _give(_ALLOW), refused])
    steps.append(_give(_ALLOW))
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def install(sockets: Sockets, *, ask: bool) -> int | None:
    """Put the filter on this process and what it becomes; the descriptor on which it asks, if it does.

    Raises
    ------
    OSError
        If the kernel does not take it.
    """
    found = kernel.machine()
    if found is None:
        raise OSError(errno.ENOSYS, "the system calls of this machine are not known")
    code = program(*found, sockets, ask=ask)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    flags = _NEW_LISTENER if ask else 0
    result = kernel.call("seccomp", ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(flags), head)
    return result if ask else None


def _sockets(rule: Sockets) -> list[Step]:
    refused, allowed = _give(_ERRNO | errno.EPERM), _give(_ALLOW)
    families = {
        "none": (),
        "unix": (_UNIX,),
        "local": (_UNIX, _INET, _INET6),
        "open": (_UNIX, _INET, _INET6, _NETLINK),
    }
    if rule == "tcp":
        # The protocol is compared too: MPTCP is a stream that the rules for TCP know nothing of.
        return [
            _load(_ARGUMENT),
            (_EQUAL, 2, 0, _INET),
            (_EQUAL, 1, 0, _INET6),
            refused,
            _load(_ARGUMENT + 8),
            (_AND, 0, 0, _TYPE_MASK),
            (_EQUAL, 1, 0, _STREAM),
            refused,
            _load(_ARGUMENT + 16),
            (_EQUAL, 1, 0, 0),
            (_EQUAL, 0, 1, _TCP),
            allowed,
            refused,
        ]
    steps: list[Step] = [_load(_ARGUMENT)]
    for family in families[rule]:
        steps += [(_EQUAL, 0, 1, family), allowed]
    return [*steps, refused]


def _load(offset: int) -> Step:
    return (_LOAD, 0, 0, offset)


def _give(action: int) -> Step:
    return (_RETURN, 0, 0, action)


def _when(number: int, steps: list[Step]) -> list[Step]:
    """The steps for one call, whose number is loaded before and after; each way through them gives an answer."""
    return [(_EQUAL, 0, len(steps), number), *steps]
