"""A participant's private keys: made, kept on disk, changed for new ones, used to sign and to open.

An identity is an Ed25519 signing key and an ML-KEM-768 + X25519 sealing key. They lie in one file, 0600,
replaced whole, in the clear or under a passphrase, and never leave the process that loaded them, into which no
other of the same user can look from then on. New keys
are signed by the ones before, so that those who know the old ones need not ask. What others see of them
is in `public_identity`, whose names stand here too. Knows no clock and no environment.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.suites import Buffer
from syft_flwr_cli.security.key_file import MAX_KEY_FILE, KeyFile, parse_key_file, write_key_file
from syft_flwr_cli.security.process_memory import deny_inspection
from syft_flwr_cli.security.public_identity import (
    MAX_DOCUMENT,
    ROTATION_TAG,
    SELF_TAG,
    SIGNATURE_SIZE,
    PublicIdentity,
    parse_public,
)
from syft_flwr_cli.security.sealing import SEALING_SEED_SIZE, SealingKey
from syft_flwr_cli.storage.paths import create_private, read_private, refuse_if_shared, write_private

__all__ = [
    "FILE_NAME",
    "MAX_DOCUMENT",
    "SECRETS_SIZE",
    "SIGNATURE_SIZE",
    "Identity",
    "PublicIdentity",
    "load",
    "load_or_create",
    "parse_public",
    "read_public",
    "save",
]

FILE_NAME: Final = "identity.json"
"""The key file in a participant's directory."""

SECRETS_SIZE: Final = 32 + SEALING_SEED_SIZE
"""Bytes of the secrets of one generation: Ed25519 seed (RFC 8032), then the sealing seed."""


class Identity:
    """A participant's private keys. Never leaves the process: it cannot be pickled and shows nothing.

    Parameters
    ----------
    public : PublicIdentity
        Their public side; ``ValueError`` if it is not.
    secrets : bytes
        `SECRETS_SIZE` bytes, and `SEALING_SEED_SIZE` more if the generation before is still to open
        what was sealed to it.
    """

    __slots__ = ("_earlier", "_sealing", "_secrets", "_signer", "public")

    def __init__(self, public: PublicIdentity, secrets: bytes) -> None:
        if len(secrets) not in (SECRETS_SIZE, SECRETS_SIZE + SEALING_SEED_SIZE):
            raise ValueError("The secrets do not have the size they should have.")
        self.public = public
        self._secrets = secrets
        self._signer = Ed25519PrivateKey.from_private_bytes(secrets[:32])
        self._sealing = SealingKey(secrets[32:SECRETS_SIZE])
        earlier = secrets[SECRETS_SIZE:]
        self._earlier = SealingKey(earlier) if earlier else None
        shown = (public.signing_key, public.sealing_key)
        if shown != (self._signer.public_key().public_bytes_raw(), self._sealing.public):
            raise ValueError("The secrets are not those of the public document.")

    @classmethod
    def create(cls, email: str, now: float, secrets: bytes) -> "Identity":
        """The first keys of ``email`` from `SECRETS_SIZE` random bytes."""
        return cls._sign_new(secrets, email=check_email(email), version=1, now=now)

    @property
    def email(self) -> str:
        """Whose keys these are."""
        return self.public.email

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature (64 bytes); ``data`` begins with a tag that says what is signed."""
        return self._signer.sign(data)

    def open_sealed(self, ciphertext: Buffer, info: bytes) -> bytes:
        """What was sealed to these keys or the ones before; `RefusedError` (``undecryptable``) if not."""
        try:
            return self._sealing.open(ciphertext, info)
        except RefusedError:
            if self._earlier is None:
                raise
            return self._earlier.open(ciphertext, info)

    def rotate(self, now: float, secrets: bytes | None = None, *, revoke: bool = False) -> "Identity":
        """New keys, signed by these.

        Parameters
        ----------
        now : float
            Seconds since 1970.
        secrets : bytes, optional
            `SECRETS_SIZE` random bytes; fresh ones by default.
        revoke : bool
            These keys fell into wrong hands: the new document says so, peers trust neither until
            fingerprints were compared, and what was sealed to these keys is not opened any more.
        """
        new = os.urandom(SECRETS_SIZE) if secrets is None else secrets
        revoke = revoke or self.public.revoked
        return self._sign_new(
            new if revoke else new + self._secrets[32:SECRETS_SIZE],
            email=self.email,
            version=self.public.version + 1,
            now=now,
            before=self,
            revokes_previous=revoke,
        )

    def revoke(self) -> "Identity":
        """The same keys with a document that says that they must not be trusted any more."""
        public = replace(self.public, revoked=True)
        public = replace(public, signature=self.sign(SELF_TAG + public.statement()))
        return Identity(public, self._secrets)

    def key_file(self, passphrase: bytes | None) -> bytes:
        """These keys as a file, under ``passphrase`` if there is one. Keep it private."""
        return write_key_file(self.public.to_bytes(), self._secrets, passphrase, os.urandom(28))

    def __reduce__(self) -> NoReturn:
        raise TypeError("Private keys are not pickled.")

    @classmethod
    def _sign_new(
        cls,
        secrets: bytes,
        *,
        email: str,
        version: int,
        now: float,
        before: "Identity | None" = None,
        revokes_previous: bool = False,
    ) -> "Identity":
        signer = Ed25519PrivateKey.from_private_bytes(secrets[:32])
        public = PublicIdentity(
            email=email,
            version=version,
            signing_key=signer.public_key().public_bytes_raw(),
            sealing_key=SealingKey(secrets[32:SECRETS_SIZE]).public,
            created=float(int(now)),
            previous=None if before is None else before.public.fingerprint,
            rotation=None,
            revoked=False,
            signature=b"",
            revokes_previous=revokes_previous,
        )
        statement = public.statement()
        if before is not None:
            public = replace(public, rotation=before.sign(ROTATION_TAG + statement))
        return cls(replace(public, signature=signer.sign(SELF_TAG + statement)), secrets)


def load(
    directory: Path,
    email: str,
    passphrase: Callable[[], bytes] | None = None,
    *,
    allow_revoked: bool = False,
) -> Identity:
    """The keys of ``email`` in ``directory``; ``passphrase`` is asked only if they are protected.

    Raises
    ------
    TrustError
        If there are none, they are damaged, somebody else's, readable by others, revoked, or do not open.
    """
    path = directory / FILE_NAME
    file, public = _read(path, email)
    if public.revoked and not allow_revoked:
        raise TrustError(
            f"The keys of {public.email} are revoked.",
            hint="Make new ones with: syft-flwr keys rotate --revoke",
        )
    secrets = file.secrets(passphrase() if file.protected and passphrase is not None else None)
    deny_inspection()
    try:
        return Identity(public, secrets)
    except ValueError as error:
        raise _damaged(path) from error


def load_or_create(
    directory: Path,
    email: str,
    now: float,
    passphrase: Callable[[], bytes] | None = None,
    *,
    protect: bool = False,
) -> tuple[Identity, bool]:
    """As `load`, but with new keys if there are none; and whether they are new.

    Parameters
    ----------
    directory : Path
        The participant's directory; made if missing.
    email : str
        Whose keys.
    now : float
        Seconds since 1970.
    passphrase : callable, optional
        Asked if the keys are protected, or are to be.
    protect : bool
        Put new keys under the passphrase.
    """
    path = directory / FILE_NAME
    if not path.exists():
        identity = Identity.create(email, now, os.urandom(SECRETS_SIZE))
        if protect and passphrase is None:
            raise UsageError(
                "No passphrase was given to protect the keys with.", hint="Set SYFT_FLWR_PASSPHRASE."
            )
        secret = passphrase() if protect and passphrase is not None else None
        deny_inspection()
        if create_private(path, identity.key_file(secret)):
            return identity, True
    return load(directory, email, passphrase), False


def read_public(directory: Path, email: str) -> tuple[PublicIdentity, bool]:
    """The public side of the keys in ``directory``, and whether they are protected; asks no passphrase."""
    file, public = _read(directory / FILE_NAME, email)
    return public, file.protected


def save(directory: Path, identity: Identity, passphrase: bytes | None) -> None:
    """Make ``identity`` the keys in ``directory``, under ``passphrase`` if there is one."""
    write_private(directory / FILE_NAME, identity.key_file(passphrase))


def _read(path: Path, email: str) -> tuple[KeyFile, PublicIdentity]:
    email = check_email(email)
    try:
        refuse_if_shared(path.parent)
        file = parse_key_file(read_private(path, MAX_KEY_FILE))
        public = parse_public(file.document)
    except FileNotFoundError as error:
        raise TrustError(
            f"{email} has no keys on this machine yet.",
            hint=f"Make them with: syft-flwr keys show --email {email}",
        ) from error
    except RefusedError as error:
        raise _damaged(path, error.what) from error
    if public.email != email:
        raise TrustError(
            f"{path} holds the keys of {public.email}, not of {email}.",
            hint="Move the file away, or restore the right one from a backup with: syft-flwr keys import",
        )
    return file, public


def _damaged(path: Path, why: str = "The private keys do not belong to the public ones.") -> TrustError:
    return TrustError(
        f"The key file {path} is damaged: {why}",
        hint="Restore it from a backup with: syft-flwr keys import FILE --replace",
    )
