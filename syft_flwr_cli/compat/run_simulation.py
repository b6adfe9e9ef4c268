"""``run`` of the original: the whole federation on this machine, with mock data for each data owner."""

import asyncio
import sys
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from syft_flwr_cli.project.config import load_project, require_federated
from syft_flwr_cli.project.settings import variable_text

__all__ = ["run", "validate_bootstraped_project"]


def run(
    project_dir: str | PathLike[str], mock_dataset_paths: Sequence[str | PathLike[str]]
) -> "bool | asyncio.Task[bool]":
    """Simulate a bootstrapped project; True if the run came to its end with every data owner.

    Inside a running event loop (a notebook) it is a task of it, to be awaited.
    """
    project, data = Path(project_dir), [Path(path) for path in mock_dataset_paths]
    validate_bootstraped_project(project)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _simulated(project, data)
    return loop.create_task(asyncio.to_thread(_simulated, project, data))


def validate_bootstraped_project(project_dir: str | PathLike[str]) -> None:
    """Raise `NotAProjectError` unless the folder is a federated Flower project. (Spelled as in the original.)"""
    require_federated(load_project(Path(project_dir)))


def _simulated(project: Path, data: Sequence[Path]) -> bool:
    from syft_flwr_cli.services import simulation

    place = simulation.make_place()
    try:
        sandbox = variable_text("SYFT_FLWR_SANDBOX") or "auto"
        federation = simulation.Federation(project=project, data=data, sandbox=sandbox)
        outcome = simulation.simulate(federation, place, lambda who, line: print(line, file=sys.stderr))
        return outcome.exit_code == 0
    finally:
        simulation.remove_place(place)
