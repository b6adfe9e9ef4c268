"""What ``syft-flwr keys`` does to one's own keys: show, protect, rotate, revoke, export, restore."""

import base64
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.security.identity import (
    FILE_NAME,
    Identity,
    PublicIdentity,
    load,
    load_or_create,
    parse_public,
    read_public,
    save,
)
from syft_flwr_cli.security.key_file import parse_key_file
from syft_flwr_cli.security.passphrase import (
    ask_new_passphrase,
    ask_passphrase,
    keep_in_keyring,
    passphrase_source,
)
from syft_flwr_cli.storage.paths import locked, write_private
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.timeline import when

__all__ = ["audit_log", "describe", "export", "own", "protect", "restore", "revoke", "rotate", "show"]

PUBLISHED = "Others see it when you next start run-server or run-client; restart what is running now."


def describe(public: PublicIdentity) -> dict[str, Any]:
    """The facts of a public identity, for ``--json``."""
    return {
        "email": public.email,
        "words": public.words,
        "fingerprint": public.fingerprint,
        "version": public.version,
        "created": public.created,
        "previous": public.previous,
        "revoked": public.revoked,
    }


def own(directory: Path, email: str) -> Identity:
    """One's own keys, made if there are none yet."""
    identity, created = load_or_create(directory, email, time.time(), passphrase_source(email))
    if created:
        output.note(f"Made the keys of {email}: {directory / FILE_NAME}")
    return identity


def audit_log(directory: Path, identity: Identity) -> AuditLog:
    """The participant's record."""
    return AuditLog(directory / "audit.jsonl", identity)


def show(directory: Path, email: str, as_json: bool) -> None:
    """Say what one's own keys are; they are made if there are none."""
    if not (directory / FILE_NAME).exists():
        own(directory, email)
    public, protected = read_public(directory, email)
    if as_json:
        output.emit_json({**describe(public), "protected": protected, "file": str(directory / FILE_NAME)})
        return
    _print(
        {
            "participant": public.email,
            "words": public.words,
            "fingerprint": public.fingerprint,
            "version": f"{public.version}, made {when(public.created)}",
            "protected": "by a passphrase" if protected else "no; only by the rights of its file",
            "file": directory / FILE_NAME,
        }
    )
    if public.revoked:
        output.note("These keys are revoked. next: syft-flwr keys rotate --revoke", "yellow")
    else:
        output.note(f"next: read the words out to your peers, who type: syft-flwr keys verify {public.email}")


def protect(
    directory: Path, email: str, file: Path | None, keyring: bool, remove: bool, as_json: bool
) -> None:
    """Put the keys under a new passphrase, or under none."""
    if keyring + remove + (file is not None) > 1:
        raise UsageError(
            "--keyring, --remove and --passphrase-file exclude each other.", hint="Give one of them."
        )
    with locked(directory / FILE_NAME):
        identity = load(directory, email, passphrase_source(email), allow_revoked=True)
        passphrase: bytes | None = None
        if keyring:
            secret = base64.b64encode(os.urandom(32)).decode()
            keep_in_keyring(email, secret)
            passphrase = secret.encode()
        elif not remove:
            passphrase = ask_new_passphrase(file)
        save(directory, identity, passphrase)
    if as_json:
        output.emit_json({"email": email, "protected": not remove, "keyring": keyring})
    elif remove:
        output.note(f"The keys of {email} are not protected by a passphrase any more.")
    elif keyring:
        output.note(f"The keys of {email} open with a passphrase that your system's keyring keeps.")
    else:
        output.note(
            f"The keys of {email} are protected. next: set SYFT_FLWR_PASSPHRASE where nobody can type it."
        )


def rotate(directory: Path, email: str, revoke: bool, as_json: bool) -> None:
    """Make new keys, signed by the old ones."""

    def renew(before: Identity) -> Identity:
        return before.rotate(time.time(), revoke=revoke)

    before, after = _replace(directory, email, renew)
    audit_log(directory, after).append([])  # the log itself records the change of its key
    if as_json:
        output.emit_json({**describe(after.public), "revokes_previous": after.public.revokes_previous})
        return
    _print({"old words": before.public.words, "new words": after.public.words})
    output.note(PUBLISHED)
    if after.public.revokes_previous:
        output.note(
            "Nobody trusts the new keys yet. next: read the new words out to every peer, who types: "
            f"syft-flwr keys trust {email}"
        )
    else:
        output.note(
            "Peers who knew the old keys accept the new ones by themselves; do not rotate again before "
            "they did. next: syft-flwr keys show"
        )


def revoke(directory: Path, email: str, as_json: bool) -> None:
    """Declare one's own keys void."""
    _, after = _replace(directory, email, Identity.revoke)
    audit_log(directory, after).append([{"event": "revoked", "fingerprint": after.public.fingerprint}])
    if as_json:
        output.emit_json(describe(after.public))
        return
    output.note(f"The keys {after.public.words} are revoked.")
    output.note("They are published as revoked together with new ones. next: syft-flwr keys rotate --revoke")


def export(
    directory: Path,
    email: str,
    destination: Path | None,
    private: bool,
    file: Path | None,
    unprotected: bool,
    as_json: bool,
) -> None:
    """Hand out the public document, or keep a backup of the private keys."""
    if not private:
        _export_public(directory, email, destination, as_json)
        return
    if destination is None:
        raise UsageError("Private keys are not printed.", hint="Name a file to write with --output FILE.")
    _must_not_exist(destination)
    passphrase, source = _remembering(email)
    identity = load(directory, email, source, allow_revoked=True)
    known = passphrase()
    if known is None and not unprotected:
        known = ask_new_passphrase(file)
    write_private(destination, identity.key_file(known))
    data = {"email": email, "file": str(destination), "protected": known is not None}
    if as_json:
        output.emit_json(data)
    else:
        how = "under its passphrase" if known is not None else "WITHOUT a passphrase"
        output.note(f"The private keys of {email} were copied to {destination}, {how}.")
        output.note(
            f"next: keep it apart from this machine; it comes back with: syft-flwr keys import {destination}"
        )


def restore(
    home_of: Callable[[str], Path], data: bytes, email: str | None, replace: bool, as_json: bool
) -> None:
    """Bring private keys back from a backup."""
    backup = parse_key_file(data)
    public = parse_public(backup.document)
    if email is not None and email != public.email:
        raise UsageError(
            f"These are the keys of {public.email}, not of {email}.",
            hint=f"Leave --email and SYFTBOX_EMAIL away, or set them to {public.email}.",
        )
    directory = home_of(public.email)
    passphrase = ask_passphrase(public.email) if backup.protected else None
    try:
        identity = Identity(public, backup.secrets(passphrase))
    except ValueError as error:
        raise TrustError("The backup is damaged.", hint="Take another copy of it.") from error
    with locked(directory / FILE_NAME):
        if (directory / FILE_NAME).exists() and not replace:
            raise UsageError(
                f"{public.email} has keys here already: {directory / FILE_NAME}.",
                hint="Keep a copy of them with: syft-flwr keys export --private. Then add --replace.",
            )
        save(directory, identity, passphrase)
    if as_json:
        output.emit_json(
            {**describe(public), "protected": backup.protected, "file": str(directory / FILE_NAME)}
        )
    else:
        output.note(f"The keys of {public.email} are back: {public.words}. next: syft-flwr keys show")


def _export_public(directory: Path, email: str, destination: Path | None, as_json: bool) -> None:
    own(directory, email) if not (directory / FILE_NAME).exists() else None
    public, _ = read_public(directory, email)
    document = public.to_bytes()
    if destination is not None:
        _must_not_exist(destination)
        destination.write_bytes(document)
    if as_json:
        where = None if destination is None else str(destination)
        output.emit_json({**describe(public), "document": document.decode(), "file": where})
        return
    if destination is None:
        print(document.decode(), end="")
    output.note("next: give it to a peer, who types: syft-flwr keys import FILE")


def _replace(
    directory: Path, email: str, change: Callable[[Identity], Identity]
) -> tuple[Identity, Identity]:
    """Exchange the key file under its lock; the passphrase stays the same."""
    with locked(directory / FILE_NAME):
        passphrase, source = _remembering(email)
        before = load(directory, email, source, allow_revoked=True)
        after = change(before)
        save(directory, after, passphrase())
    return before, after


def _remembering(email: str) -> tuple[Callable[[], bytes | None], Callable[[], bytes]]:
    """A source of the passphrase that is asked at most once, and what it was; None if it was not needed."""
    used: list[bytes] = []

    @cache
    def source() -> bytes:
        used.append(ask_passphrase(email))
        return used[0]

    return lambda: used[0] if used else None, source


def _must_not_exist(destination: Path) -> None:
    if destination.exists():
        raise UsageError(f"{destination} is there already.", hint="Name a file that is not.")


def _print(facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for name, value in facts.items():
        output.out().print(f"{name:<{width}}  {value}", markup=False)
