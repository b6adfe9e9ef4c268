"""The description of an evidence file: a Five Safes RO-Crate (RO-Crate 1.1, plain JSON-LD), made from the record.

Runs are ``CreateAction``, decisions ``AssessAction`` of the kind sign-off, replies ``AssessAction`` of the kind
disclosure check. The same record and members give the same description, so that a verifier makes it anew and
compares. No I/O.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

__all__ = ["metadata"]

_SHP = "https://w3id.org/shp#"
_CRATE = "https://w3id.org/ro/crate/1.1"


def metadata(
    email: str, entries: Sequence[Mapping[str, Any]], files: Iterable[str], made: float
) -> dict[str, Any]:
    """The JSON-LD document.

    Parameters
    ----------
    email : str
        Whose evidence it is.
    entries : sequence of mapping
        The record.
    files : iterable of str
        The other members, as paths.
    made : float
        Seconds since 1970.
    """
    names = sorted(files)
    people = sorted({email, *(str(entry["peer"]) for entry in entries if isinstance(entry.get("peer"), str))})
    actions = [action for entry in entries if (action := _action(entry, email)) is not None]
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": "https://w3id.org/5s-crate/0.4"},
        "name": f"Evidence of {email}",
        "description": "What a participant of a federation recorded: decisions, runs, and what left.",
        "datePublished": _iso(made),
        "license": {"@id": "#not-licensed"},
        "hasPart": [{"@id": name} for name in names],
        "mentions": [{"@id": action["@id"]} for action in actions],
        "author": {"@id": f"mailto:{email}"},
    }
    described = {"@id": "ro-crate-metadata.json", "@type": "CreativeWork"}
    described |= {"conformsTo": {"@id": _CRATE}, "about": {"@id": "./"}}  # type: ignore[dict-item]
    return {
        "@context": [f"{_CRATE}/context", {"shp": _SHP}],
        "@graph": [
            described,
            root,
            {
                "@id": "#not-licensed",
                "@type": "CreativeWork",
                "name": "Evidence for an audit",
                "description": "Given to an auditor; not licensed for anything else.",
            },
            *({"@id": f"mailto:{one}", "@type": "Person", "name": one} for one in people),
            *(_file(name) for name in names),
            *actions,
        ],
    }


def _file(name: str) -> dict[str, Any]:
    kinds = {".jsonl": "application/jsonl", ".json": "application/json", ".txt": "text/plain"}
    kind = next((kind for ending, kind in kinds.items() if name.endswith(ending)), "application/octet-stream")
    return {"@id": name, "@type": "File", "name": name, "encodingFormat": kind}


def _action(entry: Mapping[str, Any], email: str) -> dict[str, Any] | None:
    event, seq = entry.get("event"), int(entry.get("seq", 0))
    moment = entry.get("time")
    common: dict[str, Any] = {
        "@id": f"#entry-{seq}",
        "agent": {"@id": f"mailto:{email}"},
        "endTime": _iso(moment) if isinstance(moment, int | float) else "",
    }
    if event in ("approved", "rejected"):
        done = "CompletedActionStatus" if event == "approved" else "FailedActionStatus"
        return {
            **common,
            "@type": "AssessAction",
            "additionalType": {"@id": f"{_SHP}SignOff"},
            "name": f"{event}: project {entry.get('app', '')} with digest {entry.get('digest', '')}",
            "actionStatus": f"http://schema.org/{done}",
            "result": {"@id": f"decisions/{seq:08d}.dsse.json"},
        }
    if event == "egress":
        held = entry.get("reason") is not None
        return {
            **common,
            "@type": "AssessAction",
            "additionalType": {"@id": f"{_SHP}DisclosureCheck"},
            "name": f"{entry.get('bytes', 0)} bytes of a reply{' were held back' if held else ''}",
            "actionStatus": f"http://schema.org/{'FailedActionStatus' if held else 'CompletedActionStatus'}",
            "result": {"@id": f"egress/{seq:08d}.dsse.json"},
        }
    if event in ("run-started", "run-finished", "executed", "stopped"):
        return {
            **common,
            "@type": "CreateAction",
            "name": f"{event} (run {entry.get('run', '')})",
            "instrument": {"@id": "./"},
        }
    return None


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
