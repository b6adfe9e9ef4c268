"""The body of an envelope: what stands inside the seal, as bounded bytes.

A body says which Flower message this is (type, group, round), carries Flower's protobuf of it with
the larger byte strings taken out, the smaller of those inline, and names the payload files that hold
the rest. Its layout is ``u32 length of meta | meta (JSON) | skeleton | inline``; docs/format.md has it
in full. Reading checks every length against what is there before anything is sliced, so that a message never
comes to more bytes than its sender has written: no two slots overlap, and a payload is named once. Pure: knows
neither Flower, nor keys, nor files.
"""

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import check_message_id
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import read_object
from syft_flwr_cli.protocol.text import check_text, make_text

__all__ = [
    "DATA_USES",
    "ENCRYPTION_MISMATCH",
    "ENDS",
    "Body",
    "ConfigValue",
    "PayloadRef",
    "Slot",
    "Stop",
    "decode_body",
    "encode_body",
]

ENCRYPTION_MISMATCH = "objection"
"""The type of a response that answers nothing: one side seals, the other does not, and this is to say so."""

# JSON full of nested nothing takes some forty times its length in memory: this bounds that to 64 MiB.
MAX_META = 3 << 19
MAX_SLOTS = 200_000
MAX_PAYLOADS = 50_000
MAX_ACKS = 10_000
MAX_TEXT = 64 << 10
MAX_PAYLOAD_SIZE = 1 << 40
_LENGTH = struct.Struct(">I")

_OWNERS = "data-owners"
_SANDBOX = "sandbox"
MAX_SANDBOX = 1000
_CONFIG = "config."
_STATE = "state"

MAX_RUNS = 1000
DATA_USES = ("private", "mock", "none")
ENDS = ("finished", "failed", "stopped")
"""How a run ends."""

Path = tuple[str | int, ...]
ConfigValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a byte string that was taken out belongs, and where it is now.

    Parameters
    ----------
    at : tuple
        Record name, item name and, for a list of byte strings, its index.
    payload : int
        Index into the body's payloads; -1 for the inline part.
    offset, size : int
        Bytes, within the payload's content or the inline part.
    """

    at: Path
    payload: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """A payload file: its id, who may read it (``all`` or ``direct``), key, size and BLAKE3 of its content."""

    id: str
    scope: str
    key: bytes
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Stop:
    """The stop signal: the run is over, why, and how (`ENDS`; earlier versions do not say it). It is not answered."""

    reason: str
    state: str = "finished"


@dataclass(frozen=True, slots=True)
class Body:
    """One message, taken apart.

    Parameters
    ----------
    type : str
        Flower's message type, such as ``train`` or ``query.histogram``; ``system`` for our own.
    group : str
        Flower's group id.
    round : int, optional
        The round, where the message tells it.
    skeleton : bytes
        Flower's protobuf message without the byte strings that ``slots`` put back.
    inline : bytes
        The smaller byte strings, one after the other.
    acks : tuple of str
        Ids of responses of the recipient that the sender has consumed.
    code : str, optional
        Digest of the project: what the aggregator expects, or what the data owner ran.
    error : tuple, optional
        Flower's error code and its reason, instead of content.
    run_config : mapping
        What the aggregator chose of the run config, by key; the rest is the project's.
    stop : Stop, optional
        The run is over.
    data : str, optional
        What a data owner's app was given: ``private``, ``mock`` or ``none`` (`DATA_USES`).
    owners : int, optional
        How many data owners the run has, as the aggregator says in a request; earlier versions do not say it.
    nonce : str
        Random, so that the digest of the body, which anybody sees, tells nobody what is in it.
    sandbox : str, optional
        Of a response: what the app ran in at the data owner, what of that is not enforced, and what was granted.
    open_runs : tuple of str
        The aggregator's other runs of the app that go on: a run that is not among them is over.
    """

    type: str
    group: str = ""
    round: int | None = None
    skeleton: bytes = b""
    inline: bytes | memoryview = b""
    slots: tuple[Slot, ...] = ()
    payloads: tuple[PayloadRef, ...] = ()
    acks: tuple[str, ...] = ()
    code: str | None = None
    error: tuple[int, str] | None = None
    run_config: Mapping[str, ConfigValue] = field(default_factory=dict)
    stop: Stop | None = None
    data: str | None = None
    owners: int | None = None
    nonce: str = ""
    sandbox: str | None = None
    open_runs: tuple[str, ...] = ()


def encode_body(body: Body) -> bytes:
    """The body's bytes, ready to be sealed.

    An error's reason is made valid text; it comes from an app.

    Raises
    ------
    UsageError
        If it names more arrays than one message can carry, or holds text or numbers that cannot be sent.
    """
    facts: dict[str, ConfigValue] = {f"{_CONFIG}{key}": value for key, value in body.run_config.items()}
    if body.owners is not None:
        facts[_OWNERS] = body.owners
    if body.stop is not None:
        facts |= {"action": "stop", "reason": make_text(body.stop.reason, MAX_TEXT)}
        facts |= {} if body.stop.state == "finished" else {_STATE: body.stop.state}
    if body.data is not None:
        facts["data"] = body.data
    if body.sandbox is not None:
        facts[_SANDBOX] = make_text(body.sandbox, MAX_SANDBOX)
    if body.open_runs:
        facts["runs"] = " ".join(body.open_runs)
    meta: dict[str, Any] = {
        "type": body.type,
        "group": body.group,
        "round": body.round,
        "skeleton": len(body.skeleton),
        "slots": [[list(s.at), s.payload, s.offset, s.size] for s in body.slots],
        "payloads": [[p.id, p.scope, p.key.hex(), p.size, p.digest.hex()] for p in body.payloads],
        "acks": list(body.acks),
        "code": body.code,
        "error": [body.error[0], make_text(body.error[1], MAX_TEXT)] if body.error else None,
        "facts": facts,
        **({"nonce": body.nonce} if body.nonce else {}),
    }
    try:
        text = json.dumps(meta, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise UsageError(
            f"The message cannot be sent: it holds a text or a number that JSON has no form for ({error}).",
            hint="Look at the message's type and group, the names of its records, and the run config.",
        ) from None
    if len(text) > MAX_META:
        raise UsageError(
            f"The message has {len(body.slots)} arrays and byte strings, more than one message can carry.",
            hint="Put what belongs together into fewer and larger arrays.",
        )
    return b"".join((_LENGTH.pack(len(text)), text, body.skeleton, body.inline))


def decode_body(data: bytes) -> Body:
    """Take a body apart.

    Raises
    ------
    RefusedError
        Reason ``garbage``, if anything in it is not as docs/format.md has it.
    """
    try:
        return _decode(data)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, struct.error, UsageError) as error:
        raise RefusedError("garbage", f"the body is not well-formed ({error})") from None


def _decode(data: bytes) -> Body:
    (length,) = _LENGTH.unpack_from(data)
    if length > min(MAX_META, len(data) - _LENGTH.size):
        raise ValueError("meta is longer than the body")
    view = memoryview(data)[_LENGTH.size :]
    meta = read_object(bytes(view[:length]), "the body's description")
    rest = view[length:]
    skeleton = _count(meta["skeleton"], len(rest))
    inline = rest[skeleton:]
    payloads = tuple(_payload(item) for item in _items(meta["payloads"], MAX_PAYLOADS))
    sizes = [payload.size for payload in payloads]
    if len({payload.id for payload in payloads}) != len(payloads):
        raise ValueError("a payload is named twice; a sender of a version that does so must be upgraded")
    slots = tuple(_slot(item, sizes, len(inline)) for item in _items(meta["slots"], MAX_SLOTS))
    _check_disjoint(slots)
    facts = _facts(meta.get("facts", {}))
    return Body(
        type=check_text(meta["type"], 200),
        group=check_text(meta["group"], 1000),
        round=None if meta.get("round") is None else _count(meta["round"], 1 << 53),
        skeleton=bytes(rest[:skeleton]),
        inline=inline,
        slots=slots,
        payloads=payloads,
        acks=tuple(check_message_id(check_text(item, 64)) for item in _items(meta["acks"], MAX_ACKS)),
        code=None if meta.get("code") is None else check_text(meta["code"], 200),
        error=_error(meta.get("error")),
        run_config={k.removeprefix(_CONFIG): v for k, v in facts.items() if k.startswith(_CONFIG)},
        stop=_stop(facts),
        open_runs=_runs(facts.get("runs", "")),
        data=str(facts["data"]) if facts.get("data") in DATA_USES else None,
        owners=_count(facts[_OWNERS], 1 << 31) if _OWNERS in facts else None,
        sandbox=check_text(facts[_SANDBOX], MAX_SANDBOX) if _SANDBOX in facts else None,
    )


def _check_disjoint(slots: Iterable[Slot]) -> None:
    """No two slots are one place or share a byte: a message comes to no more than what was sent."""
    if len({slot.at for slot in slots}) != len(tuple(slots)):
        raise ValueError("two slots have the same place")
    ends: dict[int, int] = {}
    for slot in sorted(slots, key=lambda slot: (slot.payload, slot.offset, slot.size)):
        if slot.size and slot.offset < ends.get(slot.payload, 0):
            raise ValueError("two slots overlap; a sender of a version that does so must be upgraded")
        ends[slot.payload] = max(ends.get(slot.payload, 0), slot.offset + slot.size)


def _count(value: Any, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= limit:
        raise ValueError(f"a count is out of bounds: {str(value)[:40]}")
    return value


def _error(value: Any) -> tuple[int, str] | None:
    if value is None:
        return None
    code, reason = _items(value, 2)
    return _count(code, 1 << 31), check_text(reason, MAX_TEXT)


def _items(value: Any, limit: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > limit:
        raise ValueError("a list is missing or too long")
    return value


def _facts(value: Any) -> dict[str, ConfigValue]:
    if not isinstance(value, dict) or len(value) > 64:
        raise ValueError("facts are no small object")
    for key, item in value.items():
        check_text(key, 1000)
        if isinstance(item, str):
            check_text(item, MAX_TEXT)
        elif not isinstance(item, int | float | None) or (
            isinstance(item, float) and not math.isfinite(item)
        ):
            raise ValueError("a fact is no plain value")
    return {key: item for key, item in value.items() if item is not None}


def _stop(facts: Mapping[str, ConfigValue]) -> Stop | None:
    if facts.get("action") != "stop":
        return None
    state = facts.get(_STATE)
    # A word that a later version may have is a run that is over all the same.
    return Stop(str(facts.get("reason", "")), str(state) if state in ENDS else "finished")


def _runs(value: ConfigValue) -> tuple[str, ...]:
    runs = str(value).split()
    if len(runs) > MAX_RUNS or not all(run.isascii() and run.isdecimal() and len(run) <= 20 for run in runs):
        raise ValueError("the open runs are no short list of ids")
    return tuple(runs)


def _payload(item: Any) -> PayloadRef:
    identifier, scope, key, size, digest = _items(item, 5)
    if scope not in ("all", "direct"):
        raise ValueError("a payload has an unknown scope")
    raw_key, raw_digest = bytes.fromhex(check_text(key, 64)), bytes.fromhex(check_text(digest, 64))
    if len(raw_key) != 32 or len(raw_digest) != 32:
        raise ValueError("a payload's key or digest is of the wrong length")
    return PayloadRef(
        check_message_id(check_text(identifier, 64)),
        scope,
        raw_key,
        _count(size, MAX_PAYLOAD_SIZE),
        raw_digest,
    )


def _slot(item: Any, sizes: list[int], inline: int) -> Slot:
    at, payload, offset, size = _items(item, 4)
    path = _items(at, 3)
    if len(path) < 2:
        raise ValueError("a slot has no place")
    for part in path[:2]:
        check_text(part, MAX_TEXT)
    if len(path) == 3:
        _count(path[2], 1 << 31)
    if not isinstance(payload, int) or isinstance(payload, bool) or not -1 <= payload < len(sizes):
        raise ValueError("a slot names no payload")
    room = inline if payload == -1 else sizes[payload]
    start = _count(offset, room)
    return Slot(tuple(path), payload, start, _count(size, room - start))
