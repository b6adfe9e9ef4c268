"""``syft-flwr keys export`` and ``import``: public key documents, and backups of private keys."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from syft_flwr_cli.cli.key_owner import (
    PassphraseFile,
    Words,
    own_keys,
    participant,
    passphrase_of,
    show_peer,
)
from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.ui import output

__all__ = ["add_file_commands"]


def add_file_commands(group: typer.Typer) -> None:
    """Add the commands to the group ``keys``."""

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
        directory, me = participant(email)
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
        directory, me = participant(email)
        admission = peer_keys.admit(directory, me, own_keys(directory, me), data, words)
        public = admission.entry.identity
        known = f"The key of {public.email} is known and verified: {public.words}."
        show_peer(admission.entry, as_json, admission.sentence() if words is None else known)


def _back_up(
    directory: Path, me: str, destination: Path | None, file: Path | None, unprotected: bool, as_json: bool
) -> None:
    from syft_flwr_cli.security.passphrase import ask_new_passphrase
    from syft_flwr_cli.services import keys

    if destination is None:
        raise UsageError("Private keys are not printed.", hint="Name a file to write with --output FILE.")
    new = None if unprotected else partial(ask_new_passphrase, file)
    backup = keys.back_up(directory, me, destination, passphrase_of(me), new)
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

    public = keys.public_document(directory, me, passphrase_of(me), destination)
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
        lambda owner: participant_dir(here, owner), data, named_email(email), passphrase_of, replace=replace
    )
    if as_json:
        output.emit_json({**describe(done.public), "protected": done.protected, "file": str(done.file)})
    else:
        output.note(
            f"The keys of {done.public.email} are back: {done.public.words}. next: syft-flwr keys show"
        )


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
