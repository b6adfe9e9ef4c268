"""Signs of life: when a peer's node last said that it was at work, read from its presence document in a shared folder.

Only what its owner has signed counts. It asks nobody and makes nothing; where the store is no folder of this machine
nothing is known.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.presence import MAX_PRESENCE, PRESENCE_PATH, read_presence
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.transports.folder import posix

__all__ = ["last_signs"]


def last_signs(space: Path | None, email: str, peers: Iterable[PublicIdentity]) -> dict[str, int]:
    """When each of ``peers`` was last at work (seconds since 1970); those of whom nothing is known are left out.

    Parameters
    ----------
    space : Path, optional
        The folder of ``email`` in the store, if that is a folder.
    email : str
        Whose.
    peers : iterable of PublicIdentity
        The keys that are trusted for them.
    """
    if space is None or email not in space.parts:
        return {}
    at = len(space.parts) - 1 - space.parts[::-1].index(email)
    root, inside = Path(*space.parts[:at]), space.parts[at + 1 :]
    *folder, name = PRESENCE_PATH.split("/")
    found = {}
    for peer in peers:
        try:
            with posix.entered(root, [peer.email, *inside, *folder]) as here:
                with os.fdopen(posix.open_plain_file(name, here), "rb") as stream:
                    found[peer.email] = read_presence(stream.read(MAX_PRESENCE + 1), peer)
        except (OSError, RefusedError):
            continue
    return found
