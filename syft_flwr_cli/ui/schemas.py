"""Schemas of the documents that ``--json`` prints: JSON Schema (2020-12), one for each command, and a page of them.

A document is ``{"schema_version", "status", "data"}``. Later versions may add keys, and readers pass over what they do
not know; none is taken away or changes its type without a new ``schema_version``. The schemas lie as files in the
package's folder ``schemas``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.ui.documents import DOCUMENTS, FAILURE
from syft_flwr_cli.ui.output import SCHEMA_VERSION

__all__ = ["command_of", "folder", "reference_page", "schema_of"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def command_of(words: Sequence[str]) -> str | None:
    """The command in the words of a command line whose document this is; None where it is of no known command."""
    plain = [word for word in words if not word.startswith("-")]
    for length in (3, 2, 1):
        name = " ".join(plain[:length])
        if len(plain) >= length and name in DOCUMENTS:
            return name
    return None


def folder() -> Path:
    """Where the schemas lie as files."""
    return Path(__file__).parent.parent / "schemas"


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a command's whole document."""
    document = DOCUMENTS[name]
    whole = {status: _schema(document.data) for status in document.statuses}
    failure = {"anyOf": [_schema(FAILURE), *([whole["error"]] if "error" in whole else [])]}
    interrupted = {"anyOf": [_schema({"exit_code": "int"}), *_more(document.interrupted)]}
    cases = {**whole, "error": failure, "interrupted": interrupted}
    return {
        "$schema": DIALECT,
        "$id": f"https://syft-flwr.example/schemas/{name.replace(' ', '-')}.json",
        "title": f"syft-flwr {name} --json",
        "description": document.meaning,
        "type": "object",
        "required": ["schema_version", "status", "data"],
        "properties": {
            "schema_version": {"const": SCHEMA_VERSION},
            "status": {"enum": sorted(cases)},
            "data": True,
        },
        "additionalProperties": False,
        "oneOf": [
            {"properties": {"status": {"const": status}, "data": schema}}
            for status, schema in sorted(cases.items())
        ],
    }


def reference_page() -> str:
    """docs/json-documents.md, made of this module."""
    lines = [
        "# The documents of --json",
        "",
        "<!-- made from syft_flwr_cli/ui/schemas.py; a test compares them -->",
        "",
        "With `--json` a command prints exactly one document on stdout, and all else on stderr:",
        '`{"schema_version": 1, "status": …, "data": …}`. Each has a JSON Schema (2020-12) in the package, in',
        "`syft_flwr_cli/schemas/`; `syft-flwr help json` says where that is. Later versions may add keys; a reader",
        "passes over those that it does not know.",
        "",
        "- `ok`: `data` is as below. Further statuses of a command are named there.",
        '- `error`: `data` is `{"error", "hint", "exit_code"}`; of a run what is known of it stands beside these.',
        '- `interrupted`: `data` is `{"exit_code": 130}`, or what the command says of how to go on.',
        "",
        "`?` after a type: it may be null; after a key: it may be missing. Times are seconds since 1970, sizes are",
        "bytes. A number that JSON has no word for (NaN, infinity) is null.",
    ]
    for name, document in sorted(DOCUMENTS.items()):
        also = [status for status in document.statuses if status != "ok"]
        lines += [
            "",
            f"## {name}",
            "",
            document.meaning + (f" Further statuses: {', '.join(also)}." if also else ""),
            "",
        ]
        lines += ["```", *_told(document.data), "```"]
    return "\n".join(lines) + "\n"


def _more(short: Any) -> list[dict[str, Any]]:
    return [] if short is None else [_schema(short)]


_TYPES: Final = {
    "text": "string",
    "int": "integer",
    "number": "number",
    "bool": "boolean",
    "object": "object",
}


def _schema(short: Any) -> dict[str, Any]:
    if isinstance(short, str):
        if short == "any":
            return {}
        name = _TYPES[short.rstrip("?")]
        kinds = ["number", "null"] if name == "number" else [name, "null"]
        # A metric that is no finite number is null.
        return {"type": kinds if short.endswith("?") else name}
    if isinstance(short, list):
        return {"type": "array", "items": _schema(short[0])}
    if set(short) == {"*"}:
        return {"type": "object", "additionalProperties": _schema(short["*"])}
    keys = {key: value for key, value in short.items() if key != "?"}
    schema: dict[str, Any] = {
        "type": ["object", "null"] if "?" in short else "object",
        "required": sorted(key for key in keys if not key.endswith("?")),
        "properties": {key.rstrip("?"): _schema(value) for key, value in sorted(keys.items())},
    }
    return schema


def _told(short: Any, indent: int = 0) -> list[str]:
    pad = "  " * indent
    if isinstance(short, str):
        return [f"{pad}{short}"]
    if isinstance(short, list):
        inside = _told(short[0], indent)
        return (
            [f"{pad}[{inside[0].strip()}", *inside[1:-1], f"{inside[-1]}]"]
            if len(inside) > 1
            else [f"{pad}[{inside[0].strip()}]"]
        )
    lines = [f"{pad}{{"]
    for key, value in short.items():
        if key == "?":
            continue
        inside = _told(value, indent + 1)
        lines += [f"{pad}  {key}: {inside[0].strip()}", *inside[1:]]
    return [*lines, f"{pad}}}{'?' if '?' in short else ''}"]
