"""Flower App Bundles that are refused before anything of them is believed."""

import io
import stat
import zipfile
from collections.abc import Callable

import pytest

from syft_flwr_cli.flower.control_api.fab import MAX_FAB, FabError, read_fab, unknown_keys

CONFIG = b"""
[project]
name = "demo"
version = "1.0.0"
[tool.flwr.app]
publisher = "lab"
[tool.flwr.app.components]
serverapp = "demo.server_app:app"
clientapp = "demo.client_app:app"
[tool.flwr.app.config]
rounds = 3
model = { layers = 2 }
"""


def bundle(fill: Callable[[zipfile.ZipFile], None] = lambda archive: None, config: bytes = CONFIG) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pyproject.toml", config)
        archive.writestr("demo/__init__.py", "")
        fill(archive)
    return out.getvalue()


def test_a_good_bundle_is_taken_apart() -> None:
    fab = read_fab(bundle())
    assert (fab.fab_id, fab.version) == ("lab/demo", "1.0.0")
    assert fab.run_config == {"rounds": 3, "model.layers": 2}
    assert set(fab.files) == {"pyproject.toml", "demo/__init__.py"}
    assert unknown_keys(fab, {"model.layers": 1, "other": 2}) == ["other"]


def link(archive: zipfile.ZipFile) -> None:
    about = zipfile.ZipInfo("demo/link")
    about.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(about, "/etc/passwd")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("fill", "why"),
    [
        (link, "link"),
        (lambda archive: archive.writestr("../outside.py", ""), "outside"),
        (lambda archive: archive.writestr("/etc/x", ""), "outside"),
        (lambda archive: archive.writestr("a/../../x", ""), "outside"),
        (lambda archive: archive.writestr("a\\b", ""), "outside"),
        (lambda archive: archive.writestr("demo/__init__.py", "other"), "twice"),
        (lambda archive: archive.writestr("zeros.md", bytes(80 << 20)), "unpacks"),
        (lambda archive: [archive.writestr(f"{n}.py", "") for n in range(5001)], "files"),
    ],
)
def test_a_hostile_bundle_is_refused(fill: Callable[[zipfile.ZipFile], None], why: str) -> None:
    with pytest.raises(FabError, match=why):
        read_fab(bundle(fill))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK nonsense",
        bytes(MAX_FAB + 1),
        bundle(config=b"not = [toml"),
        bundle(config=b"\xff"),
        bundle(config=b'[project]\nname = "x"'),
        bundle(config=b'[tool]\nflwr = 3\n[project]\nname = "x"'),
    ],
)
def test_what_is_no_bundle_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(FabError, match=r"\.$"):
        read_fab(data)
