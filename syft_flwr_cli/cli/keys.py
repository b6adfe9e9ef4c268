"""``syft-flwr keys``: your own keys, and whose keys you trust."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["register"]

Peer = Annotated[str, typer.Argument(help="The other participant's e-mail.", metavar="PEER")]
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
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    group = typer.Typer(name="keys", help="Your own keys, and whose keys you trust.", no_args_is_help=True)
    _own_commands(group)
    _peer_commands(group)
    _file_commands(group)
    app.add_typer(group)


def _own_commands(group: typer.Typer) -> None:
    @group.command(epilog="Example: syft-flwr keys show --email do1@a.example")
    def show(email: Email = None, as_json: Json = False) -> None:
        """Show the words and the fingerprint of your own keys; make them if there are none."""
        from syft_flwr_cli.cli import own_keys

        directory, me = _place(email)
        own_keys.show(directory, me, as_json)

    @group.command(
        epilog="Example: syft-flwr keys rotate   ·   after a theft: syft-flwr keys rotate --revoke"
    )
    def rotate(
        revoke: Annotated[
            bool,
            typer.Option("--revoke", help="The old keys fell into wrong hands; peers must compare anew."),
        ] = False,
        yes: Yes = False,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Make new keys, signed by the old ones, so that your peers accept them."""
        from syft_flwr_cli.cli import own_keys

        directory, me = _place(email)
        if revoke:
            _sure(f"The keys of {me} will be void, and every peer must compare the new ones.", yes)
        own_keys.rotate(directory, me, revoke, as_json)

    @group.command(epilog="Example: syft-flwr keys revoke do1@a.example")
    def revoke(
        peer: Annotated[
            str | None,
            typer.Argument(help="Whose key to trust no more.", metavar="[PEER]", show_default="your own"),
        ] = None,
        yes: Yes = False,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Declare your own keys void, or trust a peer's key no more."""
        from syft_flwr_cli.cli import own_keys, peer_keys

        directory, me = _place(email)
        if peer is None:
            _sure(f"The keys of {me} will be void.", yes)
            own_keys.revoke(directory, me, as_json)
        else:
            peer_keys.distrust(directory, me, peer, as_json)

    @group.command(epilog="Example: syft-flwr keys protect   ·   syft-flwr keys protect --keyring")
    def protect(
        passphrase_file: PassphraseFile = None,
        keyring: Annotated[
            bool, typer.Option("--keyring", help="Let your system's keyring keep a random passphrase.")
        ] = False,
        remove: Annotated[bool, typer.Option("--remove", help="Keep the keys without a passphrase.")] = False,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Put your private keys under a passphrase, or under another one."""
        from syft_flwr_cli.cli import own_keys

        directory, me = _place(email)
        own_keys.protect(directory, me, passphrase_file, keyring, remove, as_json)


def _peer_commands(group: typer.Typer) -> None:
    @group.command("list", epilog="Example: syft-flwr keys list --json")
    def list_(email: Email = None, as_json: Json = False) -> None:
        """List everybody whose key you know, since when, and whether it was compared."""
        from syft_flwr_cli.cli import peer_keys

        peer_keys.show_all(_place(email)[0], as_json)

    @group.command(epilog='Example: syft-flwr keys verify do1@a.example --words "acorn beaver canal …"')
    def verify(peer: Peer, words: Words = None, email: Email = None, as_json: Json = False) -> None:
        """Note that you compared a peer's words with what the peer read out to you."""
        from syft_flwr_cli.cli import peer_keys

        directory, me = _place(email)
        peer_keys.verify(directory, me, peer, words, as_json)

    @group.command(epilog='Example: syft-flwr keys trust do1@a.example --words "acorn beaver canal …"')
    def trust(peer: Peer, words: Words = None, email: Email = None, as_json: Json = False) -> None:
        """Accept a key that was refused because it had changed, after you compared its words."""
        from syft_flwr_cli.cli import peer_keys

        directory, me = _place(email)
        peer_keys.trust(directory, me, peer, words, as_json)


def _file_commands(group: typer.Typer) -> None:
    @group.command(
        epilog="Example: syft-flwr keys export > me.json   ·   syft-flwr keys export --private -o backup.json"
    )
    def export(
        destination: Annotated[
            Path | None,
            typer.Option(
                "--output",
                "-o",
                help="The file to write; must not exist.",
                metavar="FILE",
                show_default=False,
            ),
        ] = None,
        private: Annotated[bool, typer.Option("--private", help="A backup of the private keys.")] = False,
        passphrase_file: PassphraseFile = None,
        unprotected: Annotated[
            bool, typer.Option("--unprotected", help="Write a backup that needs no passphrase.")
        ] = False,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Hand out your public key document, or back up your private keys."""
        from syft_flwr_cli.cli import own_keys

        directory, me = _place(email)
        own_keys.export(directory, me, destination, private, passphrase_file, unprotected, as_json)

    @group.command("import", epilog='Example: syft-flwr keys import do1.json --words "acorn beaver canal …"')
    def import_(
        file: Annotated[
            Path,
            typer.Argument(help="A peer's document or a backup of your keys; - for stdin.", metavar="FILE"),
        ],
        words: Words = None,
        replace: Annotated[
            bool, typer.Option("--replace", help="Take the backup's keys instead of those that are here.")
        ] = False,
        email: Email = None,
        as_json: Json = False,
    ) -> None:
        """Learn a peer's key from a file instead of from its folder, or restore your own from a backup."""
        from syft_flwr_cli.cli import own_keys, peer_keys

        data = _read(file)
        if b'"format":"syft-flwr private identity"' in data[:100]:
            own_keys.restore(_directories(), data, _said(email), replace, as_json)
        else:
            directory, me = _place(email)
            peer_keys.admit(directory, me, data, words, as_json)


def _place(email: str | None) -> tuple[Path, str]:
    from syft_flwr_cli.cli.me import who_am_i
    from syft_flwr_cli.storage.paths import home, participant_dir

    here = home()
    me = who_am_i(here, email)
    return participant_dir(here, me), me


def _directories() -> "Callable[[str], Path]":
    from syft_flwr_cli.storage.paths import home, participant_dir

    here = home()
    return lambda email: participant_dir(here, email)


def _said(email: str | None) -> str | None:
    import os

    from syft_flwr_cli.protocol.names import check_email

    said = email or os.environ.get("SYFTBOX_EMAIL", "").strip()
    return check_email(said) if said else None


def _read(file: Path) -> bytes:
    import sys

    from syft_flwr_cli.security.key_file import MAX_KEY_FILE

    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(MAX_KEY_FILE)
        with file.open("rb") as stream:
            return stream.read(MAX_KEY_FILE)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", hint="Name a file that can.") from error


def _sure(what: str, yes: bool) -> None:
    from syft_flwr_cli.security.passphrase import has_terminal

    if yes:
        return
    if not has_terminal():
        raise UsageError(f"{what} There is no terminal to ask whether you are sure.", hint="Add --yes.")
    typer.confirm(f"{what} Are you sure?", abort=True, err=True)
