"""A message in words, and as the document that `compose` takes again. It decides nothing."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.protocol.suites import SUITE_NONE
from syft_flwr_cli.services.inspection import Inspection
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.rounds import size_text
from syft_flwr_cli.ui.timeline import when

__all__ = ["message_document", "show_message"]

SHOWN = 60
"""Items of a record that are shown to people; the document has more of them."""
_VALUES = 8
_NAME = 80
_STYLES = {"valid": "green", "invalid": "bold red", "revoked-key": "bold red", "unknown-key": "yellow"}


def message_document(found: Inspection) -> dict[str, Any]:
    """What is known of a message, in the types of JSON. Keys of payloads are not in it."""
    header = found.header
    return {
        "source": found.source,
        "bytes": found.size,
        "digest": found.digest,
        "header": {
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
            "seen": header.seen,
            "content": header.content,
        },
        "signature": {
            "verdict": found.signature.verdict,
            "sentence": found.signature.sentence,
            "fingerprint": found.signature.fingerprint,
        },
        "sealed": header.suite != SUITE_NONE,
        "suite": header.suite,
        "closed": found.closed or None,
        "body": None if found.body is None else _body(found.body, found),
    }


def _body(body: Body, found: Inspection) -> dict[str, Any]:
    return {
        "type": body.type,
        "group": body.group,
        "round": body.round,
        "code": body.code,
        "error": None if body.error is None else {"code": body.error[0], "reason": body.error[1]},
        "stop": None if body.stop is None else body.stop.reason,
        "state": None if body.stop is None else body.stop.state,
        "run_config": dict(body.run_config),
        "data": body.data,
        "owners": body.owners,
        "sandbox": body.sandbox,
        "acks": list(body.acks),
        "open_runs": list(body.open_runs),
        "payloads": [
            {"id": one.id, "scope": one.scope, "size": one.size, "digest": one.digest.hex()}
            for one in body.payloads
        ],
        "records": found.records,
        "more_items": found.more,
    }


def show_message(found: Inspection) -> None:
    """Print a message for people; what somebody else wrote is escaped and cut."""
    console = output.out()
    for label, line, style in _lines(found):
        console.print(Text(f"{label:<11}{visible(line)}", style))


def _lines(found: Inspection) -> Iterator[tuple[str, str, str]]:
    header = found.header
    yield header.kind, header.id, "bold"
    yield "from", f"{header.sender} to {header.recipient}", ""
    yield "app", f"{header.app}, run {header.run}", ""
    yield "made", f"{when(header.created)}, to be answered until {when(header.expires)}", ""
    if header.answers:
        yield "answers", f"the request whose file has the digest {header.answers[:16]}…", ""
    yield "file", f"{found.source}, {size_text(found.size)}, digest {found.digest[:16]}…", ""
    yield "signature", found.signature.sentence, _STYLES[found.signature.verdict]
    if header.suite == SUITE_NONE:
        yield "sealed", "NO: anybody who sees the file can read it", "bold yellow"
    else:
        yield "sealed", f"yes, to {header.recipient} ({header.suite})", ""
    if found.body is not None:
        yield from _body_lines(found.body)
        for record in found.records:
            yield from _record_lines(record)
        if found.more:
            yield "", f"and {found.more} more items", "dim"
    if found.closed:
        yield "contents", found.closed, "yellow"
    for other in found.others:
        yield "also", other, "dim"


def _body_lines(body: Body) -> Iterator[tuple[str, str, str]]:
    if body.stop is not None:
        yield "says", f"the run is over ({body.stop.state}): {_cut(body.stop.reason, 300)}", ""
        return
    number = "" if body.round is None else f", round {body.round}"
    group = f", group {_cut(body.group)}" if body.group else ""
    yield "message", f"{_cut(body.type)}{number}{group}", ""
    if body.error is not None:
        yield "error", f"{body.error[0]}: {_cut(body.error[1], 300)}", "red"
    for label, value in (("code", body.code), ("data", body.data), ("sandbox", body.sandbox)):
        if value:
            yield label, _cut(value, 300), ""
    if body.run_config:
        yield (
            "run config",
            _cut(", ".join(f"{key}={value!r}" for key, value in body.run_config.items()), 300),
            "",
        )
    if body.owners is not None:
        yield "run", f"of {body.owners} data owners", ""
    if body.acks:
        yield "takes", f"{len(body.acks)} answers as consumed", ""
    for one in body.payloads:
        yield (
            "payload",
            f"{one.id}, {size_text(one.size)}, for {'all' if one.scope == 'all' else 'its recipient'}",
            "",
        )


def _record_lines(record: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    yield record["kind"], _cut(record["name"]), "bold"
    for item in record["items"][:SHOWN]:
        yield "", f"  {_cut(item['name'])}  {_item(item)}", ""
    if len(record["items"]) > SHOWN:
        yield "", f"  and {len(record['items']) - SHOWN} more; --json has them", "dim"


def _item(item: dict[str, Any]) -> str:
    parts = []
    if "dtype" in item:
        parts.append(f"{_cut(item['dtype'], 20)}{_cut(str(item['shape']), 60)}")
        parts += [size_text(item["bytes"])] if "bytes" in item else []
        if "norm" in item:
            norm = item["norm"]
            parts.append(f"norm {norm['float'] if isinstance(norm, dict) else f'{norm:.6g}'}")
    else:
        parts.append(item["type"] + (f" of {item['length']}" if "length" in item else ""))
    if "values" in item or "value" in item:
        shown = item.get("values", item.get("value"))
        rest = len(shown) - _VALUES if isinstance(shown, list) else 0
        parts.append(_cut(f"= {shown[:_VALUES] if isinstance(shown, list) else shown!r}", 200))
        parts += [f"and {rest} more"] if rest > 0 else []
    if "note" in item:
        parts.append(f"({item['note']})")
    return ", ".join(parts)


def _cut(text: str, size: int = _NAME) -> str:
    return text if len(text) <= size else f"{text[:size]}… ({len(text)} characters)"
