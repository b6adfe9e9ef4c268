"""What one project's app sees on a data owner's machine: the paths, the limits and the grants, put together.

Knows which folders a node has; how a sandbox is made of them is the business of `execution.sandbox`.
"""

from pathlib import Path

import syft_flwr_cli
from syft_flwr_cli.execution.sandbox.capabilities import Capability
from syft_flwr_cli.execution.sandbox.interpreter import interpreter_paths
from syft_flwr_cli.execution.sandbox.launch import Sandbox
from syft_flwr_cli.execution.sandbox.spec import Limits, SandboxSpec
from syft_flwr_cli.protocol.grants import Grants

__all__ = ["app_sandbox"]


def app_sandbox(
    capability: Capability,
    *,
    code: Path,
    data: Path | None,
    python: Path | None,
    elsewhere: Path | None,
    bytecode: Path | None = None,
    results: Path | None = None,
    grants: Grants | None = None,
    limits: Limits | None = None,
    gpu: bool = False,
) -> Sandbox | None:
    """The sandbox for an app; None where ``capability`` is that of no sandbox.

    Parameters
    ----------
    capability : Capability
        The kind that was chosen.
    code : Path
        The approved copy.
    data : Path, optional
        The folder or file with the data.
    python : Path, optional
        The interpreter of the app's environment; this one's if None.
    elsewhere : Path, optional
        Where the project lies that ``code`` is the copy of: it is not shown.
    bytecode, results : Path, optional
        Folders that can be written.
    grants, limits, gpu
        What the owner decided.
    """
    if capability.kind == "none":
        return None
    granted = grants or Grants()
    hidden = [] if elsewhere is None else [elsewhere]
    readable = [str(code.absolute()), str(Path(syft_flwr_cli.__file__).parent)]
    if data is not None:
        readable.append(str(data.absolute()))
    spec = SandboxSpec(
        programs=tuple(interpreter_paths(python, hidden)),
        readable=tuple(readable),
        directory=str(code.absolute()),
        writable=() if bytecode is None else (str(bytecode),),
        results=None if results is None else str(results),
        network="open" if granted.whole_network else "granted" if granted.network else "none",
        grants=granted,
        limits=limits or Limits(),
        gpu=gpu,
    )
    return Sandbox(capability, spec)
