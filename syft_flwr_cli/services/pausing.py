"""Pause and resume a participant's node: while paused, it serves no app; what it had begun goes on later.

The pause is a file in the participant's directory, so it holds for whichever process is the node and outlives it.
`serving` looks for it; commands for a single run (``run-client``) do not. Prints and asks nothing.
"""

from pathlib import Path

from syft_flwr_cli.storage.paths import make_private_dir, participant_dir, write_private

__all__ = ["pause", "paused_since", "resume"]

FILE = "paused"


def pause(home: Path, email: str) -> None:
    """Let the node of ``email`` serve nothing until `resume`, from its next look on (see `serving.LOOK_AGAIN`)."""
    make_private_dir(participant_dir(home, email))
    write_private(_file(home, email), b"")


def resume(home: Path, email: str) -> None:
    """Let the node serve again what is approved."""
    _file(home, email).unlink(missing_ok=True)


def paused_since(home: Path, email: str) -> float | None:
    """Since when it is paused, in seconds since 1970; None if it is not."""
    try:
        return _file(home, email).stat().st_mtime
    except FileNotFoundError:
        return None


def _file(home: Path, email: str) -> Path:
    return participant_dir(home, email) / FILE
