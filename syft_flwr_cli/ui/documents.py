"""Documents that ``--json`` prints: what stands in ``data``, by command, in a short form.

The form is ``"text"``, ``"int"``, ``"number"``, ``"bool"``, ``"object"`` and ``"any"``; ``?`` after a type for null;
``[type]`` for a list, ``{"*": type}`` for a map, ``{key: type}`` for an object, whose keys are all there but for those
that end in ``?``; an object with the key ``"?"`` may be null. `schemas` makes JSON Schemas of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["DOCUMENTS", "FAILURE", "Document"]

FAILURE: Final = {"error": "text", "hint": "text", "exit_code": "int"}
"""What ``data`` is where the status is ``error``; of a run it stands beside what else is known of it."""

_IDENTITY: Final = {
    "email": "text", "words": "text", "fingerprint": "text", "version": "int", "created": "number",
    "previous": "text?", "revoked": "bool",
}  # fmt: skip
_PEER: Final = {
    **_IDENTITY,
    "revoked": "any",
    "pinned": "number",
    "verified": "number?",
    "offered": "object?",
}
_PROCESS: Final = {"pid": "int", "since": "number"}
_RUN: Final = {
    "run": "text", "role": "text", "state": "text", "began": "number", "ended": "number?", "reason": "text?",
    "round": "int?", "messages": {"*": "int"},
    "awaited": [{"email": "text", "since": "number", "requests": "int", "no_key": "bool"}],
}  # fmt: skip
_LOCAL_RUN: Final = {"email": "text", "app_name": "text", "process": "object?", **_RUN}
_EGRESS: Final = {
    "bytes": "int", "records?": ["text"], "arrays?": ["object"], "metrics?": ["object"], "values?": ["object"],
    "more?": "int", "error?": "text?", "withheld?": "text?", "message?": "text", "time?": "number",
}  # fmt: skip
_ROUND: Final = {
    "round": "int",
    "phases": {
        "*": {
            "asked": "int", "answered": "int", "seconds": "number", "bytes_written": "int",
            "metrics": {"aggregated": "object"},
        }
    },
}  # fmt: skip
_RUN_RESULT: Final = {
    "run_id": "text", "app_name": "text", "transport": "text", "root": "text?", "datasites": ["text"],
    "missing": ["text"], "resumed": "bool", "earlier": "bool", "seconds": "number", "rounds": [_ROUND],
    "data": {"*": "text"}, "results": "text?",
}  # fmt: skip
_REPORT: Final = {
    "run": "text", "app": "text", "project": "text", "aggregator": "text", "datasites": ["text"], "state": "text",
    "reason": "text", "began": "number", "ended": "number?", "made": "number", "code": "text", "run_config": "object",
    "versions": {"*": "text"},
    "rounds": [
        {
            "number": "int",
            "phases": [
                {
                    "name": "text", "asked": "int", "answered": "int", "failed": {"*": "text"}, "late": ["text"],
                    "seconds": "number", "bytes_written": "int", "overall": "object", "owners": {"*": "object"},
                }
            ],
        }
    ],
    "spans": [
        {
            "owner": "text", "round": "int", "phase": "text", "began": "number", "ended": "number?", "kind": "text",
        }
    ],
    "restarts": ["number"],
    "approvals": [{"owner": "text", "decision": "text", "digest": "text", "when": "number?"}],
    "keys": {"*": "text"}, "data": {"*": "text"}, "missing": ["text"], "audit": "text", "sources": {"*": "text"},
}  # fmt: skip
_AUDIT: Final = {
    "log": "text", "email": "text", "fingerprint": "text", "entries": "int", "head": "text", "first": "number?",
    "last": "number?", "withheld": "any", "repairs": "any",
}  # fmt: skip
_COLUMNS: Final = [{"name": "text", "type": "text"}]
_OWN_DATA: Final = {
    "name": "text", "private": "text", "mock": "text?", "description": "text", "columns": _COLUMNS, "allow": ["text"],
}  # fmt: skip
_OFFERED_DATA: Final = {
    "owner": "text", "name": "text", "description": "text", "columns": _COLUMNS, "files": "int", "bytes": "int",
    "mock": "bool", "received": "number",
}  # fmt: skip
_STANDING: Final = {
    "project": "text", "app_name": "text", "version": "text", "revision": "int", "digest": "text", "message": "text",
    "asked": [
        {
            "email": "text", "sent": "any", "decision": "text?", "decided": "number?", "until": "number?",
            "message": "text", "reviewers": ["text"],
        }
    ],
}  # fmt: skip
_OFFER: Final = {
    "project": "text", "aggregator": "text", "app_name": "text", "version": "text", "revision": "int",
    "digest": "text", "message": "text", "received": "number", "folder": "text?", "decision": "text?",
    "until": "number?", "reviewers": ["text"],
}  # fmt: skip
_FILES: Final = [{"path": "text", "mode": "any", "size": "int", "sha256": "text"}]
_REVIEW: Final = {
    "project": "text", "version": "text", "path": "text", "email": "text", "app_name": "text?", "aggregator": "text?",
    "datasites": ["text"], "digest": "text", "components": "object", "dependencies": ["text"], "config": "object",
    "files": _FILES, "findings": [{"kind": "text", "path": "text", "line": "int", "text": "text"}],
    "policy": ["text"], "reviewers": ["text"],
}  # fmt: skip
_MESSAGE: Final = {
    "source": "text", "bytes": "int", "digest": "text",
    "header": {
        "kind": "text", "id": "text", "app": "text", "run": "text", "sender": "text", "recipient": "text",
        "endpoint": "text", "created": "number", "expires": "number", "answers": "text?",
    },
    "signature": {"verdict": "text", "sentence": "text", "fingerprint": "text?"},
    "sealed": "bool", "suite": "text", "closed": "text?",
    "body": {
        "type": "text", "group": "text", "round": "int?", "code": "text?", "error": "object?", "stop": "text?",
        "run_config": "object", "data": "text?", "owners": "int?", "sandbox": "text?", "acks": ["text"],
        "payloads": [{"id": "text", "scope": "text", "size": "int", "digest": "text"}],
        "records": [{"name": "text", "kind": "text", "items": ["object"]}], "more_items": "int",
        "?": True,
    },
}  # fmt: skip
_STATUS: Final = {
    "apps": [
        {
            "email": "text", "app_name": "text", "role": "text?", "process": "object?", "runs": [_RUN],
            "refused": [
                {
                    "owner": "text", "path": "text", "reason": "text", "sentence": "text", "seen": "number",
                    "times": "int",
                }
            ],
            "refused_by_reason": {"*": "int"}, "keys": ["object"], "at_work": {"*": "number"}, "bytes_kept": "int",
            "bytes_shared": "int?", "bytes_in_stores": {"*": "int"}, "drive": "object",
        }
    ],
    "next": "text",
}  # fmt: skip
_CHANGED: Final = {
    "project": "text", "app_name": "text?", "made": ["text"], "changed": ["text"], "kept": ["text"],
    "notes": ["text"], "written": "bool",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """What a command prints: a sentence for the reference, ``data`` in the short form, and further statuses.

    ``interrupted`` is what ``data`` holds when the status is that; None where only the exit code stands there.
    """

    meaning: str
    data: Any
    statuses: Sequence[str] = ("ok",)
    interrupted: Any = None


DOCUMENTS: Mapping[str, Document] = {
    "audit export": Document("What was exported.", {**_AUDIT, "file": "text"}),
    "audit show": Document("The entries of a log.", {"log": "text", "entries": ["object"]}),
    "audit verify": Document("A log that verifies.", _AUDIT),
    "bootstrap": Document("What was written into a project.", _CHANGED),
    "clean": Document(
        "What was removed.",
        {
            "email": "text", "app_name": "text", "dry_run": "bool", "files_removed": "int", "bytes_freed": "int",
            "files_left": "int", "bytes_left": "int", "runs_forgotten": "int", "bytes_kept_before": "int",
            "bytes_kept_after": "int", "paths": ["text"],
        },
    ),
    "compose": Document(
        "The message that lies in the outbox.",
        {"id": "text", "run": "text", "kind": "text", "recipient": "text", "path": "text", "digest": "text"},
    ),
    "data add": Document("The data set.", {**_OWN_DATA, "told": "any"}),
    "data list": Document(
        "Data sets.", {"email": "text", "own": [_OWN_DATA], "offered": [_OFFERED_DATA]}
    ),
    "data mock": Document("What was saved.", {"name": "text", "folder": "text", "files": "int"}),
    "data remove": Document("What was taken back.", {"name": "text", "told": "any"}),
    "data show": Document(
        "A data set, one's own or somebody's.", {"name": "text", "description": "text", "columns": _COLUMNS}
    ),
    "demo": Document("The run, as of run-server.", _RUN_RESULT, ("ok", "incomplete")),
    "doctor": Document(
        "What was looked at; the status is error if something keeps this machine from taking part.",
        {"findings": [{"check": "text", "state": "text", "what": "text", "remedy": "text"}]},
        ("ok", "error"),
    ),
    "help": Document("The rows of a topic.", {"topic": "text?", "entries": [{"name": "text", "meaning": "text"}]}),
    "home export": Document("What was exported.", {"file": "text", "participants": ["text"], "files": "int"}),
    "home import": Document("What was imported.", {"file": "text", "participants": ["text"], "files": "int"}),
    "init": Document("What was made.", _CHANGED),
    "inspect": Document("A message; invalid if its signature does not hold.", _MESSAGE, ("ok", "invalid")),
    "join": Document("An offer and what was decided.", {**_OFFER, "review": _REVIEW}),
    "keys export": Document("What was exported.", {"email": "text", "file": "text?"}),
    "keys import": Document("Whose keys they are.", {"email": "text"}),
    "keys list": Document("Everybody whose key is known.", [_PEER]),
    "keys protect": Document("How the keys are kept.", {"email": "text", "protected": "bool", "keyring": "any"}),
    "keys publish": Document("The key that is published.", _IDENTITY),
    "keys revoke": Document("The key that is trusted no more.", {**_IDENTITY, "revoked": "any"}),
    "keys rotate": Document("The new keys.", {**_IDENTITY, "revokes_previous": "any"}),
    "keys show": Document("One's own keys.", {**_IDENTITY, "protected": "bool", "file": "text"}),
    "keys trust": Document("The key that is trusted.", _PEER),
    "keys verify": Document("The key that was compared.", _PEER),
    "leave": Document(
        "What was taken back.",
        {
            "left": "text", "projects": [{"project": "text", "digest": "text"}], "data_sets": ["text"],
            "told": "bool",
        },
    ),
    "login": Document("The account.", {"email": "text"}),
    "node": Document(
        "What was served.",
        {
            "email": "text", "apps": [{"app_name": "text", "steps": "any", "error": "text?"}],
            "waiting": [{"what": "text", "next": "text"}],
        },
        ("ok",),
        {"email": "text"},
    ),
    "projects list": Document(
        "Projects that were offered.", {"email": "text", "offered": [_STANDING], "received": [_OFFER]}
    ),
    "projects show": Document("Who has decided what, or the review of a received one.", {"project": "text"}),
    "projects withdraw": Document("What was withdrawn.", {"project": "text", "app_name": "text", "told": ["text"]}),
    "rehearse": Document(
        "What would leave; the status is incomplete if the stand-in for the aggregator did not end well.",
        {
            "digest": "text", "sandbox": "text", "egress": [_EGRESS], "files": [{"path": "text", "bytes": "int"}],
            "seconds": "number", "memory": "int?", "output": "text", "problem": "text?",
        },
        ("ok", "incomplete"),
    ),
    "report": Document(
        "A run in full; with --mlflow where it was sent.",
        {**{f"{key}?" if key != "run" else "run?": value for key, value in _REPORT.items()}, "run_id?": "text",
         "mlflow_run_id?": "text", "new?": "bool"},
    ),
    "review": Document("What would run, and the decision.", _REVIEW),
    "run-client": Document(
        "The runs that are over.",
        {"email": "text", "app_name": "text", "runs": [{"run_id": "text", "reason": "text", "answered": "int"}]},
        ("ok",),
        {"email": "text"},
    ),
    "run-server": Document(
        "A run that has ended; the status is incomplete if data owners were missing at the end.",
        _RUN_RESULT,
        ("ok", "incomplete"),
        {"app_name": "text", "next": "text", "stop": "text"},
    ),
    "runs list": Document("Runs, the newest first.", {"runs": [_LOCAL_RUN]}),
    "runs logs": Document(
        "What was noted of a run, or with --app what the app printed.",
        {"run_id": "text", "email": "text", "app_log": "text", "events": ["object"], "lines": "any"},
    ),
    "runs show": Document(
        "A run; of a data owner's the report is null, and egress says what left.",
        {**_LOCAL_RUN, "egress": [_EGRESS], "report": "object?"},
    ),
    "runs stop": Document("The run that is ended.", {"run_id": "text", "app_name": "text", "told": ["text"]}),
    "serve token add": Document("The token, this once.", {"user": "text", "is_admin": "bool", "token": "text"}),
    "serve token list": Document("Who has a token.", {"tokens": ["object"]}),
    "share": Document(
        "The offer, or with --list the files that would travel.",
        {"digest": "text", "files": "any"},
    ),
    "simulate": Document("The run, as of run-server.", _RUN_RESULT, ("ok", "incomplete")),
    "status": Document("How things stand.", _STATUS),
    "stop": Document("The run that is ended.", {"run_id": "text", "app_name": "text", "told": ["text"]}),
    "submit": Document(
        "The run in the queue of the service; is_served says whether that runs.",
        {"run_id": "text", "app_name": "text", "digest": "text", "asked": ["text"], "is_served": "bool"},
    ),
    "version": Document("Which versions are at work.", {"*": "text"}),
}  # fmt: skip
"""By command."""
