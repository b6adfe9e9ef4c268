"""A federation over a real store: real commands, a home for each participant, nothing in common but the store.

Which store it is comes as the options and the environment of each participant. What each says goes into a log of
its own; how long each phase took is written down by the app (see ``echo_app``).
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.consent.gate import approve
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.plan import apply
from syft_flwr_cli.project.scaffold import plan_bootstrap

APP = Path(__file__).with_name("echo_app")
AGGREGATOR = "ds@lab.example"


def owners_of(count: int) -> list[str]:
    """So many data owners."""
    return [f"do{number}@o{number}.example" for number in range(1, count + 1)]


@dataclass
class LiveFederation:
    """See the module's first paragraph.

    Parameters
    ----------
    place : Path
        An empty folder.
    transport : str
        The transport's name.
    owners : sequence of str
        The data owners.
    options : callable
        A participant's own words on the command line, such as ``--root DIR``.
    environment : callable
        A participant's own variables.
    """

    place: Path
    transport: str
    owners: Sequence[str]
    options: Callable[[str], Sequence[str]] = lambda email: ()
    environment: Callable[[str], Mapping[str, str]] = lambda email: {}
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.project = self.place / "echo"
        shutil.copytree(APP, self.project, ignore=shutil.ignore_patterns("__pycache__"))
        plan = plan_bootstrap(
            load_project(self.project),
            aggregator=AGGREGATOR,
            datasites=list(self.owners),
            transport=self.transport,
            created=1_700_000_000,
        )
        apply(plan)
        self.report = self.place / "report.jsonl"
        for email in self.owners:
            approve(self.home(email), email, load_project(self.project))

    @property
    def everybody(self) -> list[str]:
        """The aggregator and the owners."""
        return [AGGREGATOR, *self.owners]

    def home(self, email: str) -> Path:
        """The participant's own directory."""
        place = self.place / "homes" / email
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        return place

    def log(self, email: str) -> str:
        """What a participant has said so far."""
        return (self.place / f"{email}.log").read_text(errors="replace")

    def start(self, email: str, command: str, *words: str) -> None:
        """Start a participant."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SYFT")}
        environment = {
            **inherited,
            "SYFT_FLWR_HOME": str(self.home(email)),
            "SYFTBOX_EMAIL": email,
            "FLWR_TELEMETRY_ENABLED": "0",
            "PYTHONUNBUFFERED": "1",
            **self.environment(email),
        }
        line = [
            sys.executable,
            "-m",
            "syft_flwr_cli",
            command,
            str(self.project),
            *self.options(email),
            *words,
        ]
        with (self.place / f"{email}.log").open("ab") as output:
            self.running[email] = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )

    def start_owners(self, seconds: float = 120.0) -> None:
        """Start all data owners and wait until they are ready."""
        for email in self.owners:
            self.start(email, "run-client", "--no-data")
        for email in self.owners:
            self.until(lambda email=email: "ready" in self.log(email), f"{email} is ready", seconds)  # type: ignore[misc]

    def start_server(self, sizes: Iterable[int], rounds: int) -> None:
        """Start the aggregator."""
        listed = ",".join(map(str, sizes))
        config = f"sizes='{listed}' rounds={rounds} report='{self.report}'"
        self.start(AGGREGATOR, "run-server", "--run-config", config, "--timeout", "1h")

    def until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait until something is so; the logs when it does not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {email}\n{self.log(email)[-3000:]}" for email in self.running)
                raise AssertionError(f"not in {seconds:.0f} s: {what}\n{logs}")
            time.sleep(0.05)

    def finished(self, seconds: float) -> list[dict[str, Any]]:
        """Wait for the aggregator's end, which must be a good one; the rows of the report."""
        server = self.running[AGGREGATOR]
        self.until(lambda: server.poll() is not None, "the run has ended", seconds)
        assert server.returncode == 0, self.log(AGGREGATOR)
        return self.rows()

    def rows(self) -> list[dict[str, Any]]:
        """The phases that have ended so far."""
        if not self.report.exists():
            return []
        return [json.loads(line) for line in self.report.read_text().splitlines()]

    def kill(self, email: str) -> None:
        """End a participant at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running[email].pid, signal.SIGKILL)
        self.running[email].wait(timeout=60)

    def close(self) -> None:
        """End everybody."""
        for email in list(self.running):
            self.kill(email)


def medians(rows: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """The median seconds of a phase for each size, the first contact left out."""
    sizes: dict[int, list[float]] = {}
    for index, row in enumerate(rows):
        if index:
            sizes.setdefault(int(row["size"]), []).append(float(row["seconds"]))
    return {size: statistics.median(seconds) for size, seconds in sizes.items()}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The figures as lines of text."""
    lines = [f"first contact {rows[0]['seconds']:7.2f} s"] if rows else []
    for size, median in medians(rows).items():
        every = sorted(float(row["seconds"]) for row in rows[1:] if row["size"] == size)
        lines.append(
            f"{size:>10} B  median {median:6.2f} s  least {every[0]:6.2f}  most {every[-1]:6.2f}  n={len(every)}"
        )
    return "\n".join(lines)
