"""A run's report as one HTML page: no script, no request elsewhere, a Content-Security-Policy that says so.

The page holds for screens from 390 pixels on, for both colour schemes, and for paper. Its size is bounded: long
runs are thinned in charts and cut in tables, with a sentence that says so; ``--csv`` and ``--json`` have
everything.
"""

import base64
import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syft_flwr_cli.services.report_values import Round, RunReport
from syft_flwr_cli.ui.report.charts import MAX_BARS, MAX_LINES, line_chart, shown, timeline

__all__ = ["render"]

MAX_METRICS = 12
MAX_ROWS = 120
MAX_NAMES = 20

_STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#59636e;--line:#d1d9e0;--card:#f6f8fa;--good:#1a7f37;
--bad:#b3261e;--warn:#9a6700;--c0:#0072b2;--c1:#b45f06;--c2:#00795c;--c3:#a3457f;--c4:#5b5bd6;--c5:#7a6a00;--c6:#0e7c86;
--c7:#8a4b2a}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--soft:#9198a1;--line:#3d444d;--card:#151b23;
--good:#3fb950;--bad:#ff7b72;--warn:#d29922;--c0:#58a6ff;--c1:#f0883e;--c2:#3fb9a1;--c3:#e28bc4;--c4:#a5a5ff;--c5:#d4c04a;
--c6:#56d4dd;--c7:#e0a882}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1080px;padding:24px 16px 64px;background:var(--bg);color:var(--fg);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.5rem;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:40px 0 12px}
h3{font-size:1rem;margin:0 0 4px;overflow-wrap:anywhere}
p{margin:4px 0}.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
code{font:0.86em ui-monospace,"SF Mono",Consolas,monospace;overflow-wrap:anywhere}
.grid{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;min-width:0}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;margin:20px 0}
.facts b{display:block;font-size:1.25rem;overflow-wrap:anywhere}
.wide{overflow-x:auto}.wide:focus-visible,summary:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{width:100%;height:auto;display:block}svg.timeline{min-width:640px}
svg text{fill:var(--soft);font:11px system-ui,sans-serif}svg .label{fill:var(--fg)}
line.grid{stroke:var(--line);stroke-width:1}line.restart{stroke:var(--bad);stroke-width:2;stroke-dasharray:4 3}
path{fill:none}path.owner{stroke-width:1.5;opacity:.85}path.overall{stroke:var(--fg);stroke-width:2.5}
circle.overall{fill:var(--fg)}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}
.c5{stroke:var(--c5)}.c6{stroke:var(--c6)}.c7{stroke:var(--c7)}
rect.train{fill:var(--c0)}rect.evaluate{fill:var(--c2)}rect.query,rect.other{fill:var(--c4)}
rect.error{fill:var(--bad)}rect.absent,rect.open{fill:none;stroke:var(--warn);stroke-width:1.5;stroke-dasharray:3 2}
ul.key{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;padding:0;margin:8px 0}
ul.key svg{width:22px;display:inline-block;vertical-align:middle;margin-right:6px}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}.card,tr,svg{break-inside:avoid}details{display:block}}
"""


def render(report: RunReport) -> str:
    """The page."""
    policy = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    body = "".join(
        (
            _head(report),
            _metrics(report),
            _timeline(report),
            _rounds(report),
            _owners(report),
            _trust(report),
            _configuration(report),
            _sources(report),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{policy}'; "
        "base-uri 'none'; form-action 'none'\">"
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>{shown(report.project)}: run {shown(report.run)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _head(report: RunReport) -> str:
    states = {"finished": ("good", "complete"), "failed": ("bad", "failed"), "stopped": ("warn", "stopped")}
    kind, word = states.get(report.state, ("warn", "not finished"))
    if report.state == "finished" and report.missing:
        kind, word = "warn", f"complete, without {', '.join(report.missing[:5])}"
    facts = [
        ("rounds", str(len(report.rounds))),
        ("data owners", str(len(report.datasites))),
        ("took", _took((report.ended or report.made) - report.began)),
        ("bytes written", _bytes(sum(p.bytes_written for r in report.rounds for p in r.phases))),
    ]
    for name, value in list(_last_overall(report).items())[:2]:
        facts.append((name, f"{value:.4g}"))
    cards = "".join(
        f'<div><b>{shown(value, 40)}</b><span class="soft">{shown(name, 40)}</span></div>'
        for name, value in facts
    )
    reason = f'<p class="soft">{shown(report.reason, 300)}</p>' if report.reason and kind != "good" else ""
    return (
        f'<h1>{shown(report.project)} <span class="{kind}">{shown(word, 200)}</span></h1>'
        f'<p class="soft">Run <code>{shown(report.run)}</code> of {shown(report.aggregator, 100)}, '
        f"{_moment(report.began)} to {_moment(report.ended)}. Report made {_moment(report.made)}.</p>"
        f'{reason}<div class="facts">{cards}</div>'
    )


def _metrics(report: RunReport) -> str:
    series = _series(report.rounds)
    if not series:
        return "<h2>Metrics</h2><p>The answers of this run brought no numbers.</p>"
    there = {owner for _, lines in series.values() for owner in lines}
    owners = [owner for owner in report.datasites if owner in there][:MAX_LINES]
    cards = "".join(
        f'<div class="card"><h3>{shown(name, 80)}</h3>{line_chart(name, overall, _of(lines, owners))}</div>'
        for name, (overall, lines) in list(series.items())[:MAX_METRICS]
    )
    more = len(series) - MAX_METRICS
    note = f'<p class="soft">{more} more metrics are in --csv and --json.</p>' if more > 0 else ""
    names = [("overall", "all together"), *((f"owner c{n}", owner) for n, owner in enumerate(owners))]
    key = "".join(
        f'<li><svg viewBox="0 0 22 8" aria-hidden="true"><path class="{kind}" d="M0 4L22 4"/></svg>{shown(name)}</li>'
        for kind, name in names
    )
    return f'<h2>Metrics by round</h2><ul class="key">{key}</ul><div class="grid">{cards}</div>{note}'


def _timeline(report: RunReport) -> str:
    if not report.spans:
        return ""
    drawn = timeline(report.spans, report.restarts, report.began, report.ended or report.made)
    cut = (
        f'<p class="soft">The first {MAX_BARS} requests are drawn.</p>'
        if len(report.spans) > MAX_BARS
        else ""
    )
    marks = (
        ("train", "training"),
        ("evaluate", "evaluation"),
        ("query", "another kind of request"),
        ("error", "answered with an error"),
        ("absent", "no answer"),
    )
    key = "".join(
        '<li><svg viewBox="0 0 22 12" aria-hidden="true">'
        f'<rect class="{kind}" x="1" y="1" width="20" height="10" rx="2"/></svg>{name}</li>'
        for kind, name in marks
    )
    again = (
        f"<p>The aggregator was started again {len(report.restarts)} times (dashed lines).</p>"
        if report.restarts
        else ""
    )
    return (
        f'<h2>Who was asked when</h2>{again}<ul class="key">{key}</ul>'
        f'<div class="wide" tabindex="0" role="region" aria-label="Timeline">{drawn}</div>{cut}'
    )


def _rounds(report: RunReport) -> str:
    rows = []
    for found in report.rounds[:MAX_ROWS]:
        for phase in found.phases:
            overall = ", ".join(f"{shown(k, 30)} {_value(v)}" for k, v in list(phase.overall.items())[:4])
            away = "; ".join(f"{shown(who)}: {shown(why, 80)}" for who, why in list(phase.failed.items())[:5])
            late = f" late: {shown(', '.join(phase.late), 80)}" if phase.late else ""
            rows.append(
                f'<tr><td class="n">{found.number}</td><td>{shown(phase.name)}</td>'
                f'<td class="n">{phase.answered} of {phase.asked}</td><td class="n">{phase.seconds:.2f}</td>'
                f'<td class="n">{_bytes(phase.bytes_written)}</td><td>{overall}</td>'
                f'<td class="bad">{away}{late}</td></tr>'
            )
    cut = len(report.rounds) - MAX_ROWS
    note = f'<p class="soft">{cut} more rounds are in --csv and --json.</p>' if cut > 0 else ""
    return (
        "<h2>Rounds</h2>"
        + _table(
            ("round", "phase", "answered", "seconds", "written", "overall", "errors"), "".join(rows), "Rounds"
        )
        + note
    )


def _owners(report: RunReport) -> str:
    rows = []
    last = _last_by_owner(report.rounds)
    for owner in report.datasites[:MAX_ROWS]:
        spans = [span for span in report.spans if span.owner == owner]
        answered = sum(1 for span in spans if span.kind == "answer")
        examples = last.get(owner, {}).get("num-examples")
        rows.append(
            f"<tr><td>{shown(owner)}</td><td>{shown(report.data.get(owner, 'not said'))}</td>"
            f'<td class="n">{answered} of {len(spans)}</td><td class="n">{_value(examples)}</td></tr>'
        )
    return (
        "<h2>Contributions</h2>"
        + _table(
            ("data owner", "data", "requests answered", "examples, last round"),
            "".join(rows),
            "Contributions",
        )
        + '<p class="soft">Counts say who took part; they are no measure of what a participant\'s data are worth.</p>'
    )


def _trust(report: RunReport) -> str:
    rows = []
    known = {approval.owner: approval for approval in report.approvals}
    for owner in report.datasites[:MAX_ROWS]:
        approval = known.get(owner)
        decision = "no decision was sent here" if approval is None else approval.decision
        digest = "" if approval is None else f"<code>{shown(approval.digest[:16])}…</code>"
        rows.append(
            f"<tr><td>{shown(owner)}</td><td>{shown(decision)}</td><td>{digest}</td>"
            f"<td>{_moment(approval.when if approval else None)}</td>"
            f"<td><code>{shown(report.keys.get(owner, ''))}</code></td></tr>"
        )
    audit = f"<p>{shown(report.audit, 300)}</p>" if report.audit else ""
    return (
        "<h2>Trust</h2>"
        f"<p>The project's digest: <code>{shown(report.code, 80) or 'not recorded'}</code></p>{audit}"
        + _table(("data owner", "decision", "on digest", "when", "key"), "".join(rows), "Decisions and keys")
    )


def _configuration(report: RunReport) -> str:
    values = [*report.run_config.items(), *((f"version of {k}", v) for k, v in report.versions.items())]
    rows = "".join(f"<tr><td>{shown(k, 60)}</td><td>{shown(v, 120)}</td></tr>" for k, v in values[:MAX_ROWS])
    return "<h2>Configuration</h2>" + _table(("what", "value"), rows, "Configuration")


def _sources(report: RunReport) -> str:
    rows = "".join(
        f"<tr><td>{shown(name, 80)}</td><td><code>{shown(digest, 80)}</code></td></tr>"
        for name, digest in report.sources.items()
    )
    return "<h2>Made from</h2>" + _table(("what", "SHA-256"), rows, "Sources")


def _table(heads: Sequence[str], rows: str, label: str) -> str:
    if not rows:
        return "<p>Nothing.</p>"
    numbers = {"round", "answered", "seconds", "written", "requests answered", "examples, last round"}
    cells = "".join(f'<th scope="col"{" class=n" if head in numbers else ""}>{head}</th>' for head in heads)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _series(rounds: Sequence[Round]) -> dict[str, tuple[dict[int, float], dict[str, dict[int, float]]]]:
    """By metric: overall values, and each owner's, by round. What comes twice in a round keeps its last value."""
    found: dict[str, tuple[dict[int, float], dict[str, dict[int, float]]]] = {}
    for one in rounds:
        for phase in one.phases:
            for name, value in _numbers(phase.overall):
                found.setdefault(name, ({}, {}))[0][one.number] = value
            for owner, metrics in phase.owners.items():
                for name, value in _numbers(metrics):
                    found.setdefault(name, ({}, {}))[1].setdefault(owner, {})[one.number] = value
    found.pop("num-examples", None)
    # What is learned is looked at first.
    return dict(sorted(found.items(), key=lambda item: (_rank(item[0]), item[0])))


def _rank(name: str) -> int:
    plain = name.lower()
    return 0 if "acc" in plain else 1 if "loss" in plain else 2


def _numbers(metrics: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    for name, value in list(metrics.items())[: MAX_METRICS * MAX_NAMES]:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield str(name), float(value)


def _of(lines: Mapping[str, dict[int, float]], owners: Sequence[str]) -> dict[str, dict[int, float]]:
    return {owner: lines.get(owner, {}) for owner in owners}


def _last_overall(report: RunReport) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, (overall, _) in _series(report.rounds).items():
        if overall:
            found[name] = overall[max(overall)]
    return found


def _last_by_owner(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in rounds:
        for phase in one.phases:
            for owner, metrics in phase.owners.items():
                found.setdefault(owner, {}).update(metrics)
    return found


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return shown(value, 30)


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _took(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"


def _moment(moment: float | None) -> str:
    return "–" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
