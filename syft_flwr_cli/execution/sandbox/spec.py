"""What a sandboxed app may see and use, as values; says nothing of how that is enforced.

A `SandboxSpec` is complete: what it does not name is not there. Values go to the processes of the sandbox as
JSON and are read again there with the same checks, so this module needs the standard library alone.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from syft_flwr_cli.protocol.grants import Grants, NetworkGrant

__all__ = ["Kind", "Limits", "Network", "SandboxSpec", "spec_from_json", "spec_to_json"]

Kind = Literal["bwrap", "landlock", "macos", "none"]
Network = Literal["none", "granted", "open"]

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """Hard limits for all processes of the app together, unless it says otherwise.

    Parameters
    ----------
    memory : int, optional
        Bytes of memory; None: three quarters of what the machine has.
    processes : int
        Processes and threads.
    files : int
        Open files of one process.
    file_size : int
        Bytes of one file, shared memory included.
    scratch, results : int
        Bytes in the scratch folder and in the results folder.
    seconds : float
        Wall time of one request.
    cpu_seconds : float, optional
        Processor time of one request; None: not limited beyond ``seconds`` on all processors.
    """

    memory: int | None = None
    processes: int = 1024
    files: int = 4096
    file_size: int = 16 * GIB
    scratch: int = GIB
    results: int = 10 * GIB
    seconds: float = 86_400.0
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """Everything that the app can reach.

    Parameters
    ----------
    programs : tuple of str
        Paths that can be read and executed: the interpreter and its libraries.
    readable : tuple of str
        Paths that can be read, and whose programs cannot be executed: the approved copy, the data.
    directory : str
        The working directory.
    scratch : str
        The scratch folder, which is removed afterwards.
    writable : tuple of str
        Folders that can be written besides the scratch folder.
    results : str, optional
        The folder for results, which stays; it is writable.
    network : str
        ``none``, ``granted`` (only ``grants.network``) or ``open``.
    grants : Grants
        What the owner allowed; the paths are readable and executable.
    gpu : bool
        Whether the devices of GPUs can be used.
    """

    programs: tuple[str, ...]
    readable: tuple[str, ...]
    directory: str
    scratch: str = ""
    writable: tuple[str, ...] = ()
    results: str | None = None
    network: Network = "none"
    grants: Grants = field(default_factory=Grants)
    limits: Limits = field(default_factory=Limits)
    gpu: bool = False


def spec_to_json(spec: SandboxSpec) -> str:
    """The value as one line of JSON."""
    return json.dumps(asdict(spec), separators=(",", ":"))


def spec_from_json(text: str) -> SandboxSpec:
    """The value that `spec_to_json` wrote; ValueError, KeyError or TypeError if it is something else."""
    raw: dict[str, Any] = json.loads(text)
    grants: Mapping[str, Any] = raw.pop("grants")
    limits: Mapping[str, Any] = raw.pop("limits")
    for key in ("programs", "readable", "writable"):
        raw[key] = tuple(raw[key])
    network = tuple(NetworkGrant(str(one["host"]), int(one["port"])) for one in grants["network"])
    granted = Grants(network, tuple(grants["environment"]), tuple(grants["paths"]))
    return SandboxSpec(grants=granted, limits=Limits(**limits), **raw)
