"""``syft-flwr keys``: your own keys, and whose keys you trust."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_flwr_cli.cli import completing
from syft_flwr_cli.cli.asking import make_sure, words_agree
from syft_flwr_cli.cli.options import Email, Json, ProjectPath, Root
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from collections.abc import Callable

    from syft_flwr_cli.security.identity import Identity
    from syft_flwr_cli.security.roster import Entry

__all__ = ["register"]

Peer = Annotated[
    str,
    typer.Argument(
        help="The other participant's e-mail.",
        metavar="PEER",
        autocompletion=completing.peers,
    ),
]
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
        from syft_flwr_cli.services import keys
        from syft_flwr_cli.ui.keys import describe, show_own

        directory, me = _place(email)
        found = keys.own_keys(directory, me, _passphrase(me))
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

        directory, me = _place(email)
        if revoke:
            make_sure(f"The keys of {me} will be void, and every peer must compare the new ones.", yes)
        done = keys.rotate(directory, me, _passphrase(me), revoke=revoke)
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

        directory, me = _place(email)
        if peer is not None:
            entry = peer_keys.distrust(directory, _own(directory, me), peer)
            _show_peer(
                entry, as_json, f"The key of {entry.email} is not trusted any more. next: syft-flwr keys list"
            )
            return
        make_sure(f"The keys of {me} will be void.", yes)
        void = keys.revoke(directory, me, _passphrase(me))
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

        directory, me = _place(email)
        if keyring + remove + (passphrase_file is not None) > 1:
            raise UsageError(
                "--keyring, --remove and --passphrase-file exclude each other.", hint="Give one of them."
            )
        new = (
            partial(keys.keyring_passphrase, me) if keyring else partial(ask_new_passphrase, passphrase_file)
        )
        keys.protect(directory, me, _passphrase(me), None if remove else new)
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

        entries = peer_keys.known_peers(_place(email)[0])
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

        directory, me = _place(email)
        entry = peer_keys.verify(directory, _own(directory, me), peer, words, words_agree)
        _show_peer(entry, as_json, f"The key of {entry.email} is verified: {entry.identity.words}.")

    @group.command(epilog='Example: syft-flwr keys trust do1@a.example --words "acorn beaver canal …"')
    def trust(peer: Peer, words: Words = None, email: Email = None, as_json: Json = False) -> None:
        """Accept a key that was refused because it had changed, after you compared its words."""
        from syft_flwr_cli.services import peer_keys

        directory, me = _place(email)
        entry = peer_keys.trust(directory, _own(directory, me), peer, words, words_agree)
        _show_peer(entry, as_json, f"The new key of {entry.email} is trusted: {entry.identity.words}.")


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
        directory, me = _place(email)
        if private:
            _back_up(directory, me, destination, passphrase_file, unprotected, as_json)
        else:
            _hand_out(directory, me, destination, as_json)

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
        from syft_flwr_cli.services import peer_keys

        data = _read(file)
        if b'"format":"syft-flwr private identity"' in data[:100]:
            _restore(data, email, replace, as_json)
            return
        directory, me = _place(email)
        admission = peer_keys.admit(directory, me, _own(directory, me), data, words)
        public = admission.entry.identity
        known = f"The key of {public.email} is known and verified: {public.words}."
        _show_peer(admission.entry, as_json, admission.sentence() if words is None else known)


def _back_up(
    directory: Path, me: str, destination: Path | None, file: Path | None, unprotected: bool, as_json: bool
) -> None:
    from syft_flwr_cli.security.passphrase import ask_new_passphrase
    from syft_flwr_cli.services import keys

    if destination is None:
        raise UsageError("Private keys are not printed.", hint="Name a file to write with --output FILE.")
    new = None if unprotected else partial(ask_new_passphrase, file)
    backup = keys.back_up(directory, me, destination, _passphrase(me), new)
    if as_json:
        output.emit_json({"email": me, "file": str(backup.file), "protected": backup.protected})
        return
    how = "under its passphrase" if backup.protected else "WITHOUT a passphrase"
    output.note(f"The private keys of {me} were copied to {backup.file}, {how}.")
    output.note(
        f"next: keep it apart from this machine; it comes back with: syft-flwr keys import {backup.file}"
    )


def _hand_out(directory: Path, me: str, destination: Path | None, as_json: bool) -> None:
    from syft_flwr_cli.services import keys
    from syft_flwr_cli.ui.keys import describe

    public = keys.public_document(directory, me, _passphrase(me), destination)
    document = public.to_bytes().decode()
    if as_json:
        where = None if destination is None else str(destination)
        output.emit_json({**describe(public), "document": document, "file": where})
        return
    if destination is None:
        print(document, end="")
    output.note("next: give it to a peer, who types: syft-flwr keys import FILE")


def _restore(data: bytes, email: str | None, replace: bool, as_json: bool) -> None:
    from syft_flwr_cli.project.settings import named_email
    from syft_flwr_cli.services import keys
    from syft_flwr_cli.storage.paths import home, participant_dir
    from syft_flwr_cli.ui.keys import describe

    here = home()
    done = keys.restore(
        lambda owner: participant_dir(here, owner), data, named_email(email), _passphrase, replace=replace
    )
    if as_json:
        output.emit_json({**describe(done.public), "protected": done.protected, "file": str(done.file)})
    else:
        output.note(
            f"The keys of {done.public.email} are back: {done.public.words}. next: syft-flwr keys show"
        )


def _place(email: str | None) -> tuple[Path, str]:
    from syft_flwr_cli.services.current_participant import current_participant
    from syft_flwr_cli.storage.paths import home, participant_dir

    here = home()
    me = current_participant(here, email)
    return participant_dir(here, me), me


def _passphrase(email: str) -> "Callable[[], bytes]":
    from syft_flwr_cli.security.passphrase import passphrase_source

    return passphrase_source(email)


def _own(directory: Path, me: str) -> "Callable[[], Identity]":
    """One's own keys when they are needed; that they were made is said."""

    def open_them() -> "Identity":
        from syft_flwr_cli.security.identity import FILE_NAME
        from syft_flwr_cli.services import keys

        identity, created = keys.open_or_make(directory, me, _passphrase(me))
        if created:
            output.note(f"Made the keys of {me}: {directory / FILE_NAME}")
        return identity

    return open_them


def _show_peer(entry: "Entry", as_json: bool, sentence: str) -> None:
    from syft_flwr_cli.ui.keys import describe_peer

    if as_json:
        output.emit_json(describe_peer(entry))
    else:
        output.note(sentence)


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
