"""What the commands about keys share: whose keys they are, how they are opened, and how a peer is shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from collections.abc import Callable

    from syft_flwr_cli.security.identity import Identity
    from syft_flwr_cli.security.roster import Entry

__all__ = ["PassphraseFile", "Words", "own_keys", "participant", "passphrase_of", "show_peer"]

Words = Annotated[
    str | None,
    typer.Option(
        "--words", help="The words that were read out to you.", metavar="'W W W …'", show_default=False
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="Its first line is the new passphrase; - for stdin.",
        metavar="FILE",
        show_default=False,
    ),
]


def participant(email: str | None) -> tuple[Path, str]:
    """The directory and the e-mail of whoever types."""
    from syft_flwr_cli.services.current_participant import current_participant
    from syft_flwr_cli.storage.paths import home, participant_dir

    here = home()
    me = current_participant(here, email)
    return participant_dir(here, me), me


def passphrase_of(email: str) -> "Callable[[], bytes]":
    """Where the passphrase of somebody comes from when it is needed."""
    from syft_flwr_cli.security.passphrase import passphrase_source

    return passphrase_source(email)


def own_keys(directory: Path, me: str) -> "Callable[[], Identity]":
    """One's own keys when they are needed; that they were made is said."""

    def open_them() -> "Identity":
        from syft_flwr_cli.security.identity import FILE_NAME
        from syft_flwr_cli.services import keys

        identity, created = keys.open_or_make(directory, me, passphrase_of(me))
        if created:
            output.note(f"Made the keys of {me}: {directory / FILE_NAME}")
        return identity

    return open_them


def show_peer(entry: "Entry", as_json: bool, sentence: str) -> None:
    """A peer's key, as a document or in a sentence."""
    from syft_flwr_cli.ui.keys import describe_peer

    if as_json:
        output.emit_json(describe_peer(entry))
    else:
        output.note(sentence)
