"""Making messages that the package itself would never make.

The format is put together here by hand from its description, so that no guard of the writing side stands
between an attacker and what he wants to write; only the primitives (sealing, signing) are the package's.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from syft_flwr_cli.protocol.header import parse_header, statement_of
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE
from syft_flwr_cli.security.envelope import Envelope
from syft_flwr_cli.security.identity import Identity, PublicIdentity
from syft_flwr_cli.security.sealing import seal

SIGNATURE_TAG = b"syft-flwr envelope 1\0"
INFO_TAG = b"syft-flwr body 1\0"
NO_SIGNATURE = bytes(64)


def plaintext_of(envelope: Envelope, recipient: Identity) -> bytes:
    """The body of a message, opened with its recipient's keys."""
    return recipient.open_sealed(envelope.body, INFO_TAG + envelope.line)


def header_of(envelope: Envelope, **changes: Any) -> dict[str, Any]:
    """The header of a message as a dictionary, with changes, and without what its sender stated of the message."""
    found = json.loads(envelope.line)
    return {**{key: value for key, value in found.items() if key not in ("content", "proof")}, **changes}


def line_of(header: Mapping[str, Any]) -> bytes:
    """A header line."""
    return json.dumps(header, separators=(",", ":")).encode() + b"\n"


def sealed(
    header: Mapping[str, Any],
    plaintext: bytes,
    signer: Identity | None,
    recipient: PublicIdentity,
    *,
    info: bytes | None = None,
) -> bytes:
    """A message sealed to ``recipient``, signed by ``signer`` or by nobody; ``info`` other than its own line."""
    size = header["size"] if header.get("size_as_given") else len(plaintext) + 1136
    fields = {key: value for key, value in header.items() if key != "size_as_given"}
    line = line_of(stated({**fields, "suite": SUITE, "size": size}, plaintext, signer))
    body = seal(plaintext, recipient, INFO_TAG + (line if info is None else info))
    return signed(line, body, signer)


def unsealed(header: Mapping[str, Any], plaintext: bytes, signer: Identity | None) -> bytes:
    """A message in the clear."""
    fields = {**header, "suite": SUITE_NONE, "size": len(plaintext)}
    return signed(line_of(stated(fields, plaintext, signer)), plaintext, signer)


def stated(fields: Mapping[str, Any], plaintext: bytes, signer: Identity | None) -> dict[str, Any]:
    """The header with what ``signer`` states for third persons, as far as it is a header at all."""
    bare = {key: value for key, value in fields.items() if key not in ("content", "proof")}
    if signer is None:
        return bare
    whole = {**bare, "content": hashlib.sha256(plaintext).hexdigest()}
    try:
        header, _ = parse_header(line_of(whole))
    except RefusedError:
        return bare
    return {**whole, "proof": base64.b64encode(signer.sign(statement_of(header))).decode()}


def signed(line: bytes, body: bytes, signer: Identity | None) -> bytes:
    """Line and body with a signature, or with 64 zero bytes in its place."""
    return line + body + (signer.sign(SIGNATURE_TAG + line + body) if signer else NO_SIGNATURE)
