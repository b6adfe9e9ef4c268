"""The shared folder of this machine, checked before anything is written or remembered: a mistyped one is not made.

A folder that is not there may be a mistake, or a drive that is not mounted; it is made only if that was said, by a flag
or to ``confirm``, which is passed in.
"""

import os
from collections.abc import Callable
from pathlib import Path

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.events import Emit, StoreOpened
from syft_flwr_cli.project.settings import Settings

__all__ = ["check_root", "check_store"]

Confirm = Callable[[str], bool]
"""Asks a person; None in its place where nobody can be asked."""


def check_root(
    root: Path | None, *, create: bool = False, confirm: Confirm | None = None, dry_run: bool = False
) -> None:
    """Refuse a shared folder that is not there, or cannot be written to; make it if that was said.

    With ``dry_run`` nothing is made, and it need not be there yet.

    Raises
    ------
    TransportError
        If it is not there and is not to be made, is no folder, or may not be written.
    """
    if root is None:
        return
    wanted = root.expanduser().absolute()
    there = wanted
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if (why := _why_unusable(there)) is not None:
        raise TransportError(
            f"The shared folder {root} cannot be used: {there} {why}.",
            hint="Give a folder that you may write to with --root DIR.",
        )
    if there == wanted or dry_run:
        return
    if not create and not (
        confirm is not None and confirm(f"The shared folder {root} is not there. Make it?")
    ):
        raise TransportError(
            f"The shared folder {root} is not there.",
            hint="Correct --root DIR, mount it, or have it made with --create-root.",
        )
    wanted.mkdir(parents=True, exist_ok=True)


def _why_unusable(there: Path) -> str | None:
    """Why nothing can be written into the folder ``there``; None if something can."""
    if not there.is_dir():
        return "is no folder"
    if os.access(there, os.W_OK | os.X_OK):
        return None
    if os.statvfs(there).f_flag & os.ST_RDONLY:
        return "is on a file system that is mounted read-only"
    return "may not be written by you"


def check_store(
    settings: Settings, emit: Emit, *, create: bool = False, confirm: Confirm | None = None
) -> None:
    """Check the shared folder of ``settings``, if the transport has one, and say which store is used."""
    check_root(settings.root, create=create, confirm=confirm)
    emit(StoreOpened(settings.transport, str(settings.root or "")))
