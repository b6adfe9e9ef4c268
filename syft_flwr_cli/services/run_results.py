"""What is kept beside the results of a run when it ends: its configuration, its metrics, and its report.

``config.json`` says what ran with what, ``metrics.jsonl`` has a line for each metric of each phase (``owner`` is
null for the mean over the data owners), ``timeline.json`` says who was asked what from when to when, ``report.html``
is the page of ``syft-flwr report``. Files are written whole or not at all, and one that the app itself has written
under such a name stays. Numbers that JSON has no word for (NaN, infinity) are null.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from syft_flwr_cli.aggregator.run_recorder import results_dir
from syft_flwr_cli.services.report_values import RunReport
from syft_flwr_cli.storage.paths import make_private_dir, write_private

__all__ = ["CONFIG", "METRICS", "PAGE", "TIMELINE", "metric_lines", "write_results"]

CONFIG, METRICS, PAGE, TIMELINE = "config.json", "metrics.jsonl", "report.html", "timeline.json"


def write_results(directory: Path, report: RunReport, page: str) -> list[Path]:
    """Write the files of a run that are not there below ``directory``, what the aggregator keeps for the app.

    Returns the paths of those that were written.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    place = make_private_dir(results_dir(directory, report.run))
    config = {
        "run": report.run,
        "app": report.app,
        "aggregator": report.aggregator,
        "datasites": list(report.datasites),
        "state": report.state,
        "reason": report.reason,
        "began": report.began,
        "ended": report.ended,
        "code": report.code,
        "run_config": dict(report.run_config),
        "data": dict(report.data),
        "missing": list(report.missing),
        "versions": dict(report.versions),
    }
    lines = "".join(json.dumps(line, allow_nan=False, default=str) + "\n" for line in metric_lines(report))
    timeline = {
        "run": report.run,
        "began": report.began,
        "ended": report.ended,
        "restarts": list(report.restarts),
        "spans": [asdict(span) for span in report.spans],
    }
    texts = {
        CONFIG: json.dumps(_plain(config), indent=2, allow_nan=False, default=str) + "\n",
        METRICS: lines,
        TIMELINE: json.dumps(_plain(timeline), indent=2, allow_nan=False, default=str) + "\n",
        PAGE: page,
    }
    new = {place / name: text for name, text in texts.items() if not (place / name).exists()}
    for path, text in new.items():
        write_private(path, text.encode())
    return list(new)


def metric_lines(report: RunReport) -> Iterator[dict[str, Any]]:
    """A record for each metric: round, phase, owner (None: the mean), name, value."""
    for one in report.rounds:
        for phase in one.phases:
            for owner, metrics in ((None, phase.overall), *phase.owners.items()):
                for name, value in metrics.items():
                    yield {
                        "round": one.number,
                        "phase": phase.name,
                        "owner": owner,
                        "metric": name,
                        "value": _plain(value),
                    }


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
