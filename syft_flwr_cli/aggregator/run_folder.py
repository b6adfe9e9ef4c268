"""The folders of one run at the aggregator: where its ServerApp works, and where what it leaves behind stays.

The results lie outside the project, in this participant's home, a folder for each run: what the app wrote there
itself (``RESULTS_DIR``), what it left in its working folder, and its final context.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.execution.working_copy import leftovers, make_copy, remove_copy
from syft_flwr_cli.storage.paths import make_private_dir

__all__ = ["CONTEXT_FILE", "RunFolder", "open_run_folder", "results_dir"]

CONTEXT_FILE = "context.state"
"""The state of the ServerApp's final context, as `execution.worker.state_from` reads it."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folders: the project, its working copy, and the results."""

    project: Path
    working: Path
    results: Path

    def close(self) -> list[Path]:
        """Move what the app left in its working folder to the results, and remove the copy; what was moved."""
        moved = leftovers(self.project, self.working) if self.working.exists() else []
        for relative in moved:
            target = _without_links(self.results, relative)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.move(self.working / relative, target)
        remove_copy(self.working)
        return moved


def _without_links(results: Path, relative: Path) -> Path:
    """Where a file goes in the results; a link that stands in its way, which the app may have made, is removed.

    The app may be in a sandbox, and whoever moves its files is not: a link would lead out of the results.
    """
    place = results
    for part in relative.parts:
        place = place / part
        if place.is_symlink():
            place.unlink()
    return place


def results_dir(directory: Path, run: str) -> Path:
    """Where the results of a run lie, below what a participant keeps for an app."""
    return directory / "results" / run


def open_run_folder(directory: Path, run: str, project: Path) -> RunFolder:
    """Make the folders of a run; a copy that an earlier process of it left is made anew."""
    results = make_private_dir(results_dir(directory, run))
    working = make_private_dir(directory / "work") / run
    remove_copy(working)
    return RunFolder(project, make_copy(project, working), results)
