"""The metrics of a run as event files of TensorBoard, with tensorboardX, which is imported only here.

One folder for the means over the data owners and one for each of them, so that TensorBoard draws their curves into one
chart. Numbers that are not finite are left out.
"""

import math
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.services.report_values import RunReport
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = ["write_event_files"]

MOST_TAGS: Final = 500
"""Metrics of one writer; an app may report ten thousand."""


def write_event_files(folder: Path, report: RunReport) -> int:
    """Write the event files below ``folder``; how many numbers are in them.

    Raises
    ------
    OSError
        If they cannot be written.
    ModuleNotFoundError
        If tensorboardX is not installed.
    """
    from tensorboardX import SummaryWriter

    series: dict[str, list[tuple[str, float, int]]] = {}
    for place, one in enumerate(report.rounds):
        for phase in one.phases:
            for owner, metrics in (("all", phase.overall), *phase.owners.items()):
                for name, value in metrics.items():
                    if _is_number(value):
                        series.setdefault(owner, []).append(
                            (f"{phase.name}/{name[:100]}", float(value), place + 1)
                        )
    written = 0
    for owner, numbers in series.items():
        tags: set[str] = set()
        writer = SummaryWriter(logdir=str(make_private_dir(folder / owner)), max_queue=1000)
        try:
            for tag, value, step in numbers:
                if tag in tags or len(tags) < MOST_TAGS:
                    tags.add(tag)
                    writer.add_scalar(tag, value, step, walltime=report.ended or report.made)
                    written += 1
        finally:
            writer.close()
    return written


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
