"""An app's package is found in its project's folder or, as many lay it out, in ``src``."""

from pathlib import Path

import pytest
from flwr.clientapp import ClientApp

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.flower.runtime import load_client_app

APP = "from flwr.clientapp import ClientApp\nfrom {package}.deep.parts import NUMBER\napp = ClientApp()\n"


@pytest.mark.parametrize(("place", "package"), [(".", "laid_out_flat"), ("src", "laid_out_in_src")])
def test_an_app_is_found_in_the_folder_or_in_src(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, package: str
) -> None:
    monkeypatch.syspath_prepend(
        str(tmp_path / "nowhere")
    )  # what loading adds to the path is taken away again
    folder = tmp_path / place / package / "deep"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(APP.format(package=package))
    (folder / "parts.py").write_text("NUMBER = 1\n")
    assert isinstance(load_client_app(f"{package}.deep:app", tmp_path), ClientApp)


def test_an_app_that_is_nowhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "nowhere"))
    with pytest.raises(SyftFlwrError, match="laid_out_nowhere:app cannot be imported: ModuleNotFoundError"):
        load_client_app("laid_out_nowhere:app", tmp_path)
