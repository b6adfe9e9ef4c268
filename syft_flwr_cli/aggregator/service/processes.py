"""The process of a run: started apart from the service, so that it survives it, and recognised again afterwards.

A process holds a lock in the run's folder from before its first instruction to its end, so that it is known to be there
whatever became of the service that started it. Its number, its log and its result are files beside it; the log's
growth is noted with times, so that a reader can go on from a time. A result that is whole says how the run ended; a
process that is gone without one has died.
"""

import fcntl
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

__all__ = ["Outcome", "RunFolder", "as_run_config", "interrupt", "start_process"]

CHUNK = 64 * 1024
"""Bytes of a log that are read at once."""

_WRITING_ITS_NUMBER = ("/bin/sh", "-c", 'echo $$ > process.lock; exec "$@"', "sh")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run's process ended: whether its result is good, a sentence, the exit code that it left with."""

    is_good: bool
    sentence: str
    exit_code: int = 0


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

    @property
    def lock(self) -> Path:
        """Locked by the run's process for as long as it lives."""
        return self.path / "process.lock"

    def is_alive(self) -> bool:
        """Whether the run's process is there."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def pid(self) -> int | None:
        """The number of the run's process; None before it has written it."""
        try:
            text = self.lock.read_text()
        except FileNotFoundError:
            return None
        return int(text) if text.strip().isdecimal() and text.endswith("\n") else None

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
        """Add a line of the service's own to the log, unless it is its last line already.

        A service that was killed right after it said something says it again when it takes the run up.
        """
        end = b""
        if self.log.exists():
            with self.log.open("rb") as before:
                before.seek(max(0, self.log.stat().st_size - CHUNK))
                end = before.read()
        if (b"\n" + end).endswith(f"\n{sentence}\n".encode()):
            return
        make_private_dir(self.path)
        # A process that was killed may have left half a line.
        gap = "\n" if end and not end.endswith(b"\n") else ""
        with append_private(self.log) as stream:
            stream.write(f"{gap}{sentence}\n")

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
        if data.get("error"):
            sentence = " ".join(str(data[key]) for key in ("error", "hint") if data.get(key))
        code = data.get("exit_code")
        return Outcome(status != "error", sentence, code if isinstance(code, int) else 0)


def start_process(
    folder: RunFolder, words: Sequence[str], environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start ``syft-flwr`` with some words, in a session of its own, its result and log in the run's folder.

    Raises
    ------
    BlockingIOError
        If the run has a process.
    """
    make_private_dir(folder.path)
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        folder.result.unlink(missing_ok=True)
        with folder.result.open("wb") as result, folder.log.open("ab") as log:
            # The process inherits the lock and writes its number itself: had the service to do it, it could be killed
            # before, and would not know the process.
            return subprocess.Popen(
                [*_WRITING_ITS_NUMBER, sys.executable, "-m", "syft_flwr_cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=log,
                env=dict(environment),
                cwd=folder.path,
                start_new_session=True,
                pass_fds=[descriptor],
            )
    finally:
        os.close(descriptor)


def interrupt(pid: int) -> None:
    """Ask a process to pause, as Ctrl-C does; one that is gone is no error."""
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return


def as_run_config(values: Mapping[str, Any]) -> str:
    """The text of ``--run-config`` for some values, as TOML."""
    return " ".join(f"{key}={json.dumps(value)}" for key, value in values.items())
