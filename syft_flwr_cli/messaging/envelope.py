"""The wire format of a message: one line of JSON, a body, a signature.

The line (the header) is what anybody may see; the body is sealed to the recipient with the line bound
in; the signature is the sender's over both. Reading goes in steps that cannot be taken in another order:
`read_envelope` checks structure and bounds before anything is allocated and uses no keys;
`open_envelope` checks whose it is, then the signature, then that it is sealed as it must be, and only
then touches the private key. Whatever the bytes, nothing but `RefusedError` is raised. Does not know what
a body means, whether a message is late or was seen before, or whom to trust.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.messaging.identity import SIGNATURE_SIZE, Identity, PublicIdentity
from syft_flwr_cli.messaging.names import check_app_name, check_component, check_email, check_message_id
from syft_flwr_cli.messaging.refusal import REASONS, RefusedError
from syft_flwr_cli.messaging.sealing import SEAL_OVERHEAD, SUITE, SUITE_NONE, Buffer, seal
from syft_flwr_cli.messaging.strict_json import canonical, read_object

__all__ = [
    "KINDS",
    "MAX_BODY",
    "MAX_FILE",
    "MAX_HEADER",
    "REASONS",
    "Envelope",
    "Header",
    "RefusedError",
    "header_line",
    "open_envelope",
    "parse_header",
    "read_envelope",
    "write_envelope",
]

MAX_HEADER: Final = 4096
"""Bytes of a header line with its newline, at most."""

MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of a body as it lies in the file, at most."""

MAX_FILE: Final = MAX_HEADER + MAX_BODY + SIGNATURE_SIZE
"""Bytes of a whole envelope, at most: whoever reads a file need not read on."""

KINDS: Final = ("request", "response")

_FORMAT = "syft-flwr"
_VERSION = 1
_SIGNATURE_TAG = b"syft-flwr envelope 1\0"
_INFO_TAG = b"syft-flwr body 1\0"
_RUN = re.compile(r"(0|[1-9][0-9]{0,19})\Z")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_MAX_TIME = 1e12


@dataclass(frozen=True, slots=True)
class Header:
    """What anybody may see of a message.

    Parameters
    ----------
    kind : str
        ``request`` or ``response``.
    id : str
        The message's id, a UUID; a response has its request's.
    app, run, endpoint : str
        What it is for; the run's id in decimal, below 2^64.
    sender, recipient : str
        E-mails.
    created, expires : float
        Seconds since 1970, by the sender's clock.
    suite : str
        `sealing.SUITE` or `sealing.SUITE_NONE`.
    size : int
        Bytes of the body as it lies in the file.
    answers : str, optional
        Of a response, and only of one: SHA-256 of the whole file of its request, in hexadecimal.
    audit : str, optional
        The newest entry of the sender's audit log when it wrote this, in hexadecimal.
    """

    kind: str
    id: str
    app: str
    run: str
    sender: str
    recipient: str
    endpoint: str
    created: float
    expires: float
    suite: str = SUITE
    size: int = 0
    answers: str | None = None
    audit: str | None = None


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


def header_line(header: Header) -> bytes:
    """The canonical first line of an envelope with this header; `UsageError` if it would be none."""
    line = canonical(
        {
            "format": _FORMAT,
            "version": _VERSION,
            "kind": header.kind,
            "id": header.id,
            "app": header.app,
            "run": header.run,
            "sender": header.sender,
            "recipient": header.recipient,
            "endpoint": header.endpoint,
            "created": header.created,
            "expires": header.expires,
            "answers": header.answers,
            "audit": header.audit,
            "suite": header.suite,
            "size": header.size,
        }
    )
    try:
        parse_header(line)
    except RefusedError as error:
        raise UsageError(f"This cannot be sent: {error.what}", hint=error.hint) from error
    return line


def parse_header(data: Buffer) -> tuple[Header, int]:
    """Read the header at the beginning of ``data``.

    Returns
    -------
    tuple[Header, int]
        The header, and where the body begins.

    Raises
    ------
    RefusedError
        ``oversized``, if there is no end of line in 4 KiB or a huge body is announced; ``version``, if
        a later syft-flwr wrote it; ``garbage`` otherwise.
    """
    start = bytes(data[:MAX_HEADER])
    end = start.find(b"\n")
    if end < 0:
        if len(start) < MAX_HEADER:
            raise RefusedError("garbage", "The file has no header line.")
        raise RefusedError("oversized", f"The header line has more than {MAX_HEADER} bytes.")
    found = read_object(start[:end], "The header line")
    if found.get("format") != _FORMAT:
        raise RefusedError("garbage", "The file is no message of syft-flwr.")
    version = found.get("version")
    if type(version) is not int or version < 1:
        raise RefusedError("garbage", "The header names no version of the format.")
    if version != _VERSION:
        raise RefusedError(
            "version",
            f"The message has format version {str(version)[:20]}; this syft-flwr reads version {_VERSION}.",
            hint="Update syft-flwr.",
        )
    return _header_of(found), end + 1


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
    line = header_line(replace(header, suite=suite, size=size))
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
        digest=hashlib.sha256(view).hexdigest(),
        signed=view[:end],
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
    if not encryption:
        if header.suite != SUITE_NONE:
            raise RefusedError(
                "plaintext",
                f"{sender.email} sent this message sealed; encryption is off here, so it is refused.",
                hint="Remove SYFT_FLWR_ENCRYPTION_ENABLED=false here; it is for debugging only.",
            )
        return bytes(envelope.body)
    return me.open_sealed(envelope.body, _INFO_TAG + envelope.line)


def _header_of(found: dict[str, Any]) -> Header:
    kind = found.get("kind")
    if kind not in KINDS:
        raise RefusedError("garbage", "The header says neither request nor response.")
    answers = _digest(found, "answers")
    if (answers is None) != (kind == "request"):
        raise RefusedError("garbage", "A response must name the request it answers, and nothing else may.")
    created, expires = _time(found, "created"), _time(found, "expires")
    if expires < created:
        raise RefusedError("garbage", "The message expires before it was made.")
    suite = _text(found, "suite")
    if suite not in (SUITE, SUITE_NONE):
        raise RefusedError(
            "version",
            f"The message is sealed with {suite[:60]!r}, which is not known here.",
            hint="Update syft-flwr.",
        )
    return Header(
        kind=kind,
        id=_named(found, "id", check_message_id),
        app=_named(found, "app", check_app_name),
        run=_run(found),
        sender=_named(found, "sender", check_email),
        recipient=_named(found, "recipient", check_email),
        endpoint=_named(found, "endpoint", check_component),
        created=created,
        expires=expires,
        suite=suite,
        size=_size(found),
        answers=answers,
        audit=_digest(found, "audit"),
    )


def _text(found: dict[str, Any], name: str) -> str:
    text = found.get(name)
    if not isinstance(text, str):
        raise RefusedError("garbage", f"The header has no proper {name!r}.")
    return text


def _named(found: dict[str, Any], name: str, check: Callable[[str], str]) -> str:
    text = _text(found, name)
    try:
        canonical_text = check(text)
    except UsageError as error:
        raise RefusedError("garbage", f"The header's {name!r} is refused: {error.what}") from error
    if canonical_text != text:
        raise RefusedError("garbage", f"The header's {name!r} is not in its one proper form.")
    return text


def _run(found: dict[str, Any]) -> str:
    run = _text(found, "run")
    if not _RUN.match(run) or int(run) >= 1 << 64:
        raise RefusedError("garbage", "The header's 'run' is not the id of a run.")
    return run


def _digest(found: dict[str, Any], name: str) -> str | None:
    digest = found.get(name)
    if digest is None:
        return None
    if not isinstance(digest, str) or not _HEX_DIGEST.match(digest):
        raise RefusedError("garbage", f"The header's {name!r} is not a digest.")
    return digest


def _time(found: dict[str, Any], name: str) -> float:
    seconds = found.get(name)
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= _MAX_TIME:
        return float(seconds)
    raise RefusedError("garbage", f"The header's {name!r} is not a time.")


def _size(found: dict[str, Any]) -> int:
    size = found.get("size")
    if type(size) is not int or size < 0:
        raise RefusedError("garbage", "The header's 'size' is not a size.")
    if size > MAX_BODY:
        raise RefusedError("oversized", f"A body of more than {MAX_BODY} bytes is announced.")
    return size
