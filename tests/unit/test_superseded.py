"""What was received of a version that is offered no more is removed, unless it was approved."""

from pathlib import Path

import pytest

from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.services import joining, offers
from syft_flwr_cli.services.federation import open_for_peers
from syft_flwr_cli.services.review import decide, review_project
from syft_flwr_cli.services.superseded import remove_superseded

DS, DO = "ds@lab.example", "do1@a.example"


def write(place: Path, text: str) -> Project:
    (place / "study").mkdir(parents=True, exist_ok=True)
    (place / "study" / "__init__.py").write_text(text)
    (place / "pyproject.toml").write_text(
        '[project]\nname = "study"\nversion = "1.0"\n'
        '[tool.flwr.app.components]\nserverapp = "study:s"\nclientapp = "study:c"\n'
        f'[tool.syft_flwr]\napp_name = "{DS}_study_1"\naggregator = "{DS}"\ndatasites = ["{DO}"]\n'
    )
    return load_project(place)


@pytest.mark.parametrize("approved", [True, False])
def test_a_superseded_tree_stays_only_while_an_approval_of_it_stands(tmp_path: Path, approved: bool) -> None:
    root = tmp_path / "root"
    root.mkdir()
    home = tmp_path / "do"
    scientist = open_for_peers(tmp_path / "ds", DS, [DO], root=root)
    owner = open_for_peers(home, DO, [DS], root=root)
    try:
        offers.share(scientist, write(tmp_path / "study", "x = 1\n"), None, "")
        ((first, project),) = joining.await_offers(owner, DS, None, 60.0)
        if approved:
            decide(review_project(home, DO, project, place="study"), "approve", lambda: b"")
        remove_superseded(owner)
        assert first.here
        offers.share(scientist, write(tmp_path / "study", "x = 2\n"), None, "")
        ((second, _),) = joining.await_offers(owner, DS, None, 60.0)
        assert second.offer.digest != first.offer.digest
        remove_superseded(owner)
        assert second.here
        assert first.here is approved
    finally:
        owner.close()
        scientist.close()
