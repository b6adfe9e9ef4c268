"""A view of files, processes and network of their own for an app, made by bubblewrap (``bwrap``).

Gives the command line only. The paths inside are those outside, except the scratch folder, which is ``/tmp``
and is memory of a bounded size. Needs unprivileged user namespaces, or root.
"""

import os
import shutil
from collections.abc import Iterable, Sequence

from syft_flwr_cli.execution.sandbox.addresses import needs_alias
from syft_flwr_cli.execution.sandbox.spec import SandboxSpec

__all__ = ["SCRATCH", "arguments", "program"]

SCRATCH = "/tmp"
_SYSTEM = ("/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/ssl")
_HARDWARE = ("/sys/devices/system/cpu", "/sys/devices/system/node")
_FIRST_FREE_PORT = 1024


def program() -> str | None:
    """Where bubblewrap is installed."""
    return shutil.which("bwrap", path=os.defpath + ":/usr/local/bin:/usr/sbin") or shutil.which("bwrap")


def arguments(bwrap: str, spec: SandboxSpec, hosts: str, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` with what ``spec`` allows.

    Parameters
    ----------
    bwrap : str
        Where bubblewrap is.
    spec : SandboxSpec
        What may be seen.
    hosts : str
        The file that is the file of host names inside.
    command : sequence of str
        What runs; its first word is a path that ``spec`` shows.
    """
    size = str(max(spec.limits.scratch, 4096))
    line = [
        bwrap,
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    if spec.network != "open":
        line += ["--unshare-net"]
    line += ["--die-with-parent", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if spec.network == "granted":
        if any(needs_alias(grant.host) for grant in spec.grants.network):
            line += ["--cap-add", "CAP_NET_ADMIN"]
        if any(grant.port < _FIRST_FREE_PORT for grant in spec.grants.network):
            line += ["--cap-add", "CAP_NET_BIND_SERVICE"]
    line += ["--proc", "/proc", "--dev", "/dev"]
    line += ["--size", size, "--tmpfs", "/dev/shm"]
    if spec.gpu:
        line += _bound("--dev-bind-try", _gpus())
        line += _bound("--ro-bind-try", ["/sys/class/drm", "/sys/bus/pci", "/sys/devices/pci0000:00"])
    line += ["--remount-ro", "/dev", "--size", size, "--tmpfs", SCRATCH]
    line += _bound("--ro-bind-try", (*_SYSTEM, *_HARDWARE))
    if spec.network == "open":
        line += _bound(
            "--ro-bind-try", ["/etc/hosts", "/etc/resolv.conf", os.path.realpath("/etc/resolv.conf")]
        )
    else:
        line += ["--ro-bind", hosts, "/etc/hosts"]
    line += _shown((*spec.programs, *spec.readable, *spec.grants.paths))
    results = (spec.results,) if spec.results is not None else ()
    line += _bound("--bind", _with_targets((*spec.writable, *results)))
    line += ["--remount-ro", "/", "--chdir", spec.directory, "--"]
    return [*line, *command]


def _shown(paths: Sequence[str]) -> list[str]:
    """Top-level symbolic links as links, everything else read-only; what lies in a folder that is shown is there."""
    line: list[str] = []
    shown: list[str] = []
    for path in sorted(_with_targets(paths)):
        if any(path.startswith(folder.rstrip("/") + "/") for folder in shown):
            continue
        if os.path.islink(path) and os.path.dirname(path) == "/":
            line += ["--symlink", os.readlink(path), path]
        else:
            line += _bound("--ro-bind", [path])
            shown.append(path)
    return line


def _with_targets(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(place for path in paths for place in (path, os.path.realpath(path))))


def _bound(option: str, paths: Iterable[str]) -> list[str]:
    return [word for path in paths for word in (option, path, path)]


def _gpus() -> list[str]:
    names = [name for name in os.listdir("/dev") if name.startswith("nvidia") or name in ("kfd", "dri")]
    return [f"/dev/{name}" for name in sorted(names)]
