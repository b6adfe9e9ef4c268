"""The desk's pages but that of one project: projects with the node, runs, what left, keys, evidence, a problem.

Functions of values to text; they read nothing and decide nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from syft_flwr_cli.consent.approvals import Approval
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.security.roster import Entry
from syft_flwr_cli.services.joining import Offered
from syft_flwr_cli.services.status import AppStatus
from syft_flwr_cli.ui.desk.html import Child, Html, el, text
from syft_flwr_cli.ui.desk.layout import Frame, Notice, counted, facts, size, table, tag, when

__all__ = ["NodeState", "evidence", "keys", "left", "left_tables", "problem", "projects", "runs"]

MAX_ROWS = 200
SHORT = 120
"""Characters of a name in a table."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """The node: ``running`` here or ``elsewhere``, paused since when, and the last that it said."""

    running: bool
    elsewhere: bool
    paused: float | None
    said: str = ""
    exit_code: int | None = None


def projects(
    frame: Frame,
    offers: Sequence[Offered],
    joined: Sequence[str],
    node: NodeState,
    approved: Sequence[Approval] = (),
) -> str:
    """The first page; ``approved`` are the approvals that stand, also of what is not offered any more."""
    current = {one.offer.digest for one in offers}
    earlier = [one for one in approved if one.digest not in current]
    open_ones = [one for one in offers if one.decision is None]
    lead = (
        f"{len(open_ones)} waiting for your decision."
        if open_ones
        else "Nothing waits for your decision."
        if offers
        else "Nobody has offered you a project yet."
    )
    return frame.page(
        "Projects",
        el("p", lead, id="lead"),
        el("div", _node(frame, node, bool(approved)), _offers(offers), _earlier(frame, earlier), id="live"),
        _join(frame, joined, first=not offers),
        current="/",
    )


def runs(frame: Frame, stands: Sequence[AppStatus], node: NodeState) -> str:
    """Every run that this participant takes part in."""
    rows = []
    for one in stands:
        for view in one.runs:
            state = (
                ("good", "finished")
                if view.state == "finished"
                else ("bad", "failed")
                if view.state == "failed"
                else ("warn", "paused")
                if view.ended is None and one.process is None
                else ("good", "going on")
                if view.ended is None
                else ("warn", view.state)
            )
            query = urlencode({"app": one.app_name, "run": view.run})
            more = (
                el("a", f"Report of run {view.run[:8]}", href=f"/report?{urlencode({'run': view.run})}")
                if view.role == "aggregator"
                else el("a", f"What left in run {view.run[:8]}", href=f"/left?{query}")
            )
            done = sum(view.messages.get(key, 0) for key in ("done", "acknowledged", "withdrawn", "answered"))
            waits = ", ".join(awaited.email for awaited in view.awaited[:5])
            rows.append(
                (
                    text(one.app_name, SHORT),
                    tag(*state),
                    view.role,
                    when(view.began),
                    f"{done:,}" + (f" (waiting for {waits})" if waits else ""),
                    more,
                )
            )
    heads = ("project", "state", "you are", "began", "answers", "more")
    shown = (
        table("Runs", heads, rows[:MAX_ROWS], frozenset())
        if rows
        else el("p", "No run yet. A run begins when its aggregator starts it and you have approved it.")
    )
    more_rows = (
        el("p", f"{len(rows) - MAX_ROWS:,} older runs are not shown.") if len(rows) > MAX_ROWS else None
    )
    refused = sum(entry.times for one in stands for entry in one.refused)
    warn = (
        el("p", f"{refused:,} files of others were refused; none of them was opened.", class_="warn")
        if refused
        else None
    )
    live = el("div", _node(frame, node), shown, more_rows, warn, id="live")
    again = el("p", "This page follows what happens. ", el("a", "Load it again", href="/runs"), class_="soft")
    return frame.page("Runs", live, again, current="/runs")


def left(frame: Frame, app: str, run: str, records: Sequence[Mapping[str, Any]]) -> str:
    """What left in a run."""
    return frame.page(
        "What left",
        facts((("project", text(app, SHORT)), ("run", el("code", run[:40])))),
        left_tables(records, "left"),
        el("p", el("a", "Back to the runs", href="/runs")),
        current="/runs",
    )


def left_tables(records: Sequence[Mapping[str, Any]], verb: str) -> Html:
    """Records of egress as tables, bounded; ``verb`` is ``left`` or ``would leave``."""
    out = [one for one in records if "withheld" not in one]
    total = sum(int(one.get("bytes", 0)) for one in out)
    parts: list[Html] = [
        el(
            "p",
            el("strong", f"{counted(len(out), 'answer')}, {size(total)} together, {verb}. "),
            _nothing_else(verb),
        )
    ]
    rows: list[tuple[Child, ...]] = []
    for number, one in enumerate(records, 1):
        held = f"withheld by your rules: {one['withheld']}" if "withheld" in one else ""
        failed = f"an error: {one['error']}" if "error" in one else ""
        if held or failed:
            rows.append((str(number), text(held or "error", SHORT), text(failed, 300), ""))
        for kind, name, what, much in _items(one):
            rows.append(
                (str(number), kind, text(name, SHORT), text(", ".join(filter(None, (what, much))), SHORT))
            )
        if one.get("more"):
            rows.append((str(number), "more", f"{one['more']} further items", ""))
        if len(rows) > MAX_ROWS:
            break
    if rows:
        heads = ("answer", "kind", "name", "what")
        parts.append(table(f"What {verb}", heads, rows[:MAX_ROWS], frozenset()))
    if len(rows) > MAX_ROWS:
        note = f"Only {MAX_ROWS} lines are shown; the evidence file has everything."
        parts.append(el("p", note, class_="warn"))
    return el("div", parts)


def keys(frame: Frame, own: PublicIdentity | None, peers: Sequence[Entry]) -> str:
    """Six words to compare."""
    mine = (
        el("p", "Your keys are made when you join an aggregator.")
        if own is None
        else el(
            "div",
            el("p", "Read these six words to whoever asks for them, on the phone or in person:"),
            el("p", own.words, class_="words"),
        )
    )
    others = [_peer(frame, entry) for entry in peers[:MAX_ROWS]]
    return frame.page(
        "Keys",
        el("section", el("h2", "Your words"), mine, class_="card"),
        el("h2", "Others"),
        others or el("p", "Nobody is known yet. Join an aggregator on the page of projects."),
        current="/keys",
    )


def evidence(frame: Frame, apps: Sequence[str]) -> str:
    """The export for an auditor."""
    options = [el("option", "everything", value=""), *(el("option", app, value=app) for app in apps)]
    return frame.page(
        "Evidence",
        el(
            "p",
            "One file for an auditor: what was approved and rejected here, what was executed, what left, and what "
            "others signed. It verifies without your machine and holds none of your data.",
        ),
        frame.form(
            "/evidence",
            el("label", "Of which project", el("select", options, name="app")),
            el("button", "Save the evidence file", class_="main"),
        ),
        el("p", "The auditor types: ", el("code", "syft-flwr audit verify --crate FILE")),
        current="/evidence",
    )


def problem(frame: Frame, notice: Notice, back: str) -> str:
    """An action that was not done, or a page that is not there."""
    return frame.page(
        "Not done", el("p", notice.what), el("p", notice.hint), el("p", el("a", "Go back", href=back))
    )


def _node(frame: Frame, node: NodeState, some_approved: bool = True) -> Html:
    if node.paused is not None:
        state, sentence = ("warn", "paused"), f"Paused since {when(node.paused)}: no project runs here."
        action = frame.button("/node/resume", "Resume", "main")
    elif node.running or node.elsewhere:
        where = "" if node.running else " It was started outside this desk."
        state = ("good", "at work")
        sentence = f"What you approved runs here when its aggregator asks.{where}"
        action = frame.button("/node/pause", "Pause everything", "danger")
    else:
        ended = "" if node.exit_code is None else f" It ended with code {node.exit_code}."
        state = ("warn", "not started")
        sentence = f"Your node runs what you approved. While it is not started nothing runs here.{ended}"
        action = frame.button("/node/resume", "Start", "main" if some_approved else "")
    said = (
        el(
            "details",
            el("summary", "What it said last"),
            el("pre", el("code", text(node.said)), class_="code"),
        )
        if node.said
        else None
    )
    title = el("h2", "Your node ", tag(*state))
    return el("section", title, el("p", sentence), action, said, class_="card", aria_label="Your node")


def _offers(offers: Sequence[Offered]) -> Html | None:
    if not offers:
        return None
    rows = []
    for one in reversed(offers):
        name = el("a", text(one.name, SHORT), href=f"/project/{one.offer.digest}")
        if one.decision is None:
            state = tag("warn", "your decision")
        else:
            state = tag("good", "approved") if one.decision.choice == "approve" else tag("bad", "rejected")
        rows.append((name, state, one.aggregator, f"{one.offer.revision}", when(one.seen)))
    heads = ("project", "state", "who asks", "version", "received")
    more = len(rows) - MAX_ROWS
    return el(
        "section",
        el("h2", "Offered to you"),
        table("Projects offered to you", heads, rows[:MAX_ROWS], frozenset()),
        el("p", f"{more:,} older offers are not shown.") if more > 0 else None,
    )


def _earlier(frame: Frame, approved: Sequence[Approval]) -> Html | None:
    """Approvals of what is not offered any more, each with its revocation."""
    if not approved:
        return None
    lines = [
        el(
            "section",
            el("h3", text(one.project, SHORT), " ", tag("good", "approved")),
            el(
                "p",
                f"{one.aggregator} offers it no more, or in a newer version. You approved it on {when(one.time)}, and "
                "it runs here until you revoke it"
                + (f" or {when(one.until)} has come." if one.until else " or approve a newer version."),
            ),
            frame.button(f"/project/{one.digest}/revoke", "Revoke now: let it run no more", "danger"),
            class_="card",
        )
        for one in approved[:MAX_ROWS]
    ]
    more = len(approved) - MAX_ROWS
    note = el("p", f"{more:,} more are not shown.", class_="warn") if more > 0 else None
    return el("section", el("h2", "Approved before, and not offered any more"), lines, note)


def _join(frame: Frame, joined: Sequence[str], *, first: bool) -> Html:
    known = [frame.form("/join", _hidden(who), el("button", f"Look for offers of {who}")) for who in joined]
    fields = frame.form(
        "/join",
        el(
            "label",
            "E-mail of the aggregator, who asks you to take part",
            el("input", type="email", name="aggregator", required=True, maxlength=254, autocomplete="off"),
        ),
        el(
            "label",
            "The folder that you share with them (leave it empty if it was given when the desk was started)",
            el("input", type="text", name="root", maxlength=4000, autocomplete="off", spellcheck="false"),
        ),
        el(
            "p",
            "Joining tells them your public key. It runs nothing and sends none of your data.",
            class_="soft",
        ),
        el("button", "Join and look for offers", class_="main" if first else None),
    )
    return el("section", el("h2", "Join an aggregator"), known, fields, class_="card")


def _hidden(who: str) -> Html:
    return el("input", type="hidden", name="aggregator", value=who)


def _peer(frame: Frame, entry: Entry) -> Html:
    email = entry.identity.email
    if entry.revoked:
        state = tag("bad", "not trusted")
    elif entry.verified is not None:
        state = tag("good", "compared")
    else:
        state = tag("warn", "nobody has compared it yet")
    action: Html | None = None
    hidden = el("input", type="hidden", name="peer", value=email)
    if entry.offered is not None and not entry.revoked:
        action = frame.form(
            "/keys/trust",
            el(
                "p",
                f"{email} shows another key now. Call them; if it is theirs, type the words they read out.",
                class_="bad",
            ),
            hidden,
            el(
                "label", "The six words that you heard", el("input", type="text", name="words", maxlength=200)
            ),
            el("button", "Accept the new key", class_="danger"),
        )
    elif entry.verified is None and not entry.revoked:
        action = frame.form(
            "/keys/compare",
            hidden,
            el("input", type="hidden", name="words", value=entry.identity.words),
            el(
                "label",
                el("input", type="checkbox", name="agree", value="yes", required=True),
                f"{email} read me the same six words, on the phone or in person",
                class_="in",
            ),
            el("button", "Note that they agree"),
        )
    return el(
        "section",
        el("h3", email, " ", state),
        el("p", entry.identity.words, class_="words"),
        action,
        class_="card",
    )


def _items(record: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    found = []
    for one in record.get("arrays", ()):
        shape = " × ".join(map(str, one["shape"])) or "one number"
        found.append(
            ("array", f"{one['record']}/{one['name']}", f"{one['dtype']} {shape}", size(one["bytes"]))
        )
    for one in record.get("metrics", ()):
        found.append(("number", f"{one['record']}/{one['name']}", str(one["value"])[:100], ""))
    for one in record.get("values", ()):
        found.append(("value", f"{one['record']}/{one['name']}", str(one["kind"]), size(one["size"])))
    return found


def _nothing_else(verb: str) -> str:
    return "This is the complete list of what is in them." if verb == "left" else "Nothing was sent now."
