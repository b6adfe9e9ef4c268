"""Signed statements that other tools can read: in-toto statements in DSSE envelopes, and C2SP checkpoints.

DSSE (github.com/secure-systems-lab/dsse) signs a type and a body together; an in-toto statement (v1) says of
subjects, named by digests, what a predicate holds. A checkpoint (C2SP tlog-checkpoint, a signed note) states
how many entries a log has and its head; the log here is a chain, so the head takes the place of a tree's
root. Signatures are Ed25519 by the participants' keys. Pure: no I/O.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, read_object

__all__ = [
    "PAYLOAD_TYPE",
    "Checkpoint",
    "StatementError",
    "checkpoint_note",
    "envelope",
    "read_checkpoint",
    "read_envelope",
    "statement",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_ED25519 = b"\x01"
MAX_ENVELOPE = 8 << 20


class StatementError(ValueError):
    """A statement or a note that does not hold; the text says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a note says of a log: whose, how many entries, its head (hexadecimal)."""

    origin: str
    entries: int
    head: str


def statement(subjects: Mapping[str, str], kind: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """An in-toto statement: subjects by name with their SHA-256 (hexadecimal), the predicate's type, the predicate."""
    named = [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()]
    return {
        "_type": _STATEMENT,
        "subject": named,
        "predicateType": f"https://github.com/openmined/syft-flwr/{kind}/v1",
        "predicate": dict(predicate),
    }


def envelope(body: Mapping[str, Any], keyid: str, sign: Callable[[bytes], bytes]) -> bytes:
    """A DSSE envelope around a statement."""
    payload = canonical(body)
    signature = sign(_signed(PAYLOAD_TYPE, payload))
    document = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": keyid, "sig": base64.b64encode(signature).decode()}],
    }
    return canonical(document)


def read_envelope(data: bytes, verify: Callable[[str, bytes, bytes], bool]) -> dict[str, Any]:
    """The statement in an envelope.

    Parameters
    ----------
    data : bytes
        The envelope.
    verify : callable
        Whether a key id's signature (third) over some bytes (second) holds.

    Raises
    ------
    StatementError
        If it is none, or its signature does not hold.
    """
    try:
        if len(data) > MAX_ENVELOPE:
            raise ValueError("it is too large")
        document = read_object(data, "The envelope")
        payload = base64.b64decode(str(document["payload"]), validate=True)
        (signature,) = document["signatures"]
        raw = base64.b64decode(str(signature["sig"]), validate=True)
        keyid, kind = str(signature["keyid"]), str(document["payloadType"])
        body = read_object(payload, "The statement")
    except (RefusedError, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise StatementError(f"it is no statement in an envelope ({error})") from error
    if kind != PAYLOAD_TYPE or body.get("_type") != _STATEMENT:
        raise StatementError("it is no in-toto statement")
    if not verify(keyid, _signed(kind, payload), raw):
        raise StatementError("its signature does not hold")
    return body


def checkpoint_note(point: Checkpoint, public: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The signed note of a checkpoint; ``public`` is the raw Ed25519 key."""
    text = _note_text(point)
    line = base64.b64encode(_key_hash(point.origin, public) + sign(text)).decode()
    return text + f"\n— {point.origin} {line}\n".encode()


def read_checkpoint(data: bytes, public: bytes, verify: Callable[[bytes, bytes], bool]) -> Checkpoint:
    """The checkpoint of a note that is signed by ``public``.

    Raises
    ------
    StatementError
        If it is none, or is not signed so.
    """
    try:
        text, _, signatures = data.decode().partition("\n\n")
        origin, size, head = text.split("\n")
        point = Checkpoint(origin, int(size), base64.b64decode(head, validate=True).hex())
        (line,) = signatures.splitlines()
        dash, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise StatementError(f"it is no checkpoint ({error})") from error
    if (
        _note_text(point) + f"\n— {point.origin} {encoded}\n".encode() != data
        or dash != "—"
        or name != origin
    ):
        raise StatementError("it is not in the one form that a checkpoint has")
    if raw[:4] != _key_hash(origin, public) or not verify(_note_text(point), raw[4:]):
        raise StatementError("its signature does not hold")
    return point


def _signed(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload))


def _note_text(point: Checkpoint) -> bytes:
    head = base64.b64encode(bytes.fromhex(point.head)).decode()
    return f"{point.origin}\n{point.entries}\n{head}\n".encode()


def _key_hash(origin: str, public: bytes) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n" + _ED25519 + public).digest()[:4]
