"""Whose a received project is, by the folder in which it lies."""

from pathlib import Path

from syft_flwr_cli.services.joining import receiver_of


def test_a_received_project_is_of_the_participant_in_whose_folder_it_lies(tmp_path: Path) -> None:
    received = tmp_path / "participants" / "do1@a.example" / "projects" / "abc"
    assert receiver_of(tmp_path, received) == "do1@a.example"
    for elsewhere in (tmp_path / "projects" / "abc", Path("study"), Path("/"), received.parent):
        assert receiver_of(tmp_path, elsewhere) is None
