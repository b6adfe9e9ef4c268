"""How a review is told: as a document for programs, as tables for people.

`describe` makes the document, `show` prints it. Text that comes from the project is made visible first, so
that no file name and no value can move the cursor, hide or reorder what stands beside it. It does not read
the files of the project and does not decide anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from syft_flwr_cli.project.approvals import Approval
from syft_flwr_cli.project.review import Review, plain, visible
from syft_flwr_cli.project.survey import KINDS
from syft_flwr_cli.ui import output

__all__ = ["describe", "describe_decision", "show"]

ENVIRONMENTS = (".venv",)
"""Where a project may hold an environment that runs are made in: outside the digest, so it is pointed out."""

_NO_SANDBOX = (
    "Approval is not a sandbox: approved code runs with your rights on this machine. The places listed above "
    "are a reading aid; they are found only where they are written plainly."
)
_FOREIGN_ENVIRONMENT = (
    "This folder holds an environment, {}: programs that are not part of the digest and not shown here, and that "
    "run-client would run the app with. Unless you made it yourself, remove it, or name another with --python."
)
_SHOWN_DIGITS = 16


def describe(
    review: Review, place: str, email: str, rules: Sequence[str], diff: Sequence[str] | None
) -> dict[str, Any]:
    """Everything a review shows, in the types of JSON.

    Parameters
    ----------
    review : Review
        What would run.
    place : str
        The project, and what else the person named, for the command to type next.
    email : str
        The data owner.
    rules : Sequence[str]
        The owner's policy in sentences.
    diff : Sequence[str] | None
        The lines of the difference to the version approved last; None if it was not asked for.
    """
    project, changes = review.project, review.changes
    document: dict[str, Any] = {
        "project": project.name,
        "version": project.version,
        "path": str(review.place),
        "email": email,
        "app_name": project.app_name,
        "aggregator": project.aggregator,
        "datasites": list(project.datasites),
        "digest": review.manifest.digest,
        "components": plain(review.components),
        "dependencies": list(review.dependencies),
        "config": plain(review.config),
        "syft_flwr": plain(review.options),
        "data": plain(review.data),
        "files": [
            {"path": entry.path, "mode": entry.mode, "size": entry.size, "sha256": entry.sha256}
            for entry in review.manifest.entries
        ],
        "findings": [
            {"kind": found.kind, "path": found.path, "line": found.line, "text": found.text}
            for found in review.findings
        ],
        "environment": next((name for name in ENVIRONMENTS if (review.place / name).exists()), None),
        "policy": list(rules),
        "before": None,
        "changes": None,
        **describe_decision(review.decided, review.manifest.digest, place),
    }
    if review.before is not None and changes is not None:
        document["before"] = {"digest": review.before.digest, "time": review.before.time}
        document["changes"] = {
            "added": list(changes.added),
            "removed": list(changes.removed),
            "changed": list(changes.changed),
        }
    if diff is not None:
        document["diff"] = list(diff)
    return document


def describe_decision(decided: Approval | None, digest: str, place: str) -> dict[str, Any]:
    """What was decided about the files of ``digest``, and the command to type next."""
    if decided is None:
        state, next_ = "undecided", f"syft-flwr review {place} --approve --digest {digest[:_SHOWN_DIGITS]}"
    elif decided.decision == "approve":
        state, next_ = "approved", f"syft-flwr run-client {place} --data DIR"
    else:
        state, next_ = "rejected", f"syft-flwr review {place} --diff"
    return {"state": state, "decided": None if decided is None else decided.time, "next": next_}


def show(document: Mapping[str, Any]) -> None:
    """Print a review for people."""
    console = output.out()
    _line(console, f"{document['project']} {document['version']}", "bold")
    _pairs(
        console,
        {
            "app": document["app_name"],
            "aggregator": document["aggregator"],
            "data owners": ", ".join(document["datasites"]),
            "you": document["email"],
            "folder": document["path"],
            "digest": document["digest"],
        },
    )
    _section(console, "What is started", document["components"])
    _section(console, "Dependencies (from outside, not covered by the digest)", document["dependencies"])
    _section(console, "Run config", document["config"])
    _section(console, "[tool.syft_flwr]", document["syft_flwr"])
    _section(console, "Declared data access", document["data"], "nothing declared in [tool.syft_flwr.data]")
    _files(console, document)
    _findings(console, document["findings"])
    _section(console, "Your policy", document["policy"], "no rules of your own")
    _changes(console, document)
    console.print()
    if document["environment"]:
        _line(console, _FOREIGN_ENVIRONMENT.format(document["environment"]), "bold yellow")
    _line(console, _NO_SANDBOX)
    _line(console, _verdict(document), "bold")
    _line(console, f"next: {document['next']}")


def _verdict(document: Mapping[str, Any]) -> str:
    digest = document["digest"][:_SHOWN_DIGITS]
    if document["state"] == "undecided":
        return f"You have not decided about these files (digest {digest}); they do not run here."
    verb = "approved" if document["state"] == "approved" else "rejected"
    return f"You {verb} exactly these files (digest {digest}) on {_when(document['decided'])}."


def _files(console: Console, document: Mapping[str, Any]) -> None:
    files = document["files"]
    marks: dict[str, str] = {}
    if document["changes"]:
        marks = dict.fromkeys(document["changes"]["added"], "new")
        marks |= dict.fromkeys(document["changes"]["changed"], "changed")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    table.add_column()
    table.add_column()
    for file in files:
        note = " ".join(filter(None, ("executable" * (file["mode"] == "100755"), marks.get(file["path"]))))
        table.add_row(f"  {file['size']:,}", _text(file["path"]), file["sha256"][:12], note)
    _titled(console, f"Files ({len(files)}, {sum(file['size'] for file in files):,} bytes)")
    console.print(table)


def _findings(console: Console, findings: Sequence[Mapping[str, Any]]) -> None:
    _titled(console, "Places worth a look")
    if not findings:
        _line(console, "  none found")
        return
    before = ""
    for found in findings:
        if found["kind"] != before:
            before = found["kind"]
            _line(console, f"  {KINDS[before]}")
        where = f"{found['path']}:{found['line']}" if found["line"] else found["path"]
        _line(console, f"    {where}  {found['text']}")


def _changes(console: Console, document: Mapping[str, Any]) -> None:
    before, changes = document["before"], document["changes"]
    if before is None:
        _titled(console, "Changes")
        _line(console, "  nothing of this app was approved here before: read all of it")
        return
    since = f"{before['digest'][:_SHOWN_DIGITS]}, approved on {_when(before['time'])}"
    _titled(console, f"Changes since {since}")
    if not any(changes.values()):
        _line(console, "  none")
        return
    for kind, paths in changes.items():
        for path in paths:
            _line(console, f"  {kind}: {path}")
    if "diff" not in document:
        _line(console, "  (line by line with --diff)")
        return
    for line in document["diff"]:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        _line(console, f"  {line}", style)


def _section(
    console: Console, title: str, content: Mapping[str, Any] | Sequence[Any], otherwise: str = "none"
) -> None:
    _titled(console, title)
    if isinstance(content, Mapping):
        _pairs(console, content)
    else:
        for item in content:
            _line(console, f"  {item}")
    if not content:
        _line(console, f"  {otherwise}")


def _pairs(console: Console, pairs: Mapping[str, Any]) -> None:
    flat = dict(_flat(pairs))
    width = max((len(name) for name in flat), default=0)
    for name, value in flat.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        _line(console, f"  {name:<{width}}  {shown}")


def _flat(pairs: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in pairs.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value


def _titled(console: Console, title: str) -> None:
    console.print()
    _line(console, title, "bold")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(_text(text), style=style)


def _text(text: str) -> Text:
    return Text(visible(text))


def _when(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")
