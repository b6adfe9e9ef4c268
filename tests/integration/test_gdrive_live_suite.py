"""The suite for real Google accounts does what it says: it skips without them, and passes with the emulator's."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from syft_flwr_cli.testing.drive_emulator import start

ROOT = Path(__file__).parents[2]
PEOPLE = ("lab@gmail.example", "clinic@gmail.example", "o'neil@gmail.example")


def live(*words: str, **environment: str) -> str:
    """What ``make test-gdrive-live`` says, of the tests that ``words`` choose."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SYFT", "PYTEST"))}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-rs",
            "-p",
            "no:cacheprovider",
            "tests/live",
            "-m",
            "live",
            *words,
        ],
        cwd=ROOT,
        env={**own, **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_without_accounts_everything_is_skipped_and_said_to_be() -> None:
    said = live("-k", "not bytes_content", "-m", "live and not store")
    assert "no real accounts: SYFT_FLWR_LIVE_LOGINS=FILE:FILE:FILE names none or not three" in said
    assert "passed" not in said


@pytest.mark.full
@pytest.mark.slow
def test_with_three_logins_the_suite_runs_and_so_does_a_federation(tmp_path: Path) -> None:
    logins = []
    with start(PEOPLE) as emulator:
        for number, email in enumerate(PEOPLE):
            login = tmp_path / f"{number}.json"
            login.write_text(json.dumps({**emulator.authorized_user(email), "account": email}))
            login.chmod(0o600)
            logins.append(str(login))
            emulator.expire(json.loads(login.read_text())["token"])
        said = live(
            "-k",
            "two_owners_train or is_gone_for_everybody or read_by_its_reader",
            SYFT_FLWR_LIVE_LOGINS=":".join(logins),
            SYFT_FLWR_DRIVE_ENDPOINT=emulator.endpoint,
            SYFT_FLWR_POLL_INTERVAL="0.3",
        )
        assert "passed" in said and "skipped" not in said
        assert {call.who for call in emulator.calls(method="files.get.media")} == set(PEOPLE)
        assert emulator.refreshes() >= len(PEOPLE), "the logins that were given are those that were used"
        assert emulator.files() == [], "the accounts are left empty"
