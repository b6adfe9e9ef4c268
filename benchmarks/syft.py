"""syft-flwr under measurement: the real commands over a folder, encryption on, workers warm.

Each participant is a process of its own with a home of its own, as on machines of their own. What lies in
the shared folder is counted from outside, by file system events, so the counting costs the measured
processes nothing.
"""

import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from watchdog.events import FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from benchmarks.marks import Marks
from benchmarks.rounds import Federation, Plan, Series, measure
from syft_flwr_cli.consent.gate import approve
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.project.plan import apply
from syft_flwr_cli.project.scaffold import plan_bootstrap

__all__ = ["FolderCount", "federated_copy", "run"]

APPS = Path(__file__).with_name("apps")
AGGREGATOR = "aggregator@bench.example"


class FolderCount(FileSystemEventHandler):
    """Counts the bytes of the files that are put in place below a folder."""

    def __init__(self, root: Path) -> None:
        self._lock = threading.Lock()
        self._bytes = 0
        self.payload_bytes = 0
        self._observer = Observer()
        # Folders that appear while they are walked through are listened to twice, which does no harm.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        self._observer.schedule(self, str(root), recursive=True, event_filter=[FileMovedEvent])
        self._observer.start()

    def on_moved(self, event: FileSystemEvent) -> None:
        """A file was given its final name."""
        place = Path(os.fsdecode(event.dest_path))
        try:
            size = place.stat().st_size
        except FileNotFoundError:
            return
        with self._lock:
            self._bytes += size
            if place.suffix == ".payload":
                self.payload_bytes += size

    def bytes(self) -> int:
        """So far."""
        with self._lock:
            return self._bytes

    def close(self) -> None:
        """Count no more."""
        self._observer.stop()
        self._observer.join()


def emails(count: int) -> list[str]:
    """The data owners."""
    return [f"do{index}@bench.example" for index in range(1, count + 1)]


def federated_copy(app: str, place: Path, owners: int) -> Project:
    """A copy of an app, made a federated project by what ``syft-flwr bootstrap`` does."""
    copy = place / "project"
    shutil.copytree(APPS / app, copy, ignore=shutil.ignore_patterns("__pycache__"))
    plan = plan_bootstrap(
        load_project(copy), aggregator=AGGREGATOR, datasites=emails(owners), transport="local", created=0
    )
    apply(plan)
    return load_project(copy)


def environment(place: Path, email: str) -> dict[str, str]:
    """A participant's environment, with a home of its own."""
    home = place / "homes" / email
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SYFT")}
    return {**inherited, "SYFT_FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "PYTHONUNBUFFERED": "1"}


def words(command: str, project: Project, email: str, root: Path) -> list[str]:
    """A command line of a participant."""
    tool = [sys.executable, "-m", "syft_flwr_cli", command, str(project.path)]
    data = ["--no-data"] if command == "run-client" else []
    return [*tool, "--email", email, "--root", str(root), *data]


def run(
    plan: Plan, place: Path, during: Callable[[Federation, float], Callable[[], None]] | None = None
) -> list[Series]:
    """Measure a federation of ``plan.owners`` below ``place``."""
    project = federated_copy(plan.app, place, plan.owners)
    root = place / "root"
    root.mkdir()
    federation = Federation(place)
    marks = Marks(place, federation.dead)
    count = FolderCount(root)
    owners = emails(plan.owners)
    for email in owners:
        approve(Path(environment(place, email)["SYFT_FLWR_HOME"]), email, project)
    begun = time.monotonic()
    try:
        for email in owners:
            federation.start(
                "node", email, words("run-client", project, email, root), environment(place, email)
            )
        for email in owners:
            federation.wait_for(email, "is ready and waits", plan.patience)
        server = [*words("run-server", project, AGGREGATOR, root), "--timeout", "1h"]
        server += ["--run-config", plan.run_config(marks)]
        federation.start("server", "server", server, environment(place, AGGREGATOR))
        return measure("syft-flwr", plan, federation, marks, begun, count.bytes, during)
    finally:
        federation.end()
        count.close()
        marks.close()
