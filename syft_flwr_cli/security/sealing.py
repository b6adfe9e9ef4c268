"""Sealing: a body to one recipient with HPKE, a payload of any size under a key of its own.

A body is sealed with HPKE (RFC 9180, base mode) whose KEM is the hybrid of ML-KEM-768 and X25519: it
stays closed as long as either holds. A payload is sealed chunk by chunk in the STREAM construction
(Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", 2015), so that truncation, reordering and splicing are detected and memory is
bounded in both directions. Promises that nothing is handed out that does not authenticate; who sealed
it is for the envelope's signature to say. Knows no files, no e-mails and no clock.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.suites import Buffer
from syft_flwr_cli.security.curve_points import is_sound_x25519

__all__ = [
    "CHUNK",
    "DIGEST_SIZE",
    "KEY_SIZE",
    "MAX_PAYLOAD",
    "SEALING_KEY_SIZE",
    "SEALING_SEED_SIZE",
    "SEAL_OVERHEAD",
    "TAG",
    "SealedPayload",
    "SealingKey",
    "check_sealing_key",
    "content_digest",
    "open_payload",
    "open_start",
    "seal",
    "sealed_size",
]

DIGEST_SIZE = 32
"""Bytes of a content digest (BLAKE3-256)."""

KEY_SIZE = 32
"""Bytes of a payload's key."""

CHUNK = 1 << 20
"""Bytes of plaintext in every chunk of a payload but the last."""

TAG = 16
"""Bytes that sealing adds to every chunk."""

MAX_PAYLOAD = CHUNK << 32
"""Bytes of plaintext that the 32-bit chunk counter can tell apart."""

SEALING_KEY_SIZE = 1184 + 32
"""Bytes of a public sealing key: ML-KEM-768 encapsulation key, then X25519."""

SEALING_SEED_SIZE = 64 + 32
"""Bytes of a private sealing key: ML-KEM-768 seed (FIPS 203: d, z), then X25519."""

SEAL_OVERHEAD = 1120 + TAG
"""Bytes that `seal` adds: the encapsulated key (1088 + 32) and the tag."""

_MLKEM_KEY = 1184
_MLKEM_SEED = 64
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_PAYLOAD_AAD = b"syft-flwr payload 1"


class _Recipient(Protocol):
    @property
    def sealing_key(self) -> bytes: ...


class SealingKey:
    """A private sealing key.

    Parameters
    ----------
    seed : bytes
        `SEALING_SEED_SIZE` bytes; ``ValueError`` if not.
    """

    __slots__ = ("_private", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEALING_SEED_SIZE:
            raise ValueError(f"A sealing key has {SEALING_SEED_SIZE} bytes, not {len(seed)}.")
        mlkem = MLKEM768PrivateKey.from_seed_bytes(seed[:_MLKEM_SEED])
        x25519 = X25519PrivateKey.from_private_bytes(seed[_MLKEM_SEED:])
        self._private = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public: bytes = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def open(self, sealed: Buffer, info: bytes) -> bytes:
        """What was sealed to this key with the same ``info``.

        Raises
        ------
        RefusedError
            ``undecryptable``, if it was sealed to another key or with another ``info``, or was altered.
        """
        try:
            return _SUITE.decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError) as error:
            raise RefusedError(
                "undecryptable", "The body does not open with the key it was meant for."
            ) from error


def seal(plaintext: Buffer, recipient: _Recipient, info: bytes) -> bytes:
    """Seal ``plaintext`` so that only ``recipient`` opens it, and only with the same ``info``.

    Returns
    -------
    bytes
        The encapsulated key and the ciphertext: `SEAL_OVERHEAD` bytes more than ``plaintext``.

    Raises
    ------
    RefusedError
        ``key``, if the recipient's key is no key.
    """
    try:
        return _SUITE.encrypt(plaintext, _public_key(recipient.sealing_key), info)
    except ValueError as error:
        raise RefusedError("key", "Nothing can be sealed with the sealing key of the recipient.") from error


def check_sealing_key(raw: bytes) -> None:
    """`RefusedError` (``key``) if ``raw`` is no public sealing key."""
    _public_key(raw)


def sealed_size(size: int) -> int:
    """Bytes of the payload file of ``size`` bytes of plaintext."""
    return size + TAG * _chunk_count(size)


def content_digest(buffers: Iterable[Buffer]) -> bytes:
    """The BLAKE3-256 digest of the concatenation of ``buffers``."""
    hasher = blake3()
    for buffer in buffers:
        hasher.update(buffer)
    return hasher.digest()


class SealedPayload:
    """A payload as it is written: a `transports.base.Content` that is sealed while it is read.

    Parameters
    ----------
    key : bytes
        `KEY_SIZE` random bytes that were never used for other content.
    buffers : Sequence[Buffer]
        The plaintext, contiguous each. It must not change as long as this object is in use: the nonces
        are counted, and sealing two contents under one key would betray both.
    """

    __slots__ = ("_aead", "_buffers", "_plain_size")

    def __init__(self, key: bytes, buffers: Sequence[Buffer]) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError(f"A payload key has {KEY_SIZE} bytes, not {len(key)}.")
        self._aead = AESGCM(key)
        views = [memoryview(buffer) for buffer in buffers]
        self._buffers = [view.cast("B") for view in views if view.nbytes]
        self._plain_size = sum(len(view) for view in self._buffers)
        if self._plain_size > MAX_PAYLOAD:
            raise ValueError(f"A payload has at most {MAX_PAYLOAD} bytes.")

    @property
    def size(self) -> int:
        """Bytes of the sealed file."""
        return sealed_size(self._plain_size)

    def chunks(self) -> Iterator[memoryview]:
        """The sealed chunks, the same bytes each time; one is valid until the next is asked for."""
        sealed = memoryview(bytearray(min(self._plain_size, CHUNK) + TAG))
        last = _chunk_count(self._plain_size) - 1
        for number, plain in enumerate(self._plain_chunks()):
            nonce = _nonce(number, last=number == last)
            written = self._aead.encrypt_into(nonce, plain, _PAYLOAD_AAD, sealed[: len(plain) + TAG])
            yield sealed[:written]

    def _plain_chunks(self) -> Iterator[memoryview]:
        scratch: memoryview | None = None
        filled = 0
        for view in self._buffers:
            at = 0
            while at < len(view):
                take = min(CHUNK - filled, len(view) - at)
                if take == CHUNK:
                    yield view[at : at + CHUNK]
                else:
                    # A chunk that spans buffers is gathered; all others are sealed where they lie.
                    if scratch is None:
                        scratch = memoryview(bytearray(min(self._plain_size, CHUNK)))
                    scratch[filled : filled + take] = view[at : at + take]
                    filled += take
                    if filled == CHUNK:
                        yield scratch
                        filled = 0
                at += take
        if scratch is not None and filled:
            yield scratch[:filled]
        elif not self._plain_size:
            yield memoryview(b"")


def open_payload(
    stream: BinaryIO,
    key: bytes,
    size: int,
    digest: bytes,
    out: memoryview | None,
    *,
    before_chunk: Callable[[int], None] = lambda end: None,
) -> None:
    """Open the payload in ``stream`` into ``out``, with no more memory than two chunks beside it.

    Parameters
    ----------
    stream : BinaryIO
        The payload file from its beginning; it is read to its end and not closed.
    key, size, digest : bytes, int, bytes
        The payload's key, its bytes of plaintext and their `content_digest`, all from the sealed envelope.
    out : memoryview, optional
        Exactly ``size`` writable, contiguous bytes. What is in it counts only once this returns. None
        checks the payload and keeps nothing.
    before_chunk : callable
        Is told, before each chunk is opened, up to which byte ``out`` is about to be written; all before the
        chunk has proved to be genuine by then.

    Raises
    ------
    RefusedError
        ``damaged``, if anything was altered, cut off, appended, reordered or taken from another payload;
        ``oversized``, if ``size`` is no size a payload can have.
    """
    if not 0 <= size <= MAX_PAYLOAD:
        raise RefusedError("oversized", f"A payload of {size} bytes is announced; no payload has that size.")
    if len(key) != KEY_SIZE or len(digest) != DIGEST_SIZE:
        raise RefusedError("damaged", "The payload is announced without a whole key or digest.")
    if out is not None and out.nbytes != size:
        raise ValueError(f"The buffer has {out.nbytes} bytes, the payload {size}.")
    target = out.cast("B") if out is not None and size else None
    aead = AESGCM(key)
    sealed = memoryview(bytearray(min(size, CHUNK) + TAG))
    scratch = memoryview(bytearray(min(size, CHUNK))) if target is None else None
    hasher = blake3()
    last = _chunk_count(size) - 1
    for number in range(last + 1):
        start = number * CHUNK
        length = min(CHUNK, size - start)
        _read_chunk(stream, sealed[: length + TAG], start + number * TAG, sealed_size(size))
        before_chunk(start + length)
        if target is not None:
            plain = target[start : start + length]
        else:
            assert scratch is not None
            plain = scratch[:length]
        try:
            nonce = _nonce(number, last=number == last)
            aead.decrypt_into(nonce, sealed[: length + TAG], _PAYLOAD_AAD, plain)
        except InvalidTag as error:
            raise RefusedError(
                "damaged", f"Chunk {number + 1} of {last + 1} of the payload was altered or is not its own."
            ) from error
        hasher.update(plain)
    if stream.read(1):
        raise RefusedError(
            "damaged", f"The payload goes on after the {sealed_size(size)} bytes it should have."
        )
    if hasher.digest() != digest:
        raise RefusedError("damaged", "The payload is not the one that the envelope speaks of.")


def open_start(stream: BinaryIO, key: bytes, size: int) -> bytes:
    """The first chunk (1 MiB, or all) of the payload in ``stream``, which is at its beginning.

    Raises as `open_payload`. It is as genuine as the key is secret; whether the rest belongs to it only
    `open_payload` tells.
    """
    sealed = memoryview(bytearray(min(size, CHUNK) + TAG))
    _read_chunk(stream, sealed, 0, sealed_size(size))
    try:
        return AESGCM(key).decrypt(_nonce(0, last=size <= CHUNK), bytes(sealed), _PAYLOAD_AAD)
    except InvalidTag as error:
        raise RefusedError("damaged", "The payload was altered or is not its own.") from error


def _public_key(raw: bytes) -> MLKEM768X25519PublicKey:
    if not is_sound_x25519(raw[_MLKEM_KEY:]):
        raise RefusedError(
            "key", "The sealing key of the recipient is one with which anybody could open what is sealed."
        )
    try:
        mlkem = MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM_KEY])
        return MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(raw[_MLKEM_KEY:]))
    except ValueError as error:
        raise RefusedError("key", "The sealing key of the recipient is not a valid key.") from error


def _chunk_count(size: int) -> int:
    return max(1, -(-size // CHUNK))


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4, "big") + (b"\1" if last else b"\0")


def _read_chunk(stream: BinaryIO, into: memoryview, offset: int, total: int) -> None:
    filled = 0
    readinto = getattr(stream, "readinto", None)
    while filled < len(into):
        if readinto is not None:
            count = readinto(into[filled:]) or 0
        else:
            data = stream.read(len(into) - filled)
            count = len(data)
            into[filled : filled + count] = data
        if not count:
            raise RefusedError(
                "damaged", f"The payload ends after {offset + filled} of the {total} bytes it should have."
            )
        filled += count
