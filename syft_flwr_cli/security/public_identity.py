"""What a participant shows of its keys: the identity document, and how it is read and checked.

A document is one canonical line of JSON, signed by the keys it shows and, where others came before, by
those too. Reading it promises that it is well-formed, bounded and signed by itself; whether it is to be
trusted is for the roster to say. Pure: no disk, no clock, no private keys.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, decode_base64, encode_base64, read_object
from syft_flwr_cli.protocol.suites import Buffer
from syft_flwr_cli.security.curve_points import is_sound_ed25519, is_sound_x25519
from syft_flwr_cli.security.fingerprint_words import phrase
from syft_flwr_cli.security.sealing import SEALING_KEY_SIZE, check_sealing_key

__all__ = ["MAX_DOCUMENT", "ROTATION_TAG", "SELF_TAG", "SIGNATURE_SIZE", "PublicIdentity", "parse_public"]

MAX_DOCUMENT: Final = 16 * 1024
"""Bytes of an identity document, at most."""

SIGNATURE_SIZE: Final = 64
"""Bytes of an Ed25519 signature."""

SELF_TAG: Final = b"syft-flwr identity 1\0"
"""Stands before the statement that keys sign of themselves."""

ROTATION_TAG: Final = b"syft-flwr rotation 1\0"
"""Stands before the statement that keys sign of the ones that follow."""

_SIGNING_KEY_SIZE = 32
_FORMAT = "syft-flwr identity"
_FINGERPRINT_TAG = b"syft-flwr fingerprint 1\0"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
_MAX_INTEGER = 1 << 53


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """What a participant shows of its keys.

    Parameters
    ----------
    email : str
        Whose keys these are.
    version : int
        Counts the participant's keys, from 1.
    signing_key, sealing_key : bytes
        Ed25519; ML-KEM-768 followed by X25519.
    created : float
        Whole seconds since 1970 when these keys were made, as their owner says.
    previous : str, optional
        The fingerprint of the keys before these.
    rotation : bytes, optional
        The signature of the previous signing key under this document.
    revoked : bool
        These very keys must not be trusted any more.
    signature : bytes
        The signature of ``signing_key`` under this document.
    revokes_previous : bool
        The previous keys fell into wrong hands; they say so themselves, but cannot vouch for these.
    """

    email: str
    version: int
    signing_key: bytes
    sealing_key: bytes
    created: float
    previous: str | None
    rotation: bytes | None
    revoked: bool
    signature: bytes
    revokes_previous: bool = False

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: SHA-256 over the e-mail and both keys."""
        tag = _FINGERPRINT_TAG + self.email.encode() + b"\0"
        return hashlib.sha256(tag + self.signing_key + self.sealing_key).hexdigest()

    @property
    def words(self) -> str:
        """The fingerprint as six words to compare on the phone; slow on purpose (some 30 ms)."""
        return phrase(bytes.fromhex(self.fingerprint))

    def to_bytes(self) -> bytes:
        """The document: one canonical line of JSON."""
        return canonical(
            {
                **self._statement(),
                "rotation": None if self.rotation is None else encode_base64(self.rotation),
                "signature": encode_base64(self.signature),
            }
        )

    def verify(self, message: Buffer, signature: bytes) -> bool:
        """Whether ``signature`` is this participant's under ``message``; never with a key that proves nothing."""
        if not is_sound_ed25519(self.signing_key):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.signing_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    @property
    def is_sound(self) -> bool:
        """Whether both keys are such that signatures prove, and seals hide, something at all."""
        return is_sound_ed25519(self.signing_key) and is_sound_x25519(self.sealing_key[-32:])

    def vouches_for(self, later: "PublicIdentity") -> bool:
        """Whether these keys signed ``later`` as what follows them."""
        return (
            later.email == self.email
            and later.previous == self.fingerprint
            and later.version > self.version
            and later.rotation is not None
            and self.verify(ROTATION_TAG + later.statement(), later.rotation)
        )

    def statement(self) -> bytes:
        """What is signed: the document without its signatures."""
        return canonical(self._statement())

    def _statement(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": 1,
            "email": self.email,
            "generation": self.version,
            "created": int(self.created),
            "signing_key": encode_base64(self.signing_key),
            "sealing_key": encode_base64(self.sealing_key),
            "previous": self.previous,
            "revokes_previous": self.revokes_previous,
            "revoked": self.revoked,
        }


def parse_public(data: bytes, *, sound: bool = True) -> PublicIdentity:
    """Read an identity document and check that it is signed by the keys it shows.

    Parameters
    ----------
    data : bytes
        The document.
    sound : bool
        False also reads, without its signature, a document whose keys prove nothing (`curve_points`): for what
        was kept before they were refused.

    Raises
    ------
    RefusedError
        ``oversized`` (16 KiB), ``garbage``, ``version``, ``key`` or ``signature``.
    """
    if len(data) > MAX_DOCUMENT:
        raise RefusedError("oversized", f"The key document has more than {MAX_DOCUMENT} bytes.")
    found = read_object(data, "The key document")
    if found.get("format") != _FORMAT:
        raise RefusedError("garbage", "The file is no key document of syft-flwr.")
    if found.get("version") != 1 or type(found["version"]) is not int:
        raise RefusedError(
            "version",
            f"The key document has format version {str(found.get('version'))[:20]}; "
            "this syft-flwr reads version 1.",
            hint="Update syft-flwr.",
        )
    public = _public_of(found)
    if public.to_bytes() != data:
        raise RefusedError("garbage", "The key document is not in the one form it may have.")
    if not public.is_sound:
        if not sound:
            return public
        raise RefusedError(
            "key",
            f"The key document of {public.email} shows a key that proves nothing: a point of small order, or one "
            "that is written in a second way. No key that syft-flwr makes is one.",
        )
    check_sealing_key(public.sealing_key)
    if not public.verify(SELF_TAG + public.statement(), public.signature):
        raise RefusedError("signature", f"The key document of {public.email} is not signed by its own key.")
    return public


def _public_of(found: dict[str, Any]) -> PublicIdentity:
    email, previous, rotation = found.get("email"), found.get("previous"), found.get("rotation")
    numbers = {name: found.get(name) for name in ("generation", "created")}
    flags = {name: found.get(name) for name in ("revokes_previous", "revoked")}
    try:
        well_named = isinstance(email, str) and check_email(email) == email
    except UsageError:
        well_named = False
    if not well_named:
        raise RefusedError("garbage", "The key document does not name a participant.")
    assert isinstance(email, str)
    for name, number in numbers.items():
        if type(number) is not int or not 0 <= number <= _MAX_INTEGER:
            raise RefusedError("garbage", f"The key document has no proper {name}.")
    if not all(type(flag) is bool for flag in flags.values()):
        raise RefusedError("garbage", "The key document does not say whether keys are revoked.")
    if previous is not None and not (isinstance(previous, str) and _FINGERPRINT.match(previous)):
        raise RefusedError("garbage", "The key document names no proper previous key.")
    if (previous is None) != (rotation is None):
        raise RefusedError("garbage", "The key document follows other keys without their signature.")
    return PublicIdentity(
        email=email,
        version=numbers["generation"] or 0,
        signing_key=decode_base64(found.get("signing_key"), _SIGNING_KEY_SIZE, "The signing key"),
        sealing_key=decode_base64(found.get("sealing_key"), SEALING_KEY_SIZE, "The sealing key"),
        created=float(numbers["created"] or 0),
        previous=previous,
        rotation=None if rotation is None else decode_base64(rotation, SIGNATURE_SIZE, "The rotation"),
        revoked=bool(flags["revoked"]),
        signature=decode_base64(found.get("signature"), SIGNATURE_SIZE, "The signature"),
        revokes_previous=bool(flags["revokes_previous"]),
    )
