"""What an app without a sandbox started and let go of ends with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from syft_flwr_cli.execution.strays import MARK_VARIABLE, kill_strays, new_mark

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

_APP = """
import os, sys, time
from syft_flwr_cli.execution.strays import adopt_orphans
adopt_orphans()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        environment = {} if sys.argv[1] == "bare" else dict(os.environ)
        os.execve(sys.executable, [sys.executable, "-c",
            "import os, sys, time; print(os.getpid(), flush=True); os.close(1); time.sleep(600)"], environment)
    os._exit(0)
os.wait()
if sys.argv[2] == "stays":
    time.sleep(600)
"""


def started(mark: str, *words: str) -> tuple[subprocess.Popen[str], int]:
    """An app that has left a daemon behind, and the daemon's number."""
    process = subprocess.Popen(
        [sys.executable, "-c", _APP, *words],
        env={**os.environ, MARK_VARIABLE: mark},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    end = time.monotonic() + 30
    while runs(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not runs(pid)


@pytest.mark.parametrize("environment", ["own", "bare"])
def test_a_daemon_ends_with_the_app_that_left_it(environment: str) -> None:
    mark = new_mark()
    process, daemon = started(mark, environment, "stays")
    with process:
        assert runs(daemon)
        kill_strays(mark, process.pid)
        assert process.wait(30) == -signal.SIGKILL
    assert gone(daemon)


def test_a_daemon_of_an_app_that_has_ended_itself_is_found_by_its_mark() -> None:
    mark = new_mark()
    process, daemon = started(mark, "own", "ends")
    with process:
        assert process.wait(30) == 0 and runs(daemon)
    kill_strays(new_mark(), None)
    assert runs(daemon), "what others started is left alone"
    kill_strays(mark, None)
    assert gone(daemon)
