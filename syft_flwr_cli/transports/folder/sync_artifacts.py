"""Which names are what a sync client leaves behind, and never a file that somebody published.

Dropbox, Syncthing, Nextcloud, OneDrive, Google Drive for desktop, rsync and SyftBox write temporary
names first, and keep both versions of what collided under a name of their own. Such files are not
told of. Decided by the name alone; nothing here touches a disk.
"""

import re

__all__ = ["is_conflict", "is_leftover", "is_rejected", "original_name"]

_TEMPORARY = re.compile(r"^\.|^~|~$|\.(tmp|temp|part|partial|crdownload|swp)$", re.IGNORECASE)

_CONFLICT = re.compile(
    r"""
      \.conflict(\.|$)            # SyftBox: NAME.conflict.EXT, NAME.conflict.TIME.EXT
    | \.syftconflict(\.|$)        # SyftBox, older
    | conflicted\ copy            # Dropbox, Nextcloud: NAME (x's conflicted copy 2024-01-01).EXT
    | [._-]conflict-\d{8}         # ownCloud: NAME_conflict-20240101-120000.EXT
    | \.sync-conflict-            # Syncthing: NAME.sync-conflict-20240101-120000-ID.EXT
    """,
    re.IGNORECASE | re.VERBOSE,
)

_REJECTED = re.compile(r"\.rejected(\.|$)|\.syftrejected(\.|$)", re.IGNORECASE)

_MARKER = re.compile(r"\.(conflict|rejected|syftconflict|syftrejected)(\.\d+)?(?=\.|$)", re.IGNORECASE)


def is_conflict(name: str) -> bool:
    """Whether ``name`` is the copy that a sync client keeps of one side of a collision."""
    return bool(_CONFLICT.search(name))


def is_rejected(name: str) -> bool:
    """Whether ``name`` is SyftBox's mark on a file that its server refused."""
    return bool(_REJECTED.search(name))


def is_leftover(name: str) -> bool:
    """Whether ``name`` is temporary, hidden, a conflict copy or a rejected file."""
    return bool(_TEMPORARY.search(name)) or is_conflict(name) or is_rejected(name)


def original_name(name: str) -> str:
    """The name of the file that a SyftBox marker stands beside: without the marker and its time."""
    return _MARKER.sub("", name, count=1)
