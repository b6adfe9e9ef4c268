"""The shell's completion knows this machine's templates, participants, runs and projects, and never fails."""

from pathlib import Path

import pytest

from syft_flwr_cli.cli import completing
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.paths import app_dir

ME, APP = "ds@lab.example", "ds@lab.example_study_1"


def test_each_kind_of_value_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    app_dir(tmp_path / "home", ME, APP).mkdir(parents=True)
    journal = Journal(app_dir(tmp_path / "home", ME, APP) / "journal.sqlite3")
    journal.begin_run("4611", "aggregator", 1.0, {}, {})
    journal.close()
    (tmp_path / "study" / "inside").mkdir(parents=True)
    (tmp_path / "home" / "participants" / ME / "projects" / "received").mkdir(parents=True)
    assert "numpy" in completing.templates("") and completing.templates("nu") == ["numpy"]
    assert completing.participants("d") == [ME] and completing.participants("x") == []
    assert completing.runs("46") == ["4611"]
    assert completing.projects("st") == ["study"] and completing.projects("study/") == ["study/inside"]
    assert completing.projects("re") == ["received"]
    assert "local" in completing.transports("")
    assert completing.peers("") == []


def test_what_is_damaged_here_completes_nothing_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(tmp_path / "home"))
    directory = app_dir(tmp_path / "home", ME, APP)
    directory.mkdir(parents=True)
    (directory / "journal.sqlite3").write_bytes(b"no database" * 1000)
    (directory.parent.parent / "roster.json").write_bytes(b"{")
    assert completing.runs("") == [] and completing.peers("") == []
    assert completing.projects("\0") == []
    assert capfd.readouterr() == ("", "")
