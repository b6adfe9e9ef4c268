"""A simulation gets the mock data of the data set that its project asks for."""

from pathlib import Path

import pytest

from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.services.federation import open_for_peers
from syft_flwr_cli.services.mock_data import mock_data_for
from syft_flwr_cli.services.own_data import add_data_set, announce

DS, DO1, DO2 = "ds@lab.example", "do1@a.example", "do2@b.example"


def project(place: Path, asks: str = '[tool.syft_flwr.dataset]\nname = "tumours"\n') -> Project:
    place.mkdir()
    (place / "pyproject.toml").write_text(
        '[project]\nname = "study"\nversion = "1.0"\n'
        '[tool.flwr.app.components]\nserverapp = "study:s"\nclientapp = "study:c"\n'
        f'[tool.syft_flwr]\napp_name = "{DS}_study_1"\naggregator = "{DS}"\ndatasites = ["{DO1}", "{DO2}"]\n{asks}'
    )
    return load_project(place)


def table(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "rows.csv").write_text(text)
    return folder


def test_mock_data_that_an_owner_describes_are_taken_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    theirs, mine = tmp_path / "do1", tmp_path / "ds"
    private = table(tmp_path / "private", "radius\n1.5\n")
    mock = table(tmp_path / "mock", "radius\n9.5\n")
    add_data_set(theirs, DO1, "tumours", private, mock=mock, allow=[DS])
    monkeypatch.setenv("SYFT_FLWR_ROOT", str(root))
    scientist = open_for_peers(mine, DS, [DO1], root=root)
    owner = open_for_peers(theirs, DO1, [DS], root=root)
    try:
        assert announce(owner, theirs) == [DS]
        scientist.mailbox.collect([DO1])
    finally:
        owner.close()
        scientist.close()
    found = mock_data_for(mine, project(tmp_path / "study"), (DO1, DO2), tmp_path / "place")
    assert found.owners == (DO1,)
    assert [(folder / "rows.csv").read_text() for folder in found.folders] == ["radius\n9.5\n"] * 2
    assert private not in found.folders


def test_an_owners_own_mock_data_are_taken_and_never_the_private_ones(tmp_path: Path) -> None:
    private = table(tmp_path / "private", "radius\n1.5\n")
    mock = table(tmp_path / "mock", "radius\n9.5\n")
    add_data_set(tmp_path / "home", DO1, "tumours", private, mock=mock)
    found = mock_data_for(tmp_path / "home", project(tmp_path / "study"), (DO2, DO1), tmp_path / "place")
    assert found.folders == (mock, mock)


def test_a_project_that_asks_for_nothing_or_for_what_is_not_there_gets_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    add_data_set(home, DO1, "other", table(tmp_path / "private", "radius\n1.5\n"))
    assert mock_data_for(home, project(tmp_path / "a"), (DO1,), tmp_path / "place").folders == ()
    assert mock_data_for(home, project(tmp_path / "b", ""), (DO1,), tmp_path / "place").folders == ()
