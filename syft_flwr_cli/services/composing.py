"""A message made by hand: from a description in JSON to a sealed and signed file in one's own outbox.

What `inspect --values --json` shows of a message is such a description. It is for playing an exchange file by file and
for trying what the other side does with a message: it is signed with one's own keys, stands in one's own audit log like
any other message, and is in no run of the journal, so nobody waits for an answer to it.
"""

import random
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.delivery.sealer import Sealer
from syft_flwr_cli.errors import TrustError, UsageError
from syft_flwr_cli.flower.description import Stamp, pack_described
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import ENDS, Body, Slot, Stop, encode_body
from syft_flwr_cli.protocol.header import MAX_BODY
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.security.envelope import MAX_FILE, Envelope, new_nonce, read_envelope
from syft_flwr_cli.security.sealing import content_digest
from syft_flwr_cli.session.session import Session, participants_of
from syft_flwr_cli.transports.base import BytesContent

__all__ = ["Composed", "compose", "read_description", "read_request"]

MAX_DESCRIPTION: Final = 64 << 20
LIFETIME: Final = 86400.0
"""Seconds for which a message may be answered where its description does not say it."""

_SERVER_NODE = 1
_HINT = "Begin with what syft-flwr inspect FILE --values --json shows of one."
_HEADER = {"kind", "id", "app", "run", "sender", "recipient", "endpoint", "created", "expires", "answers"}
_HEADER |= {"audit", "seen", "content", "lifetime"}
_BODY = {"type", "group", "round", "code", "error", "stop", "run_config", "data", "owners", "sandbox"}
_BODY |= {"state", "acks", "open_runs", "payloads", "records", "more_items"}
_TOP = {"source", "bytes", "digest", "header", "signature", "sealed", "suite", "closed", "body"}


@dataclass(frozen=True, slots=True)
class Composed:
    """What was put into the outbox: the message's id, its run, for whom, and its path in one's own space."""

    id: str
    run: str
    kind: str
    recipient: str
    path: str
    digest: str


def read_description(path: Path) -> dict[str, Any]:
    """The description in a file: that of a message, or the whole document of ``inspect --json``.

    Raises
    ------
    UsageError
        If it cannot be read, or is no JSON object of at most 64 MiB.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_DESCRIPTION + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Name a file with a description in JSON.",
        ) from error
    if len(data) > MAX_DESCRIPTION:
        raise UsageError(f"{path} has more than {MAX_DESCRIPTION} bytes.", hint="Describe a smaller message.")
    try:
        found = loads(data)
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}.", hint=_HINT) from error
    if isinstance(found, dict) and set(found) == {"schema_version", "status", "data"}:
        found = found["data"]
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no JSON object.", hint=_HINT)
    return found


def compose(
    session: Session,
    description: Mapping[str, Any],
    *,
    answers: bytes | None = None,
    number: Callable[[], int] = lambda: random.SystemRandom().getrandbits(63),
) -> Composed:
    """Make the message and publish it.

    Parameters
    ----------
    session : Session
        The sender's; closed by whoever opened it.
    description : mapping
        See docs/inspect-and-compose.md.
    answers : bytes, optional
        The file of the request that a response answers: from it come id, run and recipient.
    number : callable
        A new run's id, and what makes an id.

    Raises
    ------
    UsageError
        If the description is none of a message that can be sent.
    TrustError
        If the recipient's key is not known, or must not be used.
    """
    _known(description, _TOP, "the description")
    header, told = _table(description, "header"), _table(description, "body")
    _known(header, _HEADER, "header")
    _known(told, _BODY, "body")
    asked = None if answers is None else read_envelope(answers)
    kind = _text(header, "kind", "request" if asked is None else "response")
    recipient = _recipient(session, header, asked)
    if (kind == "response") != (asked is not None) or kind not in ("request", "response"):
        raise UsageError(
            f"The description is that of a {kind[:40]}.",
            hint="A response needs the request that it answers: --answers FILE. A request must not have one.",
        )
    if told.get("payloads"):
        raise UsageError(
            "The description names payloads, and only what it holds itself can be sent.",
            hint="Leave body.payloads out; the values of all arrays have to be in body.records.",
        )
    for name, own in (("sender", session.settings.email), ("app", session.settings.app_name)):
        if header.get(name) not in (None, own):
            raise UsageError(
                f"The description's {name} is {str(header[name])[:80]!r}, and here it is {own}.",
                hint=f"Leave header.{name} out, or compose where it is that.",
            )
    now = session.channel.clock()
    lifetime = _number(header, "lifetime", _lifetime(header))
    run = asked.header.run if asked is not None else _text(header, "run", "") or str(number())
    body = _body(
        session,
        told,
        Stamp(
            run=_run_number(run),
            source=_node(session, session.settings.email),
            destination=_node(session, recipient),
            created=now,
            lifetime=lifetime,
            type=_text(told, "type", "train"),
            group=_text(told, "group", ""),
        ),
    )
    data = encode_body(body)
    if len(data) > MAX_BODY - 4096:
        raise UsageError("The message is larger than an envelope may be.", hint="Describe smaller arrays.")
    peer = session.channel.keys.of(recipient, fresh=True)
    if peer is None:
        raise TrustError(
            f"{recipient} has published no key yet, so nothing can be sealed for it.",
            hint=f"Let {recipient} start once (run-client, node or run-server), then repeat this command.",
        )
    sealer = Sealer(session.channel)
    if asked is not None:
        envelope = sealer.response(asked, peer, data, now)
        path = names.response_path(session.channel.email, recipient, session.channel.app, asked.header.id)
    else:
        mid = _text(header, "id", "") or str(uuid.UUID(int=number() << 64 | number() | 1, version=4))
        envelope = sealer.request(names.check_message_id(mid), run, peer, data, now, now + lifetime)
        path = names.request_path(session.channel.email, recipient, session.channel.app, mid)
    made = read_envelope(envelope)
    entry = {
        "event": "sent",
        "time": now,
        "message": made.header.id,
        "peer": recipient,
        "run": run,
        "digest": made.digest if asked is not None else content_digest([data]).hex(),
        "header": made.line.decode("ascii").rstrip(),
        "by": "compose",
    }
    session.journal.hear(
        [entry]
    )  # before anybody can see it: nothing that is signed is missing in the record
    session.channel.audit.flush()
    session.channel.transport.publish(path, BytesContent(envelope), (recipient,))
    return Composed(made.header.id, run, kind, recipient, path, made.digest)


def read_request(path: Path) -> bytes:
    """The file of a request that is to be answered; `UsageError` if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.", hint="Name the .request that is answered."
        ) from error


def _body(session: Session, told: Mapping[str, Any], stamp: Stamp) -> Body:
    stop, error = told.get("stop"), told.get("error")
    facts: dict[str, Any] = {}
    for name in ("code", "data", "sandbox"):
        facts[name] = _text(told, name, "") or None
    for name in ("round", "owners"):
        if told.get(name) is not None:
            facts[name] = int(_number(told, name, 0))
    config = told.get("run_config") or {}
    if not isinstance(config, dict):
        raise UsageError("body.run_config is no object.", hint=_HINT)
    for name in ("acks", "open_runs"):
        found = told.get(name) or []
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise UsageError(f"body.{name} is no list of ids.", hint=_HINT)
        facts[name] = tuple(found)
    # A random part makes the digest of the body, which anybody sees, one that nobody can guess from.
    plain = Body(type=stamp.type, group=stamp.group, run_config=config, nonce=new_nonce(), **facts)
    if stop is not None or error is not None:
        return _without_content(plain, stop, _text(told, "state", "finished"), error)
    packed = pack_described(told.get("records") or [], stamp)
    slots, at = [], 0
    for place, blob in zip(packed.places, packed.blobs, strict=True):
        slots.append(Slot(tuple(place), -1, at, len(blob)))
        at += len(blob)
    return replace(plain, skeleton=packed.skeleton, inline=b"".join(packed.blobs), slots=tuple(slots))


def _without_content(plain: Body, stop: Any, state: str, error: Any) -> Body:
    if stop is not None:
        if state not in ENDS:
            raise UsageError(f"body.state {state[:40]!r} is none.", hint=f"It is one of {', '.join(ENDS)}.")
        return replace(plain, stop=Stop(str(stop), state))
    if not isinstance(error, dict) or type(error.get("code")) is not int:
        raise UsageError("body.error is none.", hint='Write it as {"code": 1, "reason": "why"}.')
    return replace(plain, error=(error["code"], str(error.get("reason", ""))))


def _recipient(session: Session, header: Mapping[str, Any], asked: Envelope | None) -> str:
    settings = session.settings
    said = _text(header, "recipient", "") or (asked.header.sender if asked is not None else "")
    others = [one for one in participants_of(settings) if one != settings.email]
    if not said and len(others) == 1:
        return others[0]
    if said not in others:
        raise UsageError(
            f"The description is for {said[:80]!r}, who is no other participant of {settings.app_name}."
            if said
            else "The description does not say for whom the message is.",
            hint=f"Write header.recipient as one of: {', '.join(others[:10])}",
        )
    return said


def _node(session: Session, email: str) -> int:
    return _SERVER_NODE if email == session.settings.aggregator else names.node_id(email)


def _lifetime(header: Mapping[str, Any]) -> float:
    created, expires = header.get("created"), header.get("expires")
    if isinstance(created, int | float) and isinstance(expires, int | float) and expires > created:
        return float(expires - created)
    return LIFETIME


def _known(found: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    unknown = sorted(name for name in found if name not in allowed)
    if unknown:
        raise UsageError(
            f"{where} has {unknown[0][:40]!r}, which is not known.",
            hint=f"Known are {', '.join(sorted(allowed))}.",
        )


def _table(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = found.get(name)
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise UsageError(f"The description's {name!r} is no object.", hint=_HINT)
    return table


def _text(found: Mapping[str, Any], name: str, default: str) -> str:
    text = found.get(name)
    if text is None:
        return default
    if not isinstance(text, str):
        raise UsageError(f"The description's {name!r} is no text.", hint=_HINT)
    return text


def _number(found: Mapping[str, Any], name: str, default: float) -> float:
    number = found.get(name)
    if number is None:
        return default
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1e12:
        raise UsageError(f"The description's {name!r} is no number of at least 0.", hint=_HINT)
    return number


def _run_number(run: str) -> int:
    if not (run.isascii() and run.isdecimal() and len(run) <= 20 and int(run) < 1 << 64):
        raise UsageError(f"{run[:40]!r} is no id of a run.", hint="Write header.run as a number below 2^64.")
    return int(run)
