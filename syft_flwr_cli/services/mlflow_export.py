"""A run as one of MLflow's: parameters, metrics by round, tags and the files of the results. Imports MLflow only here.

A run that is in the tracking server already is not sent twice.
"""

import logging
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.protocol.printable import first_line
from syft_flwr_cli.services.report_values import RunReport

__all__ = ["export_to_mlflow"]

TAG: Final = "syft_flwr.run"
MOST_METRICS: Final = 2000
"""Curves that are sent; an app may report ten thousand metrics."""
_BATCH: Final = 500
_ODD = re.compile(r"[^A-Za-z0-9_./ -]")


def export_to_mlflow(report: RunReport, results: Path, uri: str) -> tuple[str, bool]:
    """Send a run to the tracking server at ``uri``; its id there, and whether it is new there.

    Raises
    ------
    UsageError
        If MLflow is not installed.
    SyftFlwrError
        If the server does not take it.
    """
    try:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--mlflow needs MLflow ({error.name} is missing).", hint="Install it: pip install mlflow"
        ) from error
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        client = MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(report.project)
        experiment = client.create_experiment(report.project) if found is None else found.experiment_id
        known = client.search_runs(
            [experiment], f"tags.`{TAG}` = '{int(report.run)}' and attributes.status != 'FAILED'"
        )
        if known:
            return str(known[0].info.run_id), False
        made = client.create_run(experiment, start_time=_milliseconds(report.began), run_name=report.run)
        run = str(made.info.run_id)
        tags = {"aggregator": report.aggregator, "code": report.code, "state": report.state}
        client.log_batch(
            run,
            params=[
                Param(_name(key), str(value)[:500]) for key, value in list(report.run_config.items())[:100]
            ],
            tags=[RunTag(f"syft_flwr.{name}", value[:500]) for name, value in tags.items()],
        )
        metrics = [
            Metric(name, value, _milliseconds(report.began), step) for name, value, step in _curves(report)
        ]
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run, metrics=metrics[start : start + _BATCH])
        if results.is_dir():
            client.log_artifacts(run, str(results))
        # The mark comes last: what a failure has left half done is not taken for the whole.
        client.set_tag(run, TAG, report.run)
        status = {"finished": "FINISHED", "failed": "FAILED"}.get(report.state, "KILLED")
        client.set_terminated(run, status, _milliseconds(report.ended or report.made))
    except (MlflowException, OSError) as error:
        why = first_line(str(error) or type(error).__name__)
        raise SyftFlwrError(
            f"MLflow at {uri} does not take the run: {why}",
            hint="See that the tracking server answers at this address, and repeat the command.",
        ) from error
    return run, True


def _curves(report: RunReport) -> Iterator[tuple[str, float, int]]:
    names: set[str] = set()
    for place, one in enumerate(report.rounds):
        for phase in one.phases:
            for owner, metrics in ((None, phase.overall), *phase.owners.items()):
                for metric, value in metrics.items():
                    name = _name("/".join(part for part in (phase.name, owner, str(metric)) if part))
                    usable = (
                        isinstance(value, int | float)
                        and not isinstance(value, bool)
                        and math.isfinite(value)
                    )
                    if usable and (name in names or len(names) < MOST_METRICS):
                        names.add(name)
                        yield name, float(value), place + 1


def _name(text: Any) -> str:
    """A name as MLflow takes one."""
    return _ODD.sub("_", str(text))[:200] or "_"


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
