"""A second reader of the wire format, written from docs/format.md alone: it imports nothing of the package.

HPKE and the hybrid KEM are put together here from ML-KEM-768, X25519, SHA3-256, HKDF and AES-GCM, so
that the frozen vectors are checked by something else than the code that made them. It is short, slow
and reads only what is well-formed.
"""

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt


def open_body(file: bytes, signing_key: bytes, sealing_seed: bytes | None) -> tuple[dict[str, Any], bytes]:
    """Header and body of an envelope; the signature is checked first. No seed: the body is not sealed."""
    line_end = file.index(b"\n") + 1
    line, body, signature = file[:line_end], file[line_end:-64], file[-64:]
    public = Ed25519PublicKey.from_public_bytes(signing_key)
    public.verify(signature, b"syft-flwr envelope 1\0" + line + body)
    header = json.loads(line)
    assert header["size"] == len(body)
    if sealing_seed is None:
        assert header["suite"] == "none"
        return header, body
    assert header["suite"] == "HPKE-MLKEM768-X25519-HKDF-SHA256-AES-256-GCM"
    return header, hpke_open(body, sealing_seed, b"syft-flwr body 1\0" + line)


def hpke_open(sealed: bytes, seed: bytes, info: bytes) -> bytes:
    """RFC 9180, base mode, one shot, empty aad; KEM 0x647a, KDF 0x0001, AEAD 0x0002."""
    suite = b"HPKE" + (0x647A).to_bytes(2, "big") + (1).to_bytes(2, "big") + (2).to_bytes(2, "big")
    shared = kem_decapsulate(sealed[:1120], seed)
    context = (
        b"\0"
        + labeled_extract(suite, b"", b"psk_id_hash", b"")
        + labeled_extract(suite, b"", b"info_hash", info)
    )
    secret = labeled_extract(suite, shared, b"secret", b"")
    key = labeled_expand(suite, secret, b"key", context, 32)
    nonce = labeled_expand(suite, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, sealed[1120:], b"")


def kem_decapsulate(encapsulated: bytes, seed: bytes) -> bytes:
    """The hybrid of ML-KEM-768 and X25519 (X-Wing)."""
    mlkem = MLKEM768PrivateKey.from_seed_bytes(seed[:64])
    x25519 = X25519PrivateKey.from_private_bytes(seed[64:])
    theirs = encapsulated[1088:]
    return hashlib.sha3_256(
        mlkem.decapsulate(encapsulated[:1088])
        + x25519.exchange(X25519PublicKey.from_public_bytes(theirs))
        + theirs
        + x25519.public_key().public_bytes_raw()
        + b"\\.//^\\"
    ).digest()


def labeled_extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    """RFC 9180, section 4."""
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + material, hashlib.sha256).digest()


def labeled_expand(suite: bytes, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """RFC 9180, section 4; one block of HKDF is enough here."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.new(secret, labeled + b"\1", hashlib.sha256).digest()[:length]


def open_payload(file: bytes, key: bytes, size: int, digest: bytes) -> bytes:
    """The plaintext of a payload file."""
    count = max(1, -(-size // 1048576))
    plain = b""
    for number in range(count):
        chunk = file[number * (1048576 + 16) : (number + 1) * (1048576 + 16)]
        nonce = bytes(7) + number.to_bytes(4, "big") + (b"\1" if number == count - 1 else b"\0")
        plain += AESGCM(key).decrypt(nonce, chunk, b"syft-flwr payload 1")
    assert len(file) == size + 16 * count
    assert blake3(plain).digest() == digest
    return plain


def check_document(document: bytes, before: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields of an identity document whose signatures hold."""
    fields: dict[str, Any] = json.loads(document)
    assert document == compact(fields)
    statement = compact(
        {name: value for name, value in fields.items() if name not in ("rotation", "signature")}
    )
    verify(fields, b"syft-flwr identity 1\0" + statement, fields["signature"])
    if before is not None:
        assert fields["previous"] == fingerprint(before)
        verify(before, b"syft-flwr rotation 1\0" + statement, fields["rotation"])
    return fields


def verify(fields: dict[str, Any], message: bytes, signature: str) -> None:
    """Check a signature by the signing key of a document."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(fields["signing_key"]))
    key.verify(base64.b64decode(signature), message)


def compact(fields: dict[str, Any]) -> bytes:
    """Canonical JSON, one line."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def fingerprint(fields: dict[str, Any]) -> str:
    """The fingerprint of a document's keys."""
    keys = base64.b64decode(fields["signing_key"]) + base64.b64decode(fields["sealing_key"])
    return hashlib.sha256(b"syft-flwr fingerprint 1\0" + fields["email"].encode() + b"\0" + keys).hexdigest()


def phrase(digits: str, words: tuple[str, ...]) -> str:
    """The six words of a fingerprint."""
    slow = Scrypt(salt=b"syft-flwr words 1", length=16, n=16384, r=8, p=1).derive(bytes.fromhex(digits))
    bits = "".join(f"{byte:08b}" for byte in slow)
    return "-".join(words[int(bits[at : at + 11], 2)] for at in range(0, 66, 11))


def message_id(run: str, recipient: str, ordinal: int, digest: bytes) -> str:
    """The id of a request."""
    text = "\0".join(["syft-flwr/message-id/1", run, recipient, str(ordinal), ""])
    raw = bytearray(hashlib.sha256(text.encode() + digest).digest()[:16])
    raw[6] = raw[6] % 16 + 0x80
    raw[8] = raw[8] % 64 + 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def node_id(email: str) -> int:
    """The node id of a participant."""
    first = hashlib.sha256(b"syft-flwr/node-id/1\0" + email.encode()).digest()[:8]
    return max(2, int.from_bytes(first, "big") // 2)
