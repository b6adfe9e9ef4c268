"""How long the command takes to be of use: ``--help``, and a data owner's node until it can answer.

A node is ready for its first message when its worker has imported flwr and the app. That is measured from
outside, with a request that lies there already: from the start of ``run-client`` to its answer in the folder.
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.marks import BenchError, Marks
from benchmarks.rounds import Federation, Plan
from benchmarks.syft import AGGREGATOR, emails, environment, federated_copy, words
from syft_flwr_cli.consent.gate import approve

__all__ = ["Startup", "run"]


@dataclass(frozen=True, slots=True)
class Startup:
    """Medians in seconds; ``help_user`` is user time, the others are wall time."""

    help_user: float
    help_wall: float
    import_flwr: float
    import_app: float
    ready: float
    first_answer: float

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


def _timed(command: list[str], times: int) -> tuple[float, float]:
    """Median wall and user seconds of a command."""
    wall, user = [], []
    for _ in range(times):
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall.append(time.perf_counter() - begun)
        user.append(used.ru_utime)
        if process.returncode:
            raise BenchError(f"{' '.join(command)} ended with exit code {process.returncode}")
    return statistics.median(wall), statistics.median(user)


def run(place: Path, times: int) -> Startup:
    """Measure everything ``times`` times."""
    help_wall, help_user = _timed([sys.executable, "-m", "syft_flwr_cli", "--help"], times)
    import_flwr, _ = _timed([sys.executable, "-c", "import flwr"], times)
    # What any ClientApp imports, and Flower's own engine does for each message.
    import_app, _ = _timed([sys.executable, "-c", "import flwr.app, flwr.clientapp, flwr.serverapp"], times)
    ready, answers = [], []
    for number in range(times):
        here = place / f"start{number}"
        here.mkdir()
        said, answered = _first_answer(here)
        ready.append(said)
        answers.append(answered)
    return Startup(
        help_user, help_wall, import_flwr, import_app, statistics.median(ready), statistics.median(answers)
    )


def _first_answer(place: Path) -> tuple[float, float]:
    project = federated_copy("message_api", place, 1)
    (email,) = emails(1)
    root = place / "root"
    root.mkdir()
    approve(Path(environment(place, email)["SYFT_FLWR_HOME"]), email, project)
    federation = Federation(place)
    marks = Marks(place, federation.dead)
    command = words("run-client", project, email, root)
    server = [*words("run-server", project, AGGREGATOR, root), "--timeout", "1h"]
    server += ["--run-config", Plan([0], 2, 1).run_config(marks)]
    try:
        # Once, so that both know each other; the request of the second round then waits for the node.
        node = federation.start("node", "first", command, environment(place, email), passing=True)
        federation.wait_for("first", "is ready and waits")
        federation.start("server", "server", server, environment(place, AGGREGATOR))
        assert marks.next(60)["mark"] == "begin"
        marks.answer()
        assert marks.next(60)["mark"] == "round"
        node.send_signal(2)
        node.wait(20)
        marks.answer()
        _until_asked(root, 2)
        begun = time.perf_counter()
        federation.start("node", "again", command, environment(place, email))
        federation.wait_for("again", "is ready and waits")
        said = time.perf_counter() - begun
        assert marks.next(60)["mark"] == "round"
        answered = time.perf_counter() - begun
        while marks.next(60)["mark"] != "over":
            marks.answer()
        return said, answered
    finally:
        federation.end()
        marks.close()


def _until_asked(root: Path, requests: int) -> None:
    end = time.monotonic() + 30.0
    while len(list(root.rglob("*.request"))) < requests:
        if time.monotonic() > end:
            raise BenchError("the second request never came")
        time.sleep(0.01)
