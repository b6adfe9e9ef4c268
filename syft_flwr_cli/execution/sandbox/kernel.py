"""The calls to the Linux kernel that Python's standard library does not have, by ctypes.

Numbers and structures are those of the kernel's public headers (linux/prctl.h, linux/seccomp.h,
linux/landlock.h, asm/unistd_64.h and asm-generic/unistd.h). Errors of the kernel are OSError.
"""

import ctypes
import os
import platform
import struct
from typing import Any

__all__ = ["call", "drop_capabilities", "landlock_abi", "machine", "prctl", "system_calls"]

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
CAP_LAST = 40
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2

_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def machine() -> tuple[str, int] | None:
    """The machine's name and its audit architecture; None if the numbers of its calls are not known here."""
    name = platform.machine()
    return (name, _ARCHES[name]) if name in _ARCHES else None


def prctl(option: int, *values: int) -> int:
    """``prctl(2)``."""
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return _checked(_libc().prctl(option, *padded))


def call(name: str, *arguments: Any) -> int:
    """A system call by its name in `system_calls`."""
    found = machine()
    if found is None:
        raise OSError(38, f"system calls of {platform.machine()} are not known")
    return _checked(_libc().syscall(ctypes.c_long(system_calls(found[0])[name]), *arguments))


def landlock_abi() -> int:
    """The version of Landlock that this kernel offers; 0 if none."""
    try:
        return call("landlock_create_ruleset", None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except OSError:
        return 0


def drop_capabilities() -> None:
    """Give up every privilege of root but reading and writing files, which the sandbox governs by itself."""
    keep = (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)
    for capability in range(CAP_LAST + 1):
        if capability not in keep:
            try:
                prctl(PR_CAPBSET_DROP, capability)
            except OSError:
                return  # not root: there is nothing to give up
    bits = sum(1 << capability for capability in keep)
    header = struct.pack("<Ii", 0x20080522, 0)
    data = struct.pack("<IIIIII", bits, bits, 0, 0, 0, 0)
    call("capset", ctypes.c_char_p(header), ctypes.c_char_p(data))


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def system_calls(name: str) -> dict[str, int]:
    """The numbers of the calls that are needed here, for ``x86_64`` or ``aarch64``."""
    column = 0 if name == "x86_64" else 1
    table = {row.split()[0]: row.split()[1 + column] for row in _NUMBERS.strip().splitlines()}
    return {key: int(value) for key, value in table.items() if value != "-"}


_NUMBERS = """
seccomp 317 277
capset 126 91
landlock_create_ruleset 444 444
landlock_add_rule 445 445
landlock_restrict_self 446 446
clone 56 220
clone3 435 435
fork 57 -
vfork 58 -
socket 41 198
socketpair 53 199
ioctl 16 29
prlimit64 302 261
ptrace 101 117
process_vm_readv 310 270
process_vm_writev 311 271
kcmp 312 272
pidfd_getfd 438 438
process_madvise 440 440
unshare 272 97
setns 308 268
mount 165 40
umount2 166 39
pivot_root 155 41
chroot 161 51
open_tree 428 428
move_mount 429 429
fsopen 430 430
fsconfig 431 431
fsmount 432 432
fspick 433 433
mount_setattr 442 442
keyctl 250 219
add_key 248 217
request_key 249 218
bpf 321 280
perf_event_open 298 241
userfaultfd 323 282
io_uring_setup 425 425
io_uring_enter 426 426
io_uring_register 427 427
init_module 175 105
finit_module 313 273
delete_module 176 106
kexec_load 246 104
kexec_file_load 320 294
reboot 169 142
swapon 167 224
swapoff 168 225
acct 163 89
quotactl 179 60
quotactl_fd 443 443
name_to_handle_at 303 264
open_by_handle_at 304 265
settimeofday 164 170
clock_settime 227 112
adjtimex 159 171
clock_adjtime 305 266
sethostname 170 161
setdomainname 171 162
syslog 103 116
ioperm 173 -
iopl 172 -
vhangup 153 58
fanotify_init 300 262
move_pages 279 239
migrate_pages 256 238
shmget 29 194
semget 64 190
msgget 68 186
mq_open 240 180
memfd_secret 447 447
"""
