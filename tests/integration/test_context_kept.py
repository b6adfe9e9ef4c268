"""The final Context of a ServerApp comes back to whoever repeats the command, whenever its process was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("programs") / "context_server.py"


def run(place: Path, point: str = "") -> subprocess.CompletedProcess[str]:
    root = place / "root"
    root.mkdir(exist_ok=True)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("SYFT")},
        "SYFT_FLWR_HOME": str(place / "home"),
        "SYFT_FLWR_ROOT": str(root),
        "SYFT_FLWR_TRANSPORT": "local",
        "SYFTBOX_EMAIL": "ds@lab.example",
        "SYFT_FLWR_FAULT_POINT": point,
        "FLWR_TELEMETRY_ENABLED": "0",
    }
    words = [sys.executable, str(PROGRAM), str(place)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.full
@pytest.mark.parametrize(
    ("point", "starts"),
    [
        # The Context lies with the results, and the run is not at its end: the ServerApp runs again.
        ("journal.end.before-commit", 2),
        # The run is at its end, and nobody was told.
        ("journal.end.after-commit", 1),
        ("journal.tell.before-commit", 1),
    ],
)
def test_the_context_comes_back_after_a_kill_at_the_very_end(tmp_path: Path, point: str, starts: int) -> None:
    killed = run(tmp_path, point)
    assert killed.returncode == -signal.SIGKILL and "came back" not in killed.stdout, killed.stderr
    assert list((tmp_path / "home").rglob("context.state")), "it lay there before the kill"
    again = run(tmp_path)
    assert again.returncode == 0, again.stderr
    assert "the context came back: {'answer': 42}" in again.stdout
    assert (tmp_path / "times").read_text() == "x" * starts
    third = run(tmp_path)
    assert third.returncode == 0 and third.stdout.split()[-1] != again.stdout.split()[-1], "it is told once"
