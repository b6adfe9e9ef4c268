"""A run's report from what is kept at the aggregator: journal, timeline, decisions, roster, audit log.

Looks only: it opens no store, takes no lock and changes nothing, so that a report can be made while the run goes on.
"""

import hashlib
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from syft_flwr_cli.aggregator.round_log import PHASES, aggregate
from syft_flwr_cli.aggregator.run_recorder import TIMELINE, read_timeline, results_dir
from syft_flwr_cli.audit.verify import verify
from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.security.roster import FILE_NAME as ROSTER_FILE
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.services.federation import record_store
from syft_flwr_cli.services.offers import standing
from syft_flwr_cli.services.report_values import Approval, Phase, Round, RunReport, Span
from syft_flwr_cli.services.status import apps_of, participants
from syft_flwr_cli.storage.journal import Run
from syft_flwr_cli.storage.journal_reader import read_runs
from syft_flwr_cli.storage.paths import app_dir, participant_dir

__all__ = ["FoundRun", "find_reported_run", "report_of", "rounds_of"]

MAX_HASHED = 64 << 20
"""Bytes of a source beyond which its digest is not taken anew."""


@dataclass(slots=True)
class _OpenPhase:
    asked: dict[str, float] = field(default_factory=dict)
    published: bool = False
    answered: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    last: float = 0.0


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run of an aggregator of this machine."""

    email: str
    app: str
    run: Run


def find_reported_run(home: Path, wanted: str | None, email: str | None = None) -> FoundRun:
    """The run with this id (or the one whose id begins so); without an id the newest.

    Raises
    ------
    UsageError
        If there is none, or several begin so.
    """
    found = [
        FoundRun(who, app, run)
        for who in ([email] if email else participants(home))
        for app in apps_of(home, who)
        for run in read_runs(app_dir(home, who, app) / "journal.sqlite3")
        if run.role == "aggregator" and run.run.startswith(wanted or "")
    ]
    exact = [one for one in found if one.run.run == wanted]
    if exact or (found and wanted is None):
        return max(exact or found, key=lambda one: one.run.created)
    if len(found) == 1:
        return found[0]
    named = "no run" if not found else f"{len(found)} runs whose ids begin with {wanted}"
    raise UsageError(
        f"This machine has {named if found or wanted is None else f'no run {wanted}'} as an aggregator.",
        hint="See the runs: syft-flwr runs list",
    )


def report_of(home: Path, found: FoundRun, now: float | None = None) -> RunReport:
    """The report of a run, as far as it is."""
    moment = time.time() if now is None else now
    directory = app_dir(home, found.email, found.app)
    lines = read_timeline(directory, found.run.run)
    facts = found.run.facts
    datasites = tuple(str(one) for one in facts.get("datasites") or ())
    result = found.run.result or {}
    rounds, spans = rounds_of(lines, found.run.ended)
    rounds = _with_bytes(rounds, result.get("rounds"))
    return RunReport(
        run=found.run.run,
        app=found.app,
        project=found.app.removeprefix(f"{found.email}_").rpartition("_")[0] or found.app,
        aggregator=found.email,
        datasites=datasites,
        state=found.run.state,
        reason=found.run.reason or "",
        began=found.run.created,
        ended=found.run.ended,
        made=moment,
        code=str(facts.get("code") or ""),
        run_config=dict(facts.get("run_config") or {}),
        versions=_versions(),
        rounds=rounds,
        spans=spans,
        restarts=[line["time"] for line in lines if line.get("event") == "run" and line.get("resumed")],
        approvals=_approvals(home, found, moment),
        keys=_keys(home, found.email),
        data=_data(result, lines),
        missing=tuple(str(one) for one in result.get("missing") or ()),
        audit=_audit(participant_dir(home, found.email) / "audit.jsonl"),
        sources=_sources(home, directory, found),
    )


def rounds_of(lines: Iterable[Mapping[str, Any]], ended: float | None) -> tuple[list[Round], list[Span]]:
    """Rounds in the order in which they ran: an app that numbers its rounds anew gets a new row for each.

    A run that was taken up again repeats itself from the top: what it repeats is told once, with its first times.
    """
    rows: list[dict[str, _OpenPhase]] = []
    numbers: list[int] = []
    current: dict[tuple[int, str], int] = {}
    spans: list[Span] = []
    order: list[tuple[int, str]] = []
    repeated: int | None = None
    for line in lines:
        kind, number = line.get("event"), line.get("round")
        if kind == "run" and line.get("resumed"):
            repeated = 0
            current.clear()
        if kind not in ("asked", "requests-published", "reply", "reply-late") or not isinstance(number, int):
            continue
        phase, who = PHASES.get(str(line.get("type", "")).split(".")[0], "query"), str(line.get("peer", ""))
        place = current.get((number, phase))
        if kind == "asked" and (place is None or _is_over(rows[place][phase], who, place == len(rows) - 1)):
            place = None
            if repeated is not None and repeated < len(order):
                earlier, name = order[repeated]
                place = earlier if (numbers[earlier], name) == (number, phase) else None
            repeated = None if place is None or repeated is None else repeated + 1
            if place is None:
                if not rows or numbers[-1] != number or phase in rows[-1]:
                    rows.append({})
                    numbers.append(number)
                place = len(rows) - 1
                rows[place][phase] = _OpenPhase()
                order.append((place, phase))
            current[number, phase] = place
            rows[place][phase].published = False
        if place is None:
            continue
        entry = rows[place][phase]
        if kind == "asked":
            entry.last = entry.last if who in entry.asked else line["time"]
            entry.asked.setdefault(who, line["time"])
        elif kind == "requests-published":
            entry.published = True
        elif kind == "reply-late":
            entry.late.append(who)
        elif who not in entry.answered and who not in entry.failed:
            entry.last = line["time"]
            error = line.get("error")
            if error is not None:
                entry.failed[who] = str(error)
            else:
                entry.answered[who] = dict(line.get("metrics") or {})
            began = entry.asked.get(who, line["time"])
            spans.append(
                Span(who, number, phase, began, line["time"], "answer" if error is None else "error")
            )
    answered = {(span.owner, span.round, span.phase, span.began) for span in spans}
    for number, row in zip(numbers, rows, strict=True):
        for phase, entry in row.items():
            for who, began in entry.asked.items():
                if (who, number, phase, began) not in answered:
                    spans.append(Span(who, number, phase, began, ended, "absent" if ended else "open"))
    return [
        Round(place + 1 if len(set(numbers)) < len(numbers) else number, _phases(row))
        for place, (number, row) in enumerate(zip(numbers, rows, strict=True))
    ], sorted(spans, key=lambda span: span.began)


def _is_over(entry: _OpenPhase, who: str, latest: bool) -> bool:
    """Whether asking ``who`` begins the phase anew; not every push does: the legacy API pushes each by itself."""
    return entry.published and (who in entry.asked or not latest)


def _with_bytes(rounds: list[Round], told: object) -> list[Round]:
    """The rounds with the bytes that the result of a finished run has for them."""
    written: dict[tuple[object, str], int] = {}
    for one in told if isinstance(told, list) else []:
        for name, phase in one.get("phases", {}).items():
            written[one.get("round"), name] = int(phase.get("bytes_written") or 0)
    return [
        replace(
            one,
            phases=[replace(p, bytes_written=written.get((one.number, p.name), 0)) for p in one.phases],
        )
        for one in rounds
    ]


def _phases(row: Mapping[str, _OpenPhase]) -> list[Phase]:
    return [
        Phase(
            name=name,
            asked=len(entry.asked),
            answered=len(set(entry.answered) - set(entry.failed)),
            failed=entry.failed,
            late=entry.late,
            seconds=max(0.0, entry.last - min(entry.asked.values(), default=entry.last)),
            overall=aggregate(entry.answered),
            owners=entry.answered,
        )
        for name in ("query", "train", "evaluate")
        if (entry := row.get(name)) is not None
    ]


def _approvals(home: Path, found: FoundRun, now: float) -> list[Approval]:
    stands = standing(record_store(home, found.email), found.app, now)
    if stands is None:
        return []
    return [
        Approval(
            one.email,
            "undecided"
            if one.decision is None
            else ("approved" if one.decision.holds(now) else "rejected or ended"),
            stands.offer.digest,
            one.decided,
        )
        for one in stands.asked
    ]


def _keys(home: Path, email: str) -> dict[str, str]:
    found = {}
    for entry in Roster(participant_dir(home, email) / ROSTER_FILE).entries():
        how = "compared" if entry.verified is not None else "first contact"
        found[entry.identity.email] = f"{entry.identity.fingerprint[:16]}… ({how})"
    return found


def _data(result: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    said = {str(line["peer"]): str(line["data"]) for line in lines if line.get("data") and line.get("peer")}
    kept = result.get("data")
    return {**said, **kept} if isinstance(kept, dict) else said


def _audit(path: Path) -> str:
    try:
        report = verify(path, None)
    except SyftFlwrError as error:
        return f"The aggregator's audit log does not hold: {error.what}"
    return f"The aggregator's audit log holds: {report.entries} entries, each linked to the one before."


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in ("syft-flwr-cli", "flwr", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _sources(home: Path, directory: Path, found: FoundRun) -> dict[str, str]:
    files = {
        TIMELINE: results_dir(directory, found.run.run) / TIMELINE,
        "audit.jsonl": participant_dir(home, found.email) / "audit.jsonl",
    }
    return {name: digest for name, path in files.items() if (digest := _digest(path))}


def _digest(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_HASHED:
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
