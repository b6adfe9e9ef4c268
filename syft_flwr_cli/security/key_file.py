"""The file of private keys: what is in it, in the clear or under a passphrase.

One JSON document: the public identity document, and the secrets in base64, either as they are or
sealed with AES-256-GCM under a key that scrypt (RFC 7914, N = 2^17, r = 8, p = 1) makes of a passphrase;
the public document is bound in, so that it cannot be exchanged under protected keys. Pure: no disk and
no prompts. Knows nothing of what the secrets are for.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, decode_base64, encode_base64, read_object

__all__ = ["MAX_KEY_FILE", "KeyFile", "parse_key_file", "write_key_file"]

MAX_KEY_FILE: Final = 64 * 1024

_FORMAT = "syft-flwr private identity"
_SCRYPT_N = 1 << 17
_SALT = 16
_NONCE = 12


@dataclass(frozen=True, slots=True, repr=False)
class KeyFile:
    """A key file that was read but not opened: the public document, and how the secrets lie there."""

    document: bytes
    protected: bool
    salt: bytes
    nonce: bytes
    stored: bytes

    def secrets(self, passphrase: bytes | None) -> bytes:
        """The secrets.

        Raises
        ------
        TrustError
            If they are protected and ``passphrase`` is None or not the right one.
        """
        if not self.protected:
            return self.stored
        if passphrase is None:
            raise TrustError(
                "The keys are protected by a passphrase.",
                hint="Set SYFT_FLWR_PASSPHRASE, or start the command where it can ask you.",
            )
        try:
            key = _stretch(passphrase, self.salt)
            return AESGCM(key).decrypt(self.nonce, self.stored, self.document)
        except InvalidTag as error:
            raise TrustError(
                "The passphrase does not open the keys.",
                hint="Check SYFT_FLWR_PASSPHRASE, or type it again.",
            ) from error


def write_key_file(document: bytes, secrets: bytes, passphrase: bytes | None, random: bytes) -> bytes:
    """The bytes of a key file; ``random`` is 28 fresh random bytes for salt and nonce."""
    file: dict[str, object] = {"format": _FORMAT, "version": 1, "public": document.decode("ascii")}
    if passphrase is None:
        file["secrets"] = encode_base64(secrets)
        return canonical(file)
    salt, nonce = random[:_SALT], random[_SALT : _SALT + _NONCE]
    sealed = AESGCM(_stretch(passphrase, salt)).encrypt(nonce, secrets, document)
    file["protection"] = {"kdf": "scrypt", "salt": encode_base64(salt), "nonce": encode_base64(nonce)}
    file["secrets"] = encode_base64(sealed)
    return canonical(file)


def parse_key_file(data: bytes) -> KeyFile:
    """Read a key file; `RefusedError` if it is none."""
    if len(data) > MAX_KEY_FILE:
        raise RefusedError("oversized", f"The key file has more than {MAX_KEY_FILE} bytes.")
    found = read_object(data, "The key file")
    if found.get("format") != _FORMAT or not isinstance(found.get("public"), str):
        raise RefusedError("garbage", "The key file is not one of syft-flwr.")
    if found.get("version") != 1:
        raise RefusedError(
            "version",
            f"The key file has version {str(found.get('version'))[:20]}; this syft-flwr reads version 1.",
            hint="Update syft-flwr.",
        )
    protection = found.get("protection")
    salt = nonce = b""
    if protection is not None:
        if not isinstance(protection, dict) or protection.get("kdf") != "scrypt":
            raise RefusedError("garbage", "The key file does not say how it is protected.")
        salt = decode_base64(protection.get("salt"), _SALT, "The salt of the key file")
        nonce = decode_base64(protection.get("nonce"), _NONCE, "The nonce of the key file")
    text = found.get("secrets")
    size = 0 if not isinstance(text, str) else len(text) // 4 * 3 - text.count("=")
    stored = decode_base64(text, size, "The secret part of the key file")
    return KeyFile(found["public"].encode("utf-8", "replace"), protection is not None, salt, nonce, stored)


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=8, p=1).derive(passphrase)
