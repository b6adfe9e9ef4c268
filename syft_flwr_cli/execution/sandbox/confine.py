"""The last step before an app's interpreter starts: this process confines itself, then becomes the interpreter.

Order matters and is the module's whole content: limits, listening sockets for what was granted, privileges
given up, files, system calls. Everything here holds for all that the process starts. Runs inside bubblewrap
as a program of its own, and without it in the process that the supervisor forks.
"""

import fcntl
import json
import os
import resource
import signal
import socket
import struct
from collections.abc import Sequence

from syft_flwr_cli.execution.sandbox import kernel, landlock, seccomp
from syft_flwr_cli.execution.sandbox.addresses import address_inside, needs_alias
from syft_flwr_cli.execution.sandbox.spec import SandboxSpec, spec_from_json

__all__ = ["confine", "main"]

_SET_ADDRESS, _SET_MASK, _GET_FLAGS, _SET_FLAGS, _UP = 0x8916, 0x891C, 0x8913, 0x8914, 1


def main(arguments: Sequence[str]) -> None:
    """Confine this process and become the command: ``[kind, spec, descriptor, program, argument, …]``."""
    kind, spec, descriptor, *command = arguments
    with socket.socket(fileno=int(descriptor)) as supervisor:
        confine(spec_from_json(spec), kind, supervisor)
    os.execv(command[0], command)


def confine(spec: SandboxSpec, kind: str, supervisor: socket.socket) -> None:
    """Confine this process; what the supervisor has to serve is sent to it.

    Parameters
    ----------
    spec : SandboxSpec
        What is to hold.
    kind : str
        ``bwrap`` (the view of files and the network are there already) or ``landlock``.
    supervisor : socket
        Gets one message: ``{"asks": bool}`` as JSON, with the descriptor on which the kernel asks for new
        processes, if it does, then the listening sockets, in the order of the granted addresses.

    Raises
    ------
    OSError
        If something cannot be enforced that was found to be possible before. Nothing may be run then.
    """
    _limit(spec)
    listening = _listen(spec) if kind == "bwrap" and spec.network == "granted" else []
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if kind == "landlock" or kernel.landlock_abi():
        landlock.restrict(spec, whole=kind == "landlock")
    descriptor, asks = _filter(_sockets(spec, kind))
    descriptors = [*([descriptor] if descriptor is not None else []), *(one.fileno() for one in listening)]
    socket.send_fds(supervisor, [json.dumps({"asks": asks}).encode()], descriptors)
    if descriptor is not None:
        os.close(descriptor)
    for one in listening:
        one.close()


def _sockets(spec: SandboxSpec, kind: str) -> seccomp.Sockets:
    if spec.network == "open":
        return "open"
    if kind == "bwrap":
        # In a network and a view of files of its own, what a Unix socket reaches is inside too.
        return "local" if spec.network == "granted" else "unix"
    return "tcp" if spec.network == "granted" else "none"


def _filter(sockets: seccomp.Sockets) -> tuple[int | None, bool]:
    try:
        return seccomp.install(sockets, ask=True), True
    except OSError:
        # Before Linux 5.0, and where another filter asks already: the supervisor then counts now and then.
        seccomp.install(sockets, ask=False)
        return None, False


def _limit(spec: SandboxSpec) -> None:
    limits = spec.limits
    wanted = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, limits.file_size),
    ]
    if limits.memory is not None:
        wanted.append((resource.RLIMIT_DATA, limits.memory))
    if limits.cpu_seconds is not None:
        pass  # counted by the request, by the supervisor: this limit is for the life of a process
    for kind, value in wanted:
        highest = resource.getrlimit(kind)[1]
        most = value if highest == resource.RLIM_INFINITY else min(value, highest)
        resource.setrlimit(kind, (most, most))


def _listen(spec: SandboxSpec) -> list[socket.socket]:
    """A listening socket for each granted address, in this network, which has nothing but loopback."""
    listening = []
    for index, grant in enumerate(spec.grants.network):
        address = address_inside(grant.host, index)
        if needs_alias(grant.host):
            _add_address(index, address)
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, grant.port))
        server.listen(64)
        listening.append(server)
    return listening


def _add_address(index: int, address: str) -> None:
    """Give the loopback interface a further address, so that what is named by its number is found."""
    name = f"lo:{index + 1}".encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for request, number in ((_SET_ADDRESS, address), (_SET_MASK, "255.255.255.255")):
            place = struct.pack("<HH4s8x", socket.AF_INET, 0, socket.inet_aton(number))
            fcntl.ioctl(any_socket, request, struct.pack("16s16s", name, place))
