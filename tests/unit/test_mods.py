"""The owner's mods stand around the app, and one that cannot be loaded is an error, not a missing mod."""

import sys
from pathlib import Path

import pytest

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.execution.mods import load_mods, wrap


@pytest.fixture
def mods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner_side_mods.py").write_text(
        "def outer(message, context, app):\n    return 'outer(' + app(message, context) + ')'\n"
        "def inner(message, context, app):\n    return 'inner(' + app(message, context) + ')'\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "owner_side_mods", raising=False)


@pytest.mark.usefixtures("mods")
def test_required_mods_are_put_around_the_app_the_first_outermost() -> None:
    loaded = load_mods(["owner_side_mods:outer", "owner_side_mods:inner"])
    app = wrap(lambda message, context: f"app({message}, {context})", loaded)
    assert app("m", "c") == "outer(inner(app(m, c)))"


@pytest.mark.usefixtures("mods")
@pytest.mark.parametrize(
    "name", ["owner_side_mods:absent", "owner_side_mods:number", "no_such_module_here:x"]
)
def test_a_mod_that_cannot_be_loaded_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        load_mods([name])
