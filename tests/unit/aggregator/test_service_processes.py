"""The files of a run at the service: whether its process is there, and what its log says after a kill."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syft_flwr_cli.aggregator.service.processes import RunFolder, interrupt, start_process


def eventually(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_process_is_known_by_its_lock_whoever_started_it(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not folder.is_alive()
    environment = {**os.environ, "SYFT_FLWR_HOME": str(tmp_path / "home")}
    child = start_process(folder, ["serve", "--email", "a@b.example"], environment)
    assert folder.is_alive()
    eventually(lambda: folder.pid() == child.pid)
    with pytest.raises(BlockingIOError):
        start_process(folder, ["--version"], environment)
    child.send_signal(signal.SIGKILL)
    eventually(lambda: not folder.is_alive())  # nobody has waited for it: it is a zombie now
    child.wait()
    interrupt(child.pid)


def test_what_was_said_before_a_kill_is_not_said_again_and_half_a_line_is_ended(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.say("[service] completed")
    folder.say("[service] completed")
    assert folder.log.read_text() == "[service] completed\n"
    with folder.log.open("a") as log:
        log.write("[ROUND 1/")
    folder.say("[service] died")
    assert folder.log.read_text() == "[service] completed\n[ROUND 1/\n[service] died\n"
