"""The process of a run: started apart from the service, so that it survives it, and recognised again afterwards.

A process is known by its number and by when it began (numbers are used again). Its log and its result are files in the
run's folder; the log's growth is noted with times, so that a reader can go on from a time. A result that is whole says
how the run ended; a process that is gone without one has died.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.storage.paths import append_private, make_private_dir

__all__ = ["Outcome", "RunFolder", "as_run_config", "interrupt", "is_alive", "process_began", "start_process"]

CHUNK = 64 * 1024
"""Bytes of a log that are read at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: whether its result is good, the run's own id, a sentence."""

    is_good: bool
    server_run: str
    sentence: str


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run at the service."""

    path: Path

    @property
    def log(self) -> Path:
        """What the run's processes said."""
        return self.path / "log.txt"

    @property
    def index(self) -> Path:
        """When the log had how many bytes: a line ``time bytes`` for each look that found it longer."""
        return self.path / "log.index"

    @property
    def result(self) -> Path:
        """The JSON document of the run."""
        return self.path / "result.json"

    def note_growth(self, now: float) -> bool:
        """Note that the log is longer than at the last look; whether it is."""
        try:
            size = self.log.stat().st_size
        except FileNotFoundError:
            return False
        marks = self.marks()
        if marks and marks[-1][1] >= size:
            return False
        with append_private(self.index) as stream:
            stream.write(f"{max(now, marks[-1][0] if marks else 0.0):.6f} {size}\n")
        return True

    def marks(self) -> list[tuple[float, int]]:
        """Times and sizes of the log, ascending; a line that a crash cut off is left out."""
        try:
            lines = self.index.read_text().split("\n")
        except FileNotFoundError:
            return []
        found = []
        for line in lines[:-1]:
            time, _, size = line.partition(" ")
            try:
                found.append((float(time), int(size)))
            except ValueError:
                continue
        return found

    def read_log(self, start: int, end: int) -> str:
        """The log's bytes from ``start`` to ``end`` as text; what is no UTF-8 is replaced."""
        with self.log.open("rb") as stream:
            stream.seek(start)
            return stream.read(end - start).decode(errors="replace")

    def say(self, sentence: str) -> None:
        """Add a line of the service's own to the log."""
        with append_private(self.log) as stream:
            stream.write(f"{sentence}\n")

    def outcome(self) -> Outcome | None:
        """How the run ended; None while it has not, or its process died."""
        try:
            document = loads(self.result.read_text())
            status, data = document["status"], document["data"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        if not isinstance(data, dict) or status not in ("ok", "incomplete", "error"):
            return None
        missing = ", ".join(str(one) for one in data.get("missing") or [])
        sentence = f"without {missing}" if missing else ""
        return Outcome(status != "error", str(data.get("run_id", "")), str(data.get("error") or sentence))


def start_process(
    folder: RunFolder, words: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start ``syft-flwr`` with some words, in a session of its own, its result and log in the run's folder."""
    make_private_dir(folder.path)
    folder.result.unlink(missing_ok=True)
    with folder.result.open("wb") as result, folder.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "syft_flwr_cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=result,
            stderr=log,
            env=dict(environment),
            cwd=folder.path,
            start_new_session=True,
        )


def process_began(pid: int) -> str | None:
    """When a process began, in a form that is only compared; None if there is none, or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return _process_began_by_ps(pid) if not Path("/proc/self").exists() else None
    return None if fields[0] == b"Z" else fields[19].decode()


def _process_began_by_ps(pid: int) -> str | None:
    """The same where there is no /proc (macOS)."""
    asked = ["ps", "-o", "lstart=", "-o", "state=", "-p", str(pid)]
    line = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return None if not line or line.split()[-1].startswith("Z") else line.rsplit(maxsplit=1)[0]


def is_alive(pid: int | None, began: str | None) -> bool:
    """Whether the process that had this number and began then is still there."""
    return pid is not None and began is not None and process_began(pid) == began


def interrupt(pid: int) -> None:
    """Ask a process to pause, as Ctrl-C does; one that is gone is no error."""
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return


def as_run_config(values: Mapping[str, Any]) -> str:
    """The text of ``--run-config`` for some values, as TOML."""
    return " ".join(f"{key}={json.dumps(value)}" for key, value in values.items())
