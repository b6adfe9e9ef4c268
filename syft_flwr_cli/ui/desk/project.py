"""The page of one offered project: who asks, what it asks for, what would run, what changed, and the decision."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from syft_flwr_cli.consent.approvals import Approval
from syft_flwr_cli.consent.code_scan import KINDS
from syft_flwr_cli.consent.review import plain
from syft_flwr_cli.services.desk_values import DataWish, RehearsalState, Seen
from syft_flwr_cli.services.review import Reviewed
from syft_flwr_cli.ui.desk.code import show_diff, show_file
from syft_flwr_cli.ui.desk.html import Html, el, text
from syft_flwr_cli.ui.desk.layout import Frame, counted, facts, size, table, tag, when
from syft_flwr_cli.ui.desk.pages import NodeState, left_tables

__all__ = ["file_page", "project_page", "rehearsal_page"]

MAX_FILES = 1000
MAX_FINDINGS = 200
MAX_PAIRS = 200
ENDS = (("", "no end"), ("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("365d", "one year"))


def project_page(frame: Frame, seen: Seen, rehearsed: RehearsalState | None, node: NodeState) -> str:
    """The whole page."""
    one = seen.offer
    message = el("blockquote", el("p", one.offer.message)) if one.offer.message else None
    who = el(
        "section",
        el("h2", "Who asks"),
        facts(
            (
                ("aggregator", one.aggregator),
                ("version", f"{one.offer.revision} ({one.offer.version})"),
                ("received", when(one.seen)),
                ("data owners", ", ".join(one.offer.datasites[:20])),
                ("digest", el("code", one.offer.digest)),
            )
        ),
        message,
        _asker(frame, seen),
        class_="card",
    )
    if seen.reviewed is None:
        return frame.page(
            one.name, who, el("p", "Its files have not arrived yet. Look for offers again later.")
        )
    shown = seen.reviewed.shown
    return frame.page(
        one.name,
        _state(frame, seen.reviewed, node),
        *(_other(frame, one) for one in seen.others),
        who,
        _asks_for(seen),
        _files(one.offer.digest, seen.reviewed),
        _changes(seen.reviewed),
        _findings(one.offer.digest, seen.reviewed),
        el(
            "section",
            el("h2", "Your rules"),
            el("ul", (el("li", rule) for rule in seen.reviewed.rules))
            if seen.reviewed.rules
            else el("p", "You have no rules of your own."),
        ),
        _settings("What is started", plain(shown.components)),
        _settings("Run configuration", plain(shown.config)),
        _settings("Dependencies", dict.fromkeys(shown.dependencies, "")),
        _rehearse(frame, seen, rehearsed),
        _decision(frame, seen, rehearsed),
    )


def file_page(frame: Frame, seen: Seen, path: str) -> str | None:
    """One file of the checked copy; None if the project has none that is called so."""
    if seen.reviewed is None:
        return None
    shown = seen.reviewed.shown
    entry = next((entry for entry in shown.manifest.entries if entry.path == path), None)
    if entry is None:
        return None
    back = el("p", el("a", f"Back to {seen.offer.name[:80]}", href=f"/project/{seen.offer.offer.digest}"))
    known = facts((("size", size(entry.size)), ("SHA-256", el("code", entry.sha256))))
    return frame.page(path, back, known, show_file(path, Path(shown.project.path) / path))


def rehearsal_page(frame: Frame, name: str, digest: str, state: RehearsalState | None) -> str:
    """How a rehearsal stands."""
    back = el("p", el("a", f"Back to {name[:80]}", href=f"/project/{digest}"))
    return frame.page("Rehearsal", back, el("div", _rehearsed(state), id="live"))


def _rehearsed(state: RehearsalState | None) -> list[Html]:
    if state is None:
        return [el("p", "There was no rehearsal since the desk was opened.")]
    if state.running:
        words = f"Running since {when(state.begun)}. Nothing is sent. "
        return [el("p", tag("warn", "running"), f" {words}", el("a", "Look again", href=""), role="status")]
    if state.result is None:
        return [el("p", tag("bad", "failed"), f" {state.problem}")]
    done = state.result
    parts = [
        el("p", tag("good", "done"), f" in {done.seconds:.1f} s. Nothing was sent. Sandbox: {done.sandbox}.")
        if done.problem is None
        else el("p", tag("bad", "did not end well"), f" {done.problem}"),
        el("h2", "What would leave"),
        left_tables(done.egress, "would leave"),
        el("h2", "What it read of your data"),
    ]
    if done.files:
        rows = [(text(path, 200), size(count)) for path, count in done.files[:MAX_FILES]]
        parts.append(table("Files that were read", ("file", "size"), rows, frozenset({1})))
    else:
        parts.append(el("p", "No file of yours."))
    if done.output:
        output = el("pre", el("code", text(done.output, 20_000)), class_="code", tabindex=0)
        parts.append(el("details", el("summary", "What the app printed"), output))
    return parts


def _state(frame: Frame, reviewed: Reviewed, node: NodeState) -> Html:
    decided = reviewed.shown.decided
    if decided is None:
        return el(
            "p",
            tag("warn", "your decision"),
            " You have not decided about these files; they do not run here. ",
            el("a", "Go to the decision", href="#decide"),
        )
    kind, word = ("good", "approved") if decided.decision == "approve" else ("bad", "rejected")
    until = f", until {when(decided.until)}" if decided.until else ""
    said = el(
        "p",
        tag(kind, word),
        f" You {word} exactly these files on {when(decided.time)}{until}. ",
        el("a", "Change it", href="#decide"),
    )
    if decided.decision != "approve" or node.running or node.elsewhere or node.paused is not None:
        return said
    start = frame.button("/node/resume", "Start your node", "main")
    return el("div", said, el("p", "Your node is not started, so nothing runs yet."), start)


def _other(frame: Frame, one: Approval) -> Html:
    """Another version that is approved and so runs, whatever is decided about this one."""
    return el(
        "section",
        el(
            "p",
            tag("good", "runs now"),
            f" Another version of this project, which you approved on {when(one.time)}, runs here until you approve "
            "this one. Rejecting this one does not stop it.",
        ),
        frame.button(f"/project/{one.digest}/revoke", "Revoke the other version now", "danger"),
        class_="card",
    )


def _asker(frame: Frame, seen: Seen) -> Html:
    entry = seen.asker
    if entry is None:
        return el("p", "The key of who asks is not known here.", class_="bad")
    state = (
        tag("good", "compared") if entry.verified is not None else tag("warn", "nobody has compared it yet")
    )
    link = (
        None
        if entry.verified is not None
        else el("p", el("a", f"Compare the six words with {seen.offer.aggregator} by phone", href="/keys"))
    )
    return el("div", el("h3", "Their six words ", state), el("p", entry.identity.words, class_="words"), link)


def _asks_for(seen: Seen) -> Html:
    assert seen.reviewed is not None
    shown = seen.reviewed.shown
    said = list(_flat(plain(shown.data)))[:MAX_PAIRS]
    if seen.data is not None:
        place = {"mock": "data that it makes up", "none": "no data"}.get(seen.data.use)
        mine = place or f"{seen.data.path} ({counted(seen.data.files, 'file')}, {size(seen.data.bytes)})"
    else:
        mine = "not chosen yet"
    return el(
        "section",
        el("h2", "What data it asks for"),
        facts((name, text(value, 400)) for name, value in said) if said else el("p", "It declares nothing."),
        el("p", "What it would get of yours: ", el("strong", mine)),
        class_="card",
    )


def _files(digest: str, reviewed: Reviewed) -> Html:
    entries, changes = reviewed.shown.manifest.entries, reviewed.shown.changes
    marks: dict[str, str] = {}
    if changes is not None:
        marks = dict.fromkeys(changes.added, "new") | dict.fromkeys(changes.changed, "changed")
    rows = [
        (
            el("a", text(entry.path, 200), href=f"/project/{digest}/file?path={quote(entry.path, safe='')}"),
            size(entry.size),
            marks.get(entry.path, "") + (" executable" if entry.mode == "100755" else ""),
        )
        for entry in entries[:MAX_FILES]
    ]
    more = len(entries) - MAX_FILES
    return el(
        "section",
        el("h2", f"Files ({len(entries)})"),
        el("p", "These files, byte by byte, are what would run. Open each to read it."),
        table("Files of the project", ("file", "size", "change"), rows, frozenset({1})),
        el("p", f"{more:,} more files are not shown.", class_="warn") if more > 0 else None,
    )


def _changes(reviewed: Reviewed) -> Html:
    before = reviewed.shown.before
    if before is None:
        body: Html = el("p", "You have approved nothing of this project before: read all of it.")
    elif not reviewed.diff:
        body = el("p", f"None since the version that you approved on {when(before.time)}.")
    else:
        since = el("p", f"Since the version that you approved on {when(before.time)}; + is new, - is gone.")
        body = el("div", since, show_diff(reviewed.diff))
    return el("section", el("h2", "Changes"), body)


def _findings(digest: str, reviewed: Reviewed) -> Html:
    found = reviewed.shown.findings
    rows = []
    for one in found[:MAX_FINDINGS]:
        where = f"{one.path}:{one.line}" if one.line else one.path
        href = f"/project/{digest}/file?path={quote(one.path, safe='')}" + (
            f"#L{one.line}" if one.line else ""
        )
        rows.append((KINDS[one.kind], el("a", text(where, 200), href=href), el("code", text(one.text, 200))))
    more = len(found) - MAX_FINDINGS
    return el(
        "section",
        el("h2", "Places worth a look"),
        table("Places worth a look", ("what it does", "where", "line"), rows, frozenset())
        if rows
        else el("p", "None found."),
        el("p", f"{more:,} more are not shown.", class_="warn") if more > 0 else None,
        el("p", "A reading aid: code that wants to hide something can.", class_="soft"),
    )


def _settings(title: str, content: Any) -> Html:
    pairs = list(_flat(content))
    shown = [(text(name, 120), text(value, 400)) for name, value in pairs[:MAX_PAIRS]]
    body = facts(shown) if shown else el("p", "None.")
    more = el("p", f"{len(pairs) - MAX_PAIRS:,} more are not shown.") if len(pairs) > MAX_PAIRS else None
    return el("details", el("summary", f"{title} ({len(pairs)})"), body, more)


def _data_fields(seen: Seen, rehearsed: RehearsalState | None) -> Html:
    """Which data; asked in the form of the rehearsal and in that of the decision. What was rehearsed with is there."""
    chosen = seen.data is not None
    wish = DataWish("keep" if chosen else "folder") if rehearsed is None else rehearsed.wish

    def radio(value: str, label: str, *more: Html) -> Html:
        first = value == wish.use
        box = el("input", type="radio", name="use", value=value, checked=first)
        return el("div", el("label", box, label, class_="in"), *more)

    sets = [
        el(
            "option",
            one.name,
            value=one.name,
            selected=wish.use == "dataset" and one.name == wish.value,
        )
        for one in seen.data_sets
    ]
    return el(
        "fieldset",
        el("legend", "Your data"),
        el("p", seen.data_problem, class_="soft") if seen.data_problem and seen.data is None else None,
        radio("keep", "as chosen before") if chosen else None,
        radio(
            "folder",
            "a folder on this machine",
            el(
                "input",
                type="text",
                name="folder",
                value=wish.value if wish.use == "folder" else "",
                maxlength=4000,
                aria_label="Path of the folder",
                placeholder="/path/to/the/folder",
                spellcheck="false",
                autocomplete="off",
            ),
        ),
        radio("dataset", "a data set of yours", el("select", sets, name="dataset", aria_label="Data set"))
        if sets
        else None,
        radio("mock", "none of mine: the app makes some up"),
        radio("none", "none: the app needs no data"),
    )


def _rehearse(frame: Frame, seen: Seen, state: RehearsalState | None) -> Html:
    digest = seen.offer.offer.digest
    last = (
        None
        if state is None
        else el("p", el("a", "See the rehearsal and what would leave", href=f"/project/{digest}/rehearsal"))
    )
    return el(
        "section",
        el("h2", "Rehearse"),
        el(
            "p",
            "Runs exactly these files on your data on this machine, in the sandbox, and shows what would "
            "leave. Nothing is sent and nothing is decided.",
        ),
        last,
        frame.form(
            f"/project/{digest}/rehearse",
            _data_fields(seen, state),
            el("button", "Rehearse, with nothing sent"),
        ),
        class_="card",
    )


def _decision(frame: Frame, seen: Seen, rehearsed: RehearsalState | None) -> Html:
    assert seen.reviewed is not None
    digest, decided = seen.offer.offer.digest, seen.reviewed.shown.decided
    approved = decided is not None and decided.decision == "approve"
    ends = [el("option", label, value=value) for value, label in ENDS]
    reject = frame.button(
        f"/project/{digest}/reject",
        "Revoke now: stop it and let it run no more" if approved else "Reject",
        "danger",
    )
    approve = frame.form(
        f"/project/{digest}/approve",
        _data_fields(seen, rehearsed),
        el("label", "The approval ends after", el("select", ends, name="until")),
        el(
            "button",
            "Approve again with these choices" if approved else "Approve exactly these files",
            class_="main",
        ),
    )
    note = f"Whatever you decide, {seen.offer.aggregator} is told. You can revoke an approval at any time."
    return el("section", el("h2", "Decide"), el("p", note), approve, reject, class_="card", id="decide")


def _flat(pairs: Any, above: str = "") -> Iterator[tuple[str, str]]:
    if not isinstance(pairs, Mapping):
        yield above or "value", str(pairs)[:400]
        return
    for name, value in pairs.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            shown = ", ".join(map(str, value[:100])) if isinstance(value, list) else str(value)
            yield f"{above}{name}", shown[:400]
