"""The survey points at the plain places worth a look, and at files it cannot read."""

from pathlib import Path

import pytest

from syft_flwr_cli.consent.code_scan import survey
from syft_flwr_cli.consent.manifest import make_manifest


def kinds(root: Path, source: str) -> list[str]:
    (root / "app.py").write_text(source, encoding="utf-8")
    return [finding.kind for finding in survey(make_manifest(root), root)]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("from syft_flwr_cli import get_data_dir\nget_data_dir()", "data"),
        ("x = 'DATA_DIR'", "data"),
        ("open('x')", "files"),
        ("from pathlib import Path\nPath('x').write_text('y')", "files"),
        ("import pandas as pd\npd.read_csv('x')", "files"),
        ("import requests", "network"),
        ("from urllib.request import urlopen", "network"),
        ("def f():\n    import socket as s", "network"),
        ("import subprocess", "programs"),
        ("import os\nos.system('ls')", "programs"),
        ("eval('1')", "code"),
        ("__import__('os')", "code"),
        ("import pickle", "code"),
        ("import os\nos.environ['A']", "environment"),
        ("this is no python", "opaque"),
        ("x = '\0'", "opaque"),
    ],
)
def test_a_plain_place_is_found(tmp_path: Path, source: str, kind: str) -> None:
    assert kind in kinds(tmp_path, source)


@pytest.mark.parametrize(
    "source",
    ["model.eval()", "import re\nre.compile('x')", "from .network import socket", "x = {'open': 1}", ""],
)
def test_what_only_looks_alike_is_left_alone(tmp_path: Path, source: str) -> None:
    assert kinds(tmp_path, source) == []


def test_a_place_is_given_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("x = 1\n\n    \nif x:\n    open('x')  # here\n")
    (finding,) = survey(make_manifest(tmp_path), tmp_path)
    assert (finding.path, finding.line, finding.text) == ("app.py", 5, "open('x')  # here")


def test_native_and_packed_code_is_named(tmp_path: Path) -> None:
    for name in ("a.so", "b.WHL", "model.pkl", "notes.txt"):
        (tmp_path / name).write_bytes(b"1234")
    found = survey(make_manifest(tmp_path), tmp_path)
    assert [(finding.kind, finding.path) for finding in found] == [
        ("opaque", "a.so"),
        ("opaque", "b.WHL"),
        ("opaque", "model.pkl"),
    ]


def test_a_file_made_to_exhaust_the_parser_is_named_and_nothing_else_happens(tmp_path: Path) -> None:
    assert kinds(tmp_path, "(" * 5000 + ")" * 5000) == ["opaque"]
