"""A passphrase lies in no environment that another process can read, and nobody looks into processes with keys."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syft_flwr_cli.execution.worker_environment import (
    app_environment,
    sandbox_environment,
    server_environment,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
SECRET = "correct horse battery staple"

HIDES = """
import os, subprocess, sys
from syft_flwr_cli.security.process_memory import hide_variable
hide_variable("SYFT_FLWR_PASSPHRASE")
child = subprocess.run([sys.executable, "-c", "import os; print(os.environ['SYFT_FLWR_PASSPHRASE'])"],
                       capture_output=True, text=True)
print(os.environ["SYFT_FLWR_PASSPHRASE"], child.stdout, sep="\\n", flush=True)
sys.stdin.read()
"""

LOADS = """
import ctypes, sys
from pathlib import Path
from syft_flwr_cli.security.identity import load_or_create
get_dumpable = 3
before = ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0)
load_or_create(Path(sys.argv[1]), "alice@lab.example", 0)
print(before, ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0))
"""


def test_the_passphrase_is_kept_for_the_program_and_its_children_and_shown_to_nobody() -> None:
    environment = {**os.environ, "SYFT_FLWR_PASSPHRASE": SECRET, "AFTERWARDS": "still there"}
    with subprocess.Popen(
        [sys.executable, "-c", HIDES],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(2)] == [SECRET, SECRET]
        shown = Path(f"/proc/{process.pid}/environ").read_bytes()
        process.stdin.close()
    assert SECRET.encode() not in shown
    assert b"AFTERWARDS=still there" in shown


def test_a_process_that_has_loaded_keys_can_not_be_looked_into(tmp_path: Path) -> None:
    for _ in ("new keys", "keys that are there"):
        answer = subprocess.run(
            [sys.executable, "-c", LOADS, str(tmp_path / "keys")], capture_output=True, text=True, check=True
        )
        assert answer.stdout.split() == ["1", "0"]


WHOLE = {
    "PATH": "/bin",
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "HF_HOME": "/home/x/models",
    "AWS_SECRET_ACCESS_KEY": "x",
    "SYFT_FLWR_PASSPHRASE": SECRET,
    "SYFT_FLWR_HOME": "/home/x",
    "HTTPS_PROXY": "http://user:word@proxy",
    "PYTHONPATH": "/project",
    "PYTHONSTARTUP": "/project/x.py",
    "DB_PASSWORD": "x",
}


def test_an_apps_environment_is_an_allow_list() -> None:
    assert set(app_environment(WHOLE)) == {"PATH", "LC_ALL", "OMP_NUM_THREADS", "HF_HOME"}
    assert app_environment(WHOLE, ["DB_PASSWORD"])["DB_PASSWORD"] == "x"


def test_in_a_sandbox_it_names_no_places_outside() -> None:
    assert set(sandbox_environment(WHOLE)) == {"PATH", "LC_ALL", "OMP_NUM_THREADS"}
    assert sandbox_environment(WHOLE, ["DB_PASSWORD"])["DB_PASSWORD"] == "x"


def test_a_server_app_gets_what_its_user_has_set_but_no_passphrase() -> None:
    assert set(WHOLE) - set(server_environment(WHOLE)) == {"SYFT_FLWR_PASSPHRASE"}
