"""``bootstrap`` as a program calls it: what the command does, without asking anything."""

import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.plan import apply
from syft_flwr_cli.project.scaffold import plan_bootstrap

__all__ = ["bootstrap"]


def bootstrap(
    flwr_project_dir: str | PathLike[str],
    aggregator: str,
    datasites: Sequence[str],
    transport: str | None = None,
) -> None:
    """Federate a Flower project; one that the original bootstrapped is moved over.

    Raises
    ------
    NotAProjectError, UsageError
        If it is no Flower project, or stands for another federation already.
    """
    project = load_project(Path(flwr_project_dir))
    apply(
        plan_bootstrap(
            project, aggregator=aggregator, datasites=datasites, transport=transport, created=int(time.time())
        )
    )
