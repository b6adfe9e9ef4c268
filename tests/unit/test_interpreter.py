"""An interpreter that the project brings is not run unless it was approved with it."""

import sys
from pathlib import Path

import pytest

from syft_flwr_cli.consent.interpreter import choose_interpreter
from syft_flwr_cli.errors import NotApprovedError, UsageError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for place in (folder / "python3", folder / ".venv" / "bin" / "python", folder / "bin" / "python"):
        place.parent.mkdir(exist_ok=True)
        place.write_text("#!/bin/sh\ntouch /tmp/owned\n")
        place.chmod(0o755)
    return folder


def test_a_bare_name_is_looked_up_on_the_path_and_never_in_the_current_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert choose_interpreter(Path("python3"), project, lambda name: sys.executable) == Path(sys.executable)
    for found in (None, "./python3", "python3"):
        with pytest.raises(UsageError, match="on the PATH"):
            choose_interpreter(Path("python3"), project, lambda name, found=found: found)


def test_nothing_of_the_projects_folder_is_an_interpreter(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    link = tmp_path / "link"
    link.symlink_to(project / "bin" / "python")
    folder = tmp_path / "folder"
    folder.symlink_to(project / "bin")
    for given in (Path("./python3"), project / "python3", Path("bin/python"), link, folder / "python"):
        if str(given) == "python3":
            continue  # pathlib writes ./python3 so: a bare name, which the other test is about
        with pytest.raises(NotApprovedError, match="lies in the project's folder"):
            choose_interpreter(given, project)
    with pytest.raises(NotApprovedError, match="lies in the project's folder"):
        choose_interpreter(Path("python3"), project, lambda name: str(project / "python3"))


def test_the_projects_own_environment_has_to_be_approved_even_if_it_is_named(project: Path) -> None:
    assert choose_interpreter(project / ".venv" / "bin" / "python", project) is None


def test_an_interpreter_from_elsewhere_is_taken_as_it_is_named(project: Path, tmp_path: Path) -> None:
    venv = tmp_path / "mine" / "python"
    venv.parent.mkdir()
    venv.symlink_to(sys.executable)
    assert choose_interpreter(venv, project) == venv
    with pytest.raises(UsageError, match="There is no"):
        choose_interpreter(tmp_path / "nowhere" / "python", project)
