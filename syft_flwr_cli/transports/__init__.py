"""Transports: a dumb store each, behind the one contract of ``base``, chosen by name and by nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from syft_flwr_cli.errors import UsageError

if TYPE_CHECKING:
    from syft_flwr_cli.transports.base import Transport

__all__ = ["TRANSPORTS", "check_transport", "open_transport"]

TRANSPORTS = ("local", "syftbox", "gdrive")
"""The names that a configuration can hold."""

_ALIASES = {"folder": "local", "p2p": "gdrive"}


def check_transport(name: str) -> str:
    """Return the proper name of the transport ``name``, which may be an alias.

    Raises
    ------
    UsageError
        If there is no such transport.
    """
    proper = _ALIASES.get(name.strip().lower(), name.strip().lower())
    if proper not in TRANSPORTS:
        raise UsageError(
            f"There is no transport {name!r}.",
            hint=f"Known are {', '.join(TRANSPORTS[:-1])} and {TRANSPORTS[-1]}.",
        )
    return proper


def open_transport(
    name: str,
    *,
    email: str | None,
    root: Path | None,
    config_path: Path | None,
    poll_interval: float,
    state_dir: Path,
    sign: Callable[[bytes], bytes] | None = None,
    check: Callable[[str, bytes, bytes], bool | None] | None = None,
) -> "Transport":
    """Open one participant's view of a store; what the others do not need is not imported.

    Parameters
    ----------
    name : str
        ``local`` (alias ``folder``), ``syftbox`` or ``gdrive`` (alias ``p2p``).
    email : str, optional
        Whose view; SyftBox knows it by itself.
    root : Path, optional
        The shared directory of ``local``.
    config_path : Path, optional
        SyftBox's ``config.json``; without it, where SyftBox puts it.
    poll_interval : float
        Seconds between two looks at the most.
    state_dir : Path
        Where a transport may keep what it has to remember between two runs.
    sign, check : callables, optional
        Sign what we tell peers of where to look, and check what a peer tells (owner, message, signature);
        None where its key is not known yet. Only Drive has any use for them.

    Raises
    ------
    UsageError
        If there is no such transport, or it lacks what it needs.
    TransportError
        If the store cannot be used.
    """
    proper = check_transport(name)
    if proper == "syftbox":
        from syft_flwr_cli.transports.syftbox import SyftBoxTransport

        return SyftBoxTransport(config_path, email, poll_interval)
    if not email:
        raise UsageError(
            f"The transport {proper!r} has to know whose messages it carries.",
            hint="Give --email, or set SYFTBOX_EMAIL.",
        )
    if proper == "gdrive":
        from syft_flwr_cli.transports.gdrive.open import open_gdrive

        return open_gdrive(
            email=email, state_dir=state_dir, poll_interval=poll_interval, sign=sign, check=check
        )
    if root is None:
        raise UsageError(
            "The transport 'local' has to know the folder that the participants share.",
            hint="Give --root DIR.",
        )
    from syft_flwr_cli.transports.folder.transport import FolderTransport

    return FolderTransport(root, email, poll_interval)
