"""Which kind of sandbox an app runs in: the one that was asked for, or the strongest that works here."""

from collections.abc import Sequence

from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.execution.sandbox.capabilities import Capability, capabilities

__all__ = ["KINDS", "choose"]

KINDS = ("auto", "bwrap", "landlock", "macos", "none")


def choose(wanted: str, found: Sequence[Capability] | None = None) -> Capability:
    """The kind to use.

    Parameters
    ----------
    wanted : str
        One of `KINDS`; ``auto`` never gives ``none``.
    found : sequence of Capability, optional
        What this machine can do, the strongest first; looked up if None.

    Raises
    ------
    UsageError
        If ``wanted`` is no kind.
    SyftFlwrError
        If the kind does not work here, or none does.
    """
    if wanted not in KINDS:
        raise UsageError(f"Unknown sandbox {wanted!r}.", hint=f"Use one of {', '.join(KINDS)}.")
    known = capabilities() if found is None else found
    if wanted != "auto":
        chosen = next(one for one in known if one.kind == wanted)
        if not chosen.works:
            raise SyftFlwrError(
                f"The sandbox {wanted} does not work on this machine: {chosen.why}.",
                hint="Use --sandbox auto for the strongest that does.",
            )
        return chosen
    for one in known:
        if one.works and one.kind != "none":
            return one
    reasons = "; ".join(f"{one.kind}: {one.why}" for one in known if not one.works)
    raise SyftFlwrError(
        f"No sandbox works on this machine ({reasons}), so the app would see all that you can.",
        hint="Install bubblewrap, or decide to run it without: --sandbox none. That decision is recorded.",
    )
