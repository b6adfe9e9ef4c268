"""A participant's own keys: show, protect, rotate, revoke, back up, restore.

Every function works on the participant's own directory, under the lock of its key file, and returns what came of it.
Passphrases come from the callables that are passed in; nothing is asked or printed here.
"""

import base64
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
from syft_flwr_cli.security.passphrase import keep_in_keyring
from syft_flwr_cli.storage.paths import locked, write_private

__all__ = [
    "Backup",
    "OwnKeys",
    "Replaced",
    "Restored",
    "audit_log",
    "back_up",
    "keyring_passphrase",
    "open_or_make",
    "own_keys",
    "protect",
    "public_document",
    "restore",
    "revoke",
    "rotate",
]

Passphrase = Callable[[], bytes]
"""Where a passphrase comes from, should it be needed."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """A participant's own keys: the public part, whether a passphrase protects them, their file, if just made."""

    public: PublicIdentity
    protected: bool
    file: Path
    created: bool


@dataclass(frozen=True, slots=True)
class Replaced:
    """Keys that took the place of others."""

    before: PublicIdentity
    after: PublicIdentity


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of private keys: where it is, and whether a passphrase protects it."""

    file: Path
    protected: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """Private keys that are back from a backup."""

    public: PublicIdentity
    protected: bool
    file: Path


def open_or_make(directory: Path, email: str, passphrase: Passphrase) -> tuple[Identity, bool]:
    """The participant's keys, and whether they were made just now."""
    return load_or_create(directory, email, time.time(), passphrase)


def audit_log(directory: Path, identity: Identity) -> AuditLog:
    """The participant's record."""
    return AuditLog(directory / "audit.jsonl", identity)


def own_keys(directory: Path, email: str, passphrase: Passphrase) -> OwnKeys:
    """What the own keys are; they are made if there are none."""
    created = False
    if not (directory / FILE_NAME).exists():
        _, created = open_or_make(directory, email, passphrase)
    public, protected = read_public(directory, email)
    return OwnKeys(public, protected, directory / FILE_NAME, created)


def protect(directory: Path, email: str, passphrase: Passphrase, new: Passphrase | None) -> None:
    """Put the keys under a new passphrase; under none if ``new`` is None."""
    with locked(directory / FILE_NAME):
        identity = load(directory, email, passphrase, allow_revoked=True)
        save(directory, identity, None if new is None else new())


def keyring_passphrase(email: str) -> bytes:
    """A random passphrase that the system's keyring keeps from now on."""
    secret = base64.b64encode(os.urandom(32)).decode()
    keep_in_keyring(email, secret)
    return secret.encode()


def rotate(directory: Path, email: str, passphrase: Passphrase, *, revoke: bool) -> Replaced:
    """Make new keys, signed by the old ones; ``revoke``: the old ones fell into wrong hands."""
    before, after = _replace(
        directory, email, passphrase, lambda identity: identity.rotate(time.time(), revoke=revoke)
    )
    audit_log(directory, after).append([])  # the log itself records the change of its key
    return Replaced(before.public, after.public)


def revoke(directory: Path, email: str, passphrase: Passphrase) -> PublicIdentity:
    """Declare the own keys void."""
    _, after = _replace(directory, email, passphrase, Identity.revoke)
    audit_log(directory, after).append([{"event": "revoked", "fingerprint": after.public.fingerprint}])
    return after.public


def public_document(
    directory: Path, email: str, passphrase: Passphrase, destination: Path | None
) -> PublicIdentity:
    """The document that peers import, also written to ``destination``, which must not be there."""
    public = own_keys(directory, email, passphrase).public
    if destination is not None:
        _must_not_exist(destination)
        destination.write_bytes(public.to_bytes())
    return public


def back_up(
    directory: Path, email: str, destination: Path, passphrase: Passphrase, new: Passphrase | None
) -> Backup:
    """Copy the private keys, under the passphrase they have; under ``new`` if they have none."""
    _must_not_exist(destination)
    known, source = _remembering(passphrase)
    identity = load(directory, email, source, allow_revoked=True)
    secret = known()
    if secret is None and new is not None:
        secret = new()
    write_private(destination, identity.key_file(secret))
    return Backup(destination, secret is not None)


def restore(
    directory_of: Callable[[str], Path],
    data: bytes,
    email: str | None,
    passphrase_of: Callable[[str], Passphrase],
    *,
    replace: bool,
) -> Restored:
    """Bring private keys back from a backup.

    Raises
    ------
    UsageError
        If they are another participant's than ``email``, or keys are there already and not to be replaced.
    TrustError
        If the backup is damaged or its passphrase is another.
    """
    backup = parse_key_file(data)
    public = parse_public(backup.document)
    if email is not None and email != public.email:
        raise UsageError(
            f"These are the keys of {public.email}, not of {email}.",
            hint=f"Leave --email and SYFTBOX_EMAIL away, or set them to {public.email}.",
        )
    directory = directory_of(public.email)
    passphrase = passphrase_of(public.email)() if backup.protected else None
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
    return Restored(public, backup.protected, directory / FILE_NAME)


def _replace(
    directory: Path, email: str, passphrase: Passphrase, change: Callable[[Identity], Identity]
) -> tuple[Identity, Identity]:
    """Exchange the key file under its lock; the passphrase stays the same."""
    with locked(directory / FILE_NAME):
        known, source = _remembering(passphrase)
        before = load(directory, email, source, allow_revoked=True)
        after = change(before)
        save(directory, after, known())
    return before, after


def _remembering(passphrase: Passphrase) -> tuple[Callable[[], bytes | None], Passphrase]:
    """A source of the passphrase that is asked at most once, and what it was; None if it was not needed."""
    used: list[bytes] = []

    @cache
    def source() -> bytes:
        used.append(passphrase())
        return used[0]

    return lambda: used[0] if used else None, source


def _must_not_exist(destination: Path) -> None:
    if destination.exists():
        raise UsageError(f"{destination} is there already.", hint="Name a file that is not.")
