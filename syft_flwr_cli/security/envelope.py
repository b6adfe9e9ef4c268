"""The wire format of a message: one line of JSON, a body, a signature.

The line (the header) is what anybody may see; the body is sealed to the recipient with the line bound
in; the signature is the sender's over both. Reading goes in steps that cannot be taken in another order:
`read_envelope` checks structure and bounds before anything is allocated and uses no keys;
`open_envelope` checks whose it is, then the signature, then that it is sealed as it must be, and only
then touches the private key. Whatever the bytes, nothing but `RefusedError` is raised. Does not know what
a body means, whether a message is late or was seen before, or whom to trust.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.protocol.header import (
    KINDS,
    MAX_BODY,
    MAX_HEADER,
    Header,
    header_line,
    parse_header,
    statement_of,
)
from syft_flwr_cli.protocol.rejection import REASONS, RefusedError
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE, Buffer
from syft_flwr_cli.security.identity import SIGNATURE_SIZE, Identity, PublicIdentity
from syft_flwr_cli.security.sealing import SEAL_OVERHEAD, seal

__all__ = [
    "KINDS",
    "MAX_BODY",
    "MAX_FILE",
    "MAX_HEADER",
    "REASONS",
    "Envelope",
    "Header",
    "RefusedError",
    "file_digest",
    "header_line",
    "is_signed_by",
    "is_stated_by",
    "new_nonce",
    "open_envelope",
    "parse_header",
    "read_envelope",
    "read_statement",
    "stating",
    "write_envelope",
]

MAX_FILE: Final = MAX_HEADER + MAX_BODY + SIGNATURE_SIZE
"""Bytes of a whole envelope, at most: whoever reads a file need not read on."""

_SIGNATURE_TAG = b"syft-flwr envelope 1\0"
_INFO_TAG = b"syft-flwr body 1\0"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as it lies in its file, read but neither trusted nor opened.

    Parameters
    ----------
    header : Header
        What its first line says.
    line : bytes
        That line, byte for byte, with its newline.
    body : memoryview
        The body, sealed or not, without a copy.
    signature : bytes
        What claims to be the sender's signature.
    digest : str
        SHA-256 of the whole file, in hexadecimal.
    signed : memoryview
        All but the signature: line and body.
    """

    header: Header
    line: bytes
    body: memoryview
    signature: bytes
    digest: str
    signed: memoryview = field(repr=False)


def write_envelope(
    header: Header, plaintext: Buffer, sender: Identity, recipient: PublicIdentity | None
) -> bytes:
    """The whole file of a message: sealed to ``recipient`` and signed by ``sender``.

    Parameters
    ----------
    header : Header
        Its ``suite`` and ``size`` are filled in. For a message that is not sealed, ``suite`` must be
        `SUITE_NONE` already: forgetting a key must not be a way to send in the clear.
    plaintext : Buffer
        The body.
    sender : Identity
        Who signs.
    recipient : PublicIdentity or None
        Who alone can open it; None only together with `SUITE_NONE`.

    Raises
    ------
    TrustError
        If the key of another than the recipient, a revoked key, or none is given.
    UsageError
        If the header or the body is not one that can be sent.
    """
    if sender.email != header.sender:
        raise TrustError(f"A message of {header.sender} cannot be signed by {sender.email}.")
    if recipient is None:
        if header.suite != SUITE_NONE:
            raise TrustError(
                f"There is no key of {header.recipient} to seal with, so nothing is sent.",
                hint=f"Wait until {header.recipient} has published a key.",
            )
        size, suite = len(plaintext), SUITE_NONE
    else:
        if recipient.email != header.recipient:
            raise TrustError(f"A message to {header.recipient} cannot be sealed to {recipient.email}.")
        if recipient.revoked:
            raise TrustError(
                f"The key of {header.recipient} is revoked, so nothing is sent.",
                hint=f"Ask for the words of the new key, then type: syft-flwr keys trust {header.recipient}",
            )
        size, suite = len(plaintext) + SEAL_OVERHEAD, SUITE
    header = replace(header, suite=suite, size=size)
    if header.content is not None:
        header = replace(header, proof=sender.sign(statement_of(header)))
    line = header_line(header)
    body = plaintext if recipient is None else seal(plaintext, recipient, _INFO_TAG + line)
    signature = sender.sign(b"".join((_SIGNATURE_TAG, line, body)))
    return b"".join((line, body, signature))


def read_envelope(data: Buffer) -> Envelope:
    """Take the file of a message apart; structure and bounds only, no keys.

    Raises
    ------
    RefusedError
        As `parse_header`; ``damaged``, if the file is not exactly as long as its header says.
    """
    header, start = parse_header(data)
    expected = start + header.size + SIGNATURE_SIZE
    if len(data) != expected:
        raise RefusedError(
            "damaged", f"The file has {len(data)} bytes; by its header it should have {expected}."
        )
    view = memoryview(data).cast("B").toreadonly()
    end = expected - SIGNATURE_SIZE
    return Envelope(
        header=header,
        line=bytes(view[:start]),
        body=view[start:end],
        signature=bytes(view[end:]),
        digest=file_digest(view),
        signed=view[:end],
    )


def file_digest(data: Buffer) -> str:
    """What names the file of a message: its SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def is_signed_by(envelope: Envelope, sender: PublicIdentity) -> bool:
    """Whether ``sender`` has signed this message, and in their own name."""
    return envelope.header.sender == sender.email and sender.verify(
        b"".join((_SIGNATURE_TAG, envelope.signed)), envelope.signature
    )


def open_envelope(envelope: Envelope, me: Identity, sender: PublicIdentity, encryption: bool) -> bytes:
    """The body of a message to ``me``, if ``sender`` signed it and it is sealed as it must be.

    Parameters
    ----------
    envelope : Envelope
        What `read_envelope` found.
    me : Identity
        Whose private key opens it.
    sender : PublicIdentity
        The key that is trusted for the header's sender.
    encryption : bool
        True: only what is sealed is opened. False (debugging): only what is not.

    Raises
    ------
    RefusedError
        ``stranger``, ``misaddressed``, ``key``, ``signature``, ``plaintext`` or ``undecryptable``.
    """
    header = envelope.header
    if header.sender != sender.email:
        raise RefusedError("stranger", f"The message says it is from {header.sender}, not {sender.email}.")
    if header.recipient != me.email:
        raise RefusedError("misaddressed", f"The message is for {header.recipient}, not for {me.email}.")
    if sender.revoked:
        raise RefusedError("key", f"The message is signed with the revoked key of {sender.email}.")
    if not sender.verify(b"".join((_SIGNATURE_TAG, envelope.signed)), envelope.signature):
        raise RefusedError("signature", f"The message is not signed by the key known for {sender.email}.")
    if encryption and header.suite == SUITE_NONE:
        raise RefusedError(
            "plaintext",
            f"{sender.email} sent this message unsealed; encryption is on here, so it is refused.",
            hint=f"{sender.email} has SYFT_FLWR_ENCRYPTION_ENABLED=false set; remove it there.",
        )
    if header.proof is not None and not sender.verify(statement_of(header), header.proof):
        raise RefusedError("signature", f"What the header states is not signed by the key of {sender.email}.")
    if not encryption:
        if header.suite != SUITE_NONE:
            raise RefusedError(
                "plaintext",
                f"{sender.email} sent this message sealed; encryption is off here, so it is refused.",
                hint="Remove SYFT_FLWR_ENCRYPTION_ENABLED=false here; it is for debugging only.",
            )
        return _as_stated(header, bytes(envelope.body))
    return _as_stated(header, me.open_sealed(envelope.body, _INFO_TAG + envelope.line))


def new_nonce() -> str:
    """What makes a body one that nobody can guess from its digest."""
    return secrets.token_hex(16)


def stating(header: Header, plaintext: Buffer) -> Header:
    """``header``, with what it holds stated for third persons; ``plaintext`` must hold what nobody can guess."""
    return replace(header, content=hashlib.sha256(plaintext).hexdigest())


def read_statement(line: bytes) -> Header:
    """The header in a first line that was kept as evidence; `RefusedError` if it is none."""
    header, end = parse_header(line if line.endswith(b"\n") else line + b"\n")
    if end < len(line):
        raise RefusedError("garbage", "It is more than a first line.")
    return header


def is_stated_by(header: Header, keys: Iterable[PublicIdentity]) -> bool:
    """Whether one of ``keys`` has signed what the header states."""
    if header.proof is None:
        return False
    statement, proof = statement_of(header), header.proof
    return any(key.email == header.sender and key.verify(statement, proof) for key in keys)


def _as_stated(header: Header, plaintext: bytes) -> bytes:
    if header.content is not None and hashlib.sha256(plaintext).hexdigest() != header.content:
        raise RefusedError(
            "signature", f"The body is not the one that {header.sender} has signed for in the header."
        )
    return plaintext
