"""A home that others can write to decides nothing: it is refused, with the command that mends it."""

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.project.own_settings import read_own
from syft_flwr_cli.security.identity import load_or_create, read_public
from syft_flwr_cli.storage.paths import home, participant_dir

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
ALICE = "alice@lab.example"


def refused_and_mended(path: Path, mode: int, use: Callable[[], object]) -> None:
    before = path.stat().st_mode
    path.chmod(mode)
    with pytest.raises(TrustError, match="Others can write") as refused:
        use()
    command = refused.value.hint.partition("type: ")[2]
    subprocess.run(shlex.split(command), check=True)
    use()
    path.chmod(before)


@pytest.mark.parametrize("mode", [0o777, 0o722, 0o770])
def test_a_home_that_others_can_write_to_is_refused_until_the_hint_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    place = tmp_path / "a home"
    monkeypatch.setenv("SYFT_FLWR_HOME", str(place))
    home()
    refused_and_mended(place, mode, home)
    (place / "participants").mkdir()
    refused_and_mended(place / "participants", mode, home)


def test_so_are_settings_and_the_folder_with_the_keys(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("")
    refused_and_mended(tmp_path / "settings.toml", 0o666, lambda: read_own(tmp_path))
    folder = participant_dir(tmp_path, ALICE)
    load_or_create(folder, ALICE, 0)
    refused_and_mended(folder, 0o777, lambda: read_public(folder, ALICE))
