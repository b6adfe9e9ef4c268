"""What one project's app sees on a data owner's machine: the paths, the limits and the grants, put together.

Knows which folders a node has; how a sandbox is made of them is the business of `execution.sandbox`.
"""

from pathlib import Path

import syft_flwr_cli
from syft_flwr_cli.consent.policy import Policy
from syft_flwr_cli.errors import NotApprovedError, UsageError
from syft_flwr_cli.execution.sandbox.capabilities import ASPECTS, Capability
from syft_flwr_cli.execution.sandbox.interpreter import interpreter_paths
from syft_flwr_cli.execution.sandbox.launch import Sandbox
from syft_flwr_cli.execution.sandbox.spec import Limits, SandboxSpec
from syft_flwr_cli.protocol.grants import Grants, grants_to_text

__all__ = ["app_sandbox", "sandbox_limits", "stated"]


def app_sandbox(
    capability: Capability,
    *,
    code: Path,
    data: Path | None,
    python: Path | None,
    elsewhere: Path | None,
    home: Path | None = None,
    foreign: bool = False,
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
    home : Path, optional
        ``SYFT_FLWR_HOME``: nothing in it is shown but what is named here.
    foreign : bool
        Whether the app's environment came with the project, or holds the packages of its lock.
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
        programs=tuple(interpreter_paths(python, hidden, [] if home is None else [home], foreign=foreign)),
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


def sandbox_limits(policy: Policy, capability: Capability, grants: Grants, memory: int | None) -> Limits:
    """The limits that hold, where the owner's policy allows this sandbox and these grants.

    Parameters
    ----------
    policy : Policy
        The owner's.
    capability : Capability
        The kind of sandbox that was chosen.
    grants : Grants
        What was allowed for this project.
    memory : int, optional
        Bytes that were asked for.

    Raises
    ------
    NotApprovedError
        If the policy demands what this sandbox does not keep, or forbids what was granted.
    UsageError
        If the policy names an aspect that there is not.
    """
    if policy.sandbox is not None:
        unknown = [name for name in policy.sandbox if name not in ASPECTS]
        if unknown:
            raise UsageError(
                f"Your policy demands {unknown[0]!r} of a sandbox, which there is not.",
                hint=f"Name of: {', '.join(ASPECTS)}.",
            )
        weak = [name for name in policy.sandbox if name in capability.unenforced()]
        if capability.kind == "none" or weak:
            lacks = f" and {capability.kind} does not keep {', '.join(weak)} here" if weak else ""
            raise NotApprovedError(
                f"Your policy demands a sandbox{lacks}, so the app does not run (--sandbox {capability.kind}).",
                hint="Use --sandbox auto, without --isolation inline, on a machine that can do it (syft-flwr doctor).",
            )
    if grants.network and not policy.network:
        raise NotApprovedError(
            "Your policy allows no network, and the approval of this project grants some.",
            hint="Approve it again without --allow-net, or change the policy.",
        )
    bounds = [bound for bound in (policy.memory, memory) if bound is not None]
    seconds = Limits().seconds if policy.seconds is None else float(policy.seconds)
    return Limits(memory=min(bounds, default=None), seconds=seconds)


def stated(capability: Capability, grants: Grants) -> str:
    """What an app runs in, as every response states it."""
    parts: list[str] = [capability.kind]
    weak = capability.unenforced()
    if capability.kind != "none" and weak:
        parts.append(f"not enforced: {', '.join(weak)}")
    if grants:
        parts.append(f"granted: {grants_to_text(grants)}")
    return "; ".join(parts)[:1000]
