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

from syft_flwr_cli.consent.approvals import Approval, reviewers_of
from syft_flwr_cli.consent.code_scan import KINDS
from syft_flwr_cli.consent.environment import ENVIRONMENT, Environment
from syft_flwr_cli.consent.review import Review, plain
from syft_flwr_cli.execution.dependency_lock import read_lock
from syft_flwr_cli.protocol.grants import grants_to_lists
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.ui import output

__all__ = ["describe", "describe_decision", "show"]

_NO_SANDBOX = (
    "Approval is not a sandbox. What the code can reach while it runs is limited by the sandbox of run-client "
    "(--sandbox). The places worth a look are a reading aid: code that hides what it does is not found."
)
_FOREIGN_ENVIRONMENT = (
    "This folder holds an environment, {}: programs that run-client would run the app with, and that are not shown "
    "here. Unless you made it yourself, remove it, or approve the files with --no-environment and name an "
    "interpreter of your own with --python."
)
_SHOWN_LEADS = 8
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
        "locked": [f"{one.name} {one.version}" for one in read_lock(project.path) or ()],
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
        "policy": list(rules),
        "before": None,
        "changes": None,
        **describe_decision(review, review.decided, place),
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


def describe_decision(review: Review, decided: Approval | None, place: str) -> dict[str, Any]:
    """What was decided about the files of a review and about their environment, and the command to type next."""
    environment, digest = review.environment, review.manifest.digest[:_SHOWN_DIGITS]
    if environment is not None:
        digest += f"+{environment.digest[:_SHOWN_DIGITS]}"
    trusted = environment is None or (
        decided is not None and decided.decision == "approve" and decided.environment == environment.digest
    )
    if decided is None:
        state, next_ = "undecided", f"syft-flwr review {place} --approve --digest {digest}"
    elif decided.decision != "approve":
        state, next_ = "rejected", f"syft-flwr review {place} --diff"
    elif trusted:
        state, next_ = "approved", f"syft-flwr run-client {place} --data DIR"
    else:
        state, next_ = "approved", f"syft-flwr run-client {place} --data DIR --python PATH"
    return {
        "state": state,
        "decided": None if decided is None else decided.time,
        "reviewers": [] if decided is None else list(reviewers_of(decided)),
        "grants": {} if decided is None else grants_to_lists(decided.grants),
        "environment": None if environment is None else _environment(review, environment, trusted),
        "next": next_,
        "approve": f"syft-flwr review {place} --approve --digest {digest}",
    }


def _environment(review: Review, environment: Environment, approved: bool) -> dict[str, Any]:
    changes = review.environment_changes
    return {
        "path": str(environment.root),
        "interpreter": str(environment.interpreter),
        "digest": environment.digest,
        "files": len(environment.items),
        "bytes": environment.size,
        "distributions": list(environment.distributions),
        "leads": list(environment.leads),
        "approved": approved,
        "changed": None
        if changes is None
        else sorted((*changes.added, *changes.removed, *changes.changed), key=ascii),
    }


def show(document: Mapping[str, Any], *, ending: bool = True) -> None:
    """Print a review for people; without its ``ending``, what was decided and what to type next is left out."""
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
    if document["locked"]:
        title = "Locked packages (installed before it runs, from wheels, checked by hash)"
        _section(console, title, document["locked"])
    _section(console, "Run config", document["config"])
    _section(console, "[tool.syft_flwr]", document["syft_flwr"])
    _section(console, "Declared data access", document["data"], "nothing declared in [tool.syft_flwr.data]")
    _files(console, document)
    _findings(console, document["findings"])
    _section(console, "Your policy", document["policy"], "no rules of your own")
    if document["grants"]:
        granted = {kind: ", ".join(names) for kind, names in document["grants"].items()}
        _section(console, "What you let the app reach beyond its sandbox", granted)
    _changes(console, document)
    if document["environment"]:
        _shown_environment(console, document["environment"])
    console.print()
    if document["environment"] and not document["environment"]["approved"]:
        _line(console, _FOREIGN_ENVIRONMENT.format(ENVIRONMENT), "bold yellow")
    _line(console, _NO_SANDBOX)
    if not ending:
        return
    _line(console, _verdict(document), "bold")
    _line(console, f"next: {document['next']}")


def _verdict(document: Mapping[str, Any]) -> str:
    digest = document["digest"][:_SHOWN_DIGITS]
    if document["state"] == "undecided":
        return f"You have not decided about these files (digest {digest}); they do not run here."
    verb = "approved" if document["state"] == "approved" else "rejected"
    decided = f"You {verb} exactly these files (digest {digest}) on {_when(document['decided'])}"
    if document["reviewers"]:
        decided = (
            f"Approved are exactly these files (digest {digest}), on {_when(document['decided'])}, by the reviewers of "
            f"your policy: {', '.join(document['reviewers'])}"
        )
    if document["state"] != "approved" or document["environment"] is None:
        return f"{decided}."
    if document["environment"]["approved"]:
        return f"{decided}, with exactly this environment."
    return f"{decided}, but not this environment; to run with it: {document['approve']}"


def _shown_environment(console: Console, environment: Mapping[str, Any]) -> None:
    leads = [_plain(lead) for lead in environment["leads"]]
    more = f", and {len(leads) - _SHOWN_LEADS} more" if len(leads) > _SHOWN_LEADS else ""
    changed = environment["changed"]
    _section(
        console,
        f"Environment ({ENVIRONMENT}, not part of the digest above)",
        {
            "interpreter": environment["interpreter"],
            "holds": f"{len(environment['distributions'])} distributions, {environment['files']:,} files, "
            f"{environment['bytes']:,} bytes",
            "leads outside to": (", ".join(leads[:_SHOWN_LEADS]) + more) or "nothing",
            "digest": environment["digest"],
            "approved": "yes" if environment["approved"] else "no",
        },
    )
    if changed:
        _line(console, f"  {len(changed)} file{'s' * (len(changed) != 1)} changed since it was approved:")
        for path in changed[:_SHOWN_LEADS]:
            _line(console, f"    {_plain(path)}")
        if len(changed) > _SHOWN_LEADS:
            _line(console, f"    and {len(changed) - _SHOWN_LEADS} more (see --json)")


def _plain(path: str) -> str:
    """A path that may hold bytes that are no text."""
    return path.encode("utf-8", "backslashreplace").decode()


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
