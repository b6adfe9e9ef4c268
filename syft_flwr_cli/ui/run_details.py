"""A run in full, as lines for people: rounds, who contributed what from which kind of data, where it all lies."""

from collections.abc import Iterator
from pathlib import Path

from syft_flwr_cli.events.base import lasting
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.services.report_values import RunReport
from syft_flwr_cli.ui.rounds import size_text

__all__ = ["detail_lines"]

MAX_ROUNDS = 60
MAX_METRICS = 6


def detail_lines(report: RunReport, results: Path) -> Iterator[str]:
    """The lines, escaped: digest, rounds, data owners, absences, results."""
    if report.code:
        yield f"code      {report.code}"
    if report.run_config:
        yield "config    " + _listed(report.run_config)
    if report.rounds:
        yield "rounds"
    for one in report.rounds[-MAX_ROUNDS:]:
        for phase in one.phases:
            written = f", {size_text(phase.bytes_written)}" if phase.bytes_written else ""
            head = f"{phase.name:<8} {phase.answered}/{phase.asked}  {phase.seconds:.2f} s{written}"
            yield f"  {one.number:>3} {head}  {_listed(phase.overall)}".rstrip()
            for owner, why in phase.failed.items():
                yield f"        error of {visible(owner)}: {visible(why)}"
            for owner in phase.late:
                yield f"        the answer of {visible(owner)} came too late"
    if len(report.rounds) > MAX_ROUNDS:
        yield f"  the last {MAX_ROUNDS} of {len(report.rounds)} rounds; --json has all"
    yield "data owners"
    for owner in report.datasites:
        yield from (f"  {line}" for line in _owner(report, owner))
    for moment in report.restarts:
        yield f"taken up again {lasting(moment - report.began)} after it began"
    yield f"results   {visible(str(results))}"
    try:
        kept = sorted(path for path in results.rglob("*") if path.is_file())
    except OSError:
        kept = []
    for path in kept[:20]:
        yield f"  {visible(str(path.relative_to(results)))}  {size_text(path.stat().st_size)}"
    if len(kept) > 20:
        yield f"  and {len(kept) - 20} more files"
    if not kept:
        yield "  none"


def _owner(report: RunReport, owner: str) -> Iterator[str]:
    spans = [span for span in report.spans if span.owner == owner]
    answers = sum(span.kind == "answer" for span in spans)
    data = {"private": "private data", "mock": "mock data", "none": "no data"}.get(
        report.data.get(owner, ""), "says nothing of its data"
    )
    missing = "  (missing at the end)" if owner in report.missing else ""
    yield f"{visible(owner)}  {answers} of {len(spans)} answered, {data}{missing}"
    for span in spans:
        if span.kind == "absent":
            yield f"  absent: {span.phase} of round {span.round}"
    last = next(
        (
            phase.owners[owner]
            for one in reversed(report.rounds)
            for phase in reversed(one.phases)
            if phase.owners.get(owner)
        ),
        None,
    )
    if last:
        yield f"  latest: {_listed(last)}"


def _listed(values: object) -> str:
    items = list(values.items()) if isinstance(values, dict) else []
    shown = "  ".join(f"{visible(str(key))[:30]} {_short(value)}" for key, value in items[:MAX_METRICS])
    return shown + (f"  and {len(items) - MAX_METRICS} more" if len(items) > MAX_METRICS else "")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else visible(str(value))[:40]
