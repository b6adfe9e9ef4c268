"""The first line of a message: what anybody may see of it.

One line of JSON with every key in its place, so that ``head -1 FILE`` tells who sent what to whom. Written
in one form; read in any form that is bounded and unambiguous, since it is the line as it lies there that is
signed. Unknown keys are ignored, an unknown version is refused. Pure; knows no keys.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import check_app_name, check_component, check_email, check_message_id
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, decode_base64, encode_base64, read_object
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE, Buffer

__all__ = ["KINDS", "MAX_BODY", "MAX_HEADER", "Header", "header_line", "parse_header", "statement_of"]

MAX_HEADER: Final = 4096
"""Bytes of a header line with its newline, at most."""

MAX_BODY: Final = 64 * 1024 * 1024
"""Bytes of a body as it lies in the file, at most."""

KINDS: Final = ("request", "response")
"""A request opens an exchange; a response answers exactly one request."""

PROOF_TAG: Final = b"syft-flwr statement 1\0"
"""Stands before what a sender signs of a header."""

_SIGNATURE_SIZE = 64
_FORMAT = "syft-flwr"
_VERSION = 1
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
        `SUITE` or `SUITE_NONE`.
    size : int
        Bytes of the body as it lies in the file.
    answers : str, optional
        Of a response, and only of one: SHA-256 of the whole file of its request, in hexadecimal.
    audit : str, optional
        The newest entry of the sender's audit log when it wrote this, in hexadecimal.
    seen : str, optional
        The newest entry of the recipient's audit log that the sender had seen, in hexadecimal.
    content : str, optional
        SHA-256 of the body before it was sealed, in hexadecimal.
    proof : bytes, optional
        The sender's signature under this line without it (`statement_of`): what a third person can check who has
        neither the body nor a key that opens it.
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
    seen: str | None = None
    content: str | None = None
    proof: bytes | None = None


def header_line(header: Header) -> bytes:
    """The canonical first line of an envelope with this header; `UsageError` if it would be none."""
    line = canonical(_fields(header))
    try:
        parse_header(line)
    except RefusedError as error:
        raise UsageError(f"This cannot be sent: {error.what}", hint=error.hint) from error
    return line


def statement_of(header: Header) -> bytes:
    """What `Header.proof` signs: the line of this header, without the proof."""
    return PROOF_TAG + canonical(_fields(replace(header, proof=None)))


def _fields(header: Header) -> dict[str, Any]:
    # What earlier versions do not know stands there only where it is said: their lines are the same as before.
    later = {
        "seen": header.seen,
        "content": header.content,
        "proof": None if header.proof is None else encode_base64(header.proof),
    }
    return {
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
    } | {name: value for name, value in later.items() if value is not None}


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
        seen=_digest(found, "seen"),
        content=_digest(found, "content"),
        proof=_proof(found),
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


def _proof(found: dict[str, Any]) -> bytes | None:
    proof = found.get("proof")
    return None if proof is None else decode_base64(proof, _SIGNATURE_SIZE, "The header's 'proof'")


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
