"""``syft-flwr keys``: your own keys, and whose keys you trust."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli import completing
from syft_flwr_cli.cli.asking import make_sure, words_agree
from syft_flwr_cli.cli.key_files import add_file_commands
from syft_flwr_cli.cli.key_owner import (
    PassphraseFile,
    Words,
    own_keys,
    participant,
    passphrase_of,
    show_peer,
)
from syft_flwr_cli.cli.options import Email, Json, ProjectPath, Root
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.ui import output

__all__ = ["register"]

Peer = Annotated[
    str,
    typer.Argument(
        help="The other participant's e-mail.",
        metavar="PEER",
        autocompletion=completing.peers,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    group = typer.Typer(name="keys", help="Your own keys, and whose keys you trust.", no_args_is_help=True)
    _own_commands(group)
    _peer_commands(group)
    add_file_commands(group)
    app.add_typer(group)


def _own_commands(group: typer.Typer) -> None:
    @group.command(epilog="Example: syft-flwr keys show --email do1@a.example")
    def show(email: Email = None, as_json: Json = False) -> None:
        """Show the words and the fingerprint of your own keys; make them if there are none."""
        from syft_flwr_cli.services import keys
        from syft_flwr_cli.ui.keys import describe, show_own

        directory, me = participant(email)
        found = keys.own_keys(directory, me, passphrase_of(me))
        if found.created:
            output.note(f"Made the keys of {me}: {found.file}")
        if as_json:
            file = str(found.file)
            output.emit_json({**describe(found.public), "protected": found.protected, "file": file})
        else:
            show_own(found)

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
        from syft_flwr_cli.services import keys
        from syft_flwr_cli.ui.keys import describe, print_facts

        directory, me = participant(email)
        if revoke:
            make_sure(f"The keys of {me} will be void, and every peer must compare the new ones.", yes)
        done = keys.rotate(directory, me, passphrase_of(me), revoke=revoke)
        void = done.after.revokes_previous
        if as_json:
            output.emit_json({**describe(done.after), "revokes_previous": void})
            return
        print_facts({"old words": done.before.words, "new words": done.after.words})
        output.note(
            "Others see it when you next start run-server or run-client; restart what is running now."
        )
        output.note(
            "Nobody trusts the new keys yet. next: read the new words out to every peer, who types: "
            f"syft-flwr keys trust {me}"
            if void
            else "Peers who knew the old keys accept the new ones by themselves; do not rotate again before "
            "they did. next: syft-flwr keys show"
        )

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
        from syft_flwr_cli.services import keys, peer_keys
        from syft_flwr_cli.ui.keys import describe

        directory, me = participant(email)
        if peer is not None:
            entry = peer_keys.distrust(directory, own_keys(directory, me), peer)
            show_peer(
                entry, as_json, f"The key of {entry.email} is not trusted any more. next: syft-flwr keys list"
            )
            return
        make_sure(f"The keys of {me} will be void.", yes)
        void = keys.revoke(directory, me, passphrase_of(me))
        if as_json:
            output.emit_json(describe(void))
            return
        output.note(f"The keys {void.words} are revoked.")
        output.note(
            "They are published as revoked together with new ones. next: syft-flwr keys rotate --revoke"
        )

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
        from syft_flwr_cli.security.passphrase import ask_new_passphrase
        from syft_flwr_cli.services import keys

        directory, me = participant(email)
        if keyring + remove + (passphrase_file is not None) > 1:
            raise UsageError(
                "--keyring, --remove and --passphrase-file exclude each other.", hint="Give one of them."
            )
        new = (
            partial(keys.keyring_passphrase, me) if keyring else partial(ask_new_passphrase, passphrase_file)
        )
        keys.protect(directory, me, passphrase_of(me), None if remove else new)
        if as_json:
            output.emit_json({"email": me, "protected": not remove, "keyring": keyring})
        elif remove:
            output.note(f"The keys of {me} are not protected by a passphrase any more.")
        elif keyring:
            output.note(f"The keys of {me} open with a passphrase that your system's keyring keeps.")
        else:
            output.note(
                f"The keys of {me} are protected. next: set SYFT_FLWR_PASSPHRASE where nobody can type it."
            )

    @group.command(epilog="Example: syft-flwr keys publish study --replace")
    def publish(
        project: ProjectPath = Path(),
        replace: Annotated[
            bool, typer.Option("--replace", help="Also in place of another key of yours that is there.")
        ] = False,
        yes: Yes = False,
        email: Email = None,
        root: Root = None,
        as_json: Json = False,
    ) -> None:
        """Put your key document where the peers of a project look for it."""
        from syft_flwr_cli.project.config import load_project
        from syft_flwr_cli.project.settings import resolve
        from syft_flwr_cli.session.session import open_session
        from syft_flwr_cli.storage.paths import home
        from syft_flwr_cli.ui.keys import describe

        here, found = home(), load_project(project)
        settings = resolve(found, home=here, email=email, root=root)
        if replace:
            make_sure("Peers who know the key that is there must compare and trust yours anew.", yes)
        opened = open_session(settings, here, exclusive=False, replace_key=replace)
        try:
            public = opened.channel.account.identity.public
        finally:
            opened.close()
        if as_json:
            output.emit_json(describe(public))
        output.note(f"The key of {public.email} is published: {public.words}")


def _peer_commands(group: typer.Typer) -> None:
    @group.command("list", epilog="Example: syft-flwr keys list --json")
    def list_(email: Email = None, as_json: Json = False) -> None:
        """List everybody whose key you know, since when, and whether it was compared."""
        from syft_flwr_cli.services import peer_keys
        from syft_flwr_cli.ui.keys import describe_peer, show_peers

        entries = peer_keys.known_peers(participant(email)[0])
        if as_json:
            output.emit_json([describe_peer(entry) for entry in entries])
        else:
            show_peers(entries)

    @group.command(epilog='Example: syft-flwr keys verify do1@a.example --words "acorn beaver canal …"')
    def verify(peer: Peer, words: Words = None, email: Email = None, as_json: Json = False) -> None:
        """Note that you compared a peer's words with what the peer read out to you.

        Read all six words. Together they are 66 bits, drawn slowly: a key that agrees in three can be found by trying,
        one that agrees in all six cannot.
        """
        from syft_flwr_cli.services import peer_keys

        directory, me = participant(email)
        entry = peer_keys.verify(directory, own_keys(directory, me), peer, words, words_agree)
        show_peer(entry, as_json, f"The key of {entry.email} is verified: {entry.identity.words}.")

    @group.command(epilog='Example: syft-flwr keys trust do1@a.example --words "acorn beaver canal …"')
    def trust(peer: Peer, words: Words = None, email: Email = None, as_json: Json = False) -> None:
        """Accept a key that was refused because it had changed, after you compared its words."""
        from syft_flwr_cli.services import peer_keys

        directory, me = participant(email)
        entry = peer_keys.trust(directory, own_keys(directory, me), peer, words, words_agree)
        show_peer(entry, as_json, f"The new key of {entry.email} is trusted: {entry.identity.words}.")
