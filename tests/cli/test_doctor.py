"""``doctor`` finds what keeps a machine from taking part, names the remedy, and changes nothing unasked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ME = [sys.executable, "-m", "syft_flwr_cli"]
OWNER = "do1@a.example"


class Machine:
    def __init__(self, place: Path) -> None:
        self.place, self.home, self.root = place, place / "home", place / "shared"
        self.root.mkdir()
        self.more: dict[str, str] = {}
        self.words = ["study", "--email", OWNER, "--root", str(self.root)]
        self.run(
            "init", "study", "--template", "numpy", "--aggregator", "ds@lab.example", "--datasites", OWNER
        )
        self.run("keys", "show", "--email", OWNER)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*ME, *words],
            cwd=self.place,
            env={**os.environ, "SYFT_FLWR_HOME": str(self.home), **self.more},
            capture_output=True,
            text=True,
            check=False,
        )

    def findings(self, *more: str) -> tuple[int, list[dict[str, Any]]]:
        done = self.run("doctor", *self.words, "--json", *more)
        rows: list[dict[str, Any]] = json.loads(done.stdout)["data"]["findings"]
        return done.returncode, rows


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_sound_machine_has_no_failure(machine: Machine) -> None:
    code, rows = machine.findings()
    assert code == 0, rows
    assert {row["check"] for row in rows} >= {"python", "flwr", "sandbox", "permissions", "root", "project"}


def no_root(machine: Machine) -> None:
    machine.root.rmdir()


def root_is_a_file(machine: Machine) -> None:
    machine.root.rmdir()
    machine.root.write_text("")


def open_home(machine: Machine) -> None:
    machine.home.chmod(0o755)


def bad_settings(machine: Machine) -> None:
    (machine.home / "settings.toml").write_text("not = [toml")
    (machine.home / "settings.toml").chmod(0o600)


def no_public_key(machine: Machine) -> None:
    directory = machine.home / "participants" / OWNER
    for file in directory.glob("*identity*"):
        file.write_text("{}")


def broken_roster(machine: Machine) -> None:
    file = machine.home / "participants" / OWNER / "roster.json"
    file.write_text("nonsense")
    file.chmod(0o600)


def no_project(machine: Machine) -> None:
    (machine.place / "study" / "pyproject.toml").unlink()


def broken_project(machine: Machine) -> None:
    (machine.place / "study" / "pyproject.toml").write_text("[project\n")


def no_client_app(machine: Machine) -> None:
    (machine.place / "study" / "study" / "client_app.py").unlink()


def no_data(machine: Machine) -> None:
    machine.more["DATA_DIR"] = str(machine.place / "nowhere")


def no_syftbox(machine: Machine) -> None:
    machine.words = ["study", "--transport", "syftbox", "--syftbox-config", str(machine.place / "none.json")]


def no_login(machine: Machine) -> None:
    machine.words = ["study", "--email", OWNER, "--transport", "gdrive"]


def stranger(machine: Machine) -> None:
    machine.words[2] = "stranger@x.example"


FAULTS: dict[str, tuple[Callable[[Machine], None], str]] = {
    "no root": (no_root, "root"),
    "root is a file": (root_is_a_file, "root"),
    "open home": (open_home, "permissions"),
    "bad settings": (bad_settings, "settings"),
    "no public key": (no_public_key, "keys of"),
    "broken roster": (broken_roster, "peers of"),
    "no project": (no_project, "project"),
    "broken project": (broken_project, "project"),
    "no client app": (no_client_app, "project"),
    "no data": (no_data, "data"),
    "no SyftBox": (no_syftbox, "settings"),
    "no login": (no_login, "gdrive"),
    "not a participant": (stranger, "settings"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_with_its_remedy(machine: Machine, name: str) -> None:
    plant, check = FAULTS[name]
    plant(machine)
    code, rows = machine.findings()
    bad = [row for row in rows if row["state"] == "failure"]
    assert code == 1, rows
    assert any(row["check"].startswith(check) for row in bad), rows
    assert all(row["what"] and row["remedy"] for row in bad)


def test_what_others_can_read_is_closed_when_asked_to(machine: Machine) -> None:
    machine.home.chmod(0o755)
    code, rows = machine.findings("--fix")
    assert code == 0, rows
    assert machine.home.stat().st_mode & 0o077 == 0


def test_looking_leaves_nothing_in_the_shared_folder(machine: Machine) -> None:
    machine.findings()
    assert list(machine.root.rglob("*")) == []
