"""The author of a project against the owner who reads it: code that is other than it looks, without any process."""

import hashlib
import os
from pathlib import Path

import pytest

from syft_flwr_cli.catalogue.bundle import unpack
from syft_flwr_cli.consent.code_scan import survey
from syft_flwr_cli.consent.manifest import Entry, Manifest, copy_tree, make_manifest
from syft_flwr_cli.errors import NotAProjectError
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.protocol.rejection import RefusedError

HIDDEN = {
    "right-to-left override": "\u202e",
    "isolate": "\u2066",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "soft hyphen": "\u00ad",
    "byte order mark": "\ufeff",
    "tag": "\U000e0041",
    "Hangul filler, which is a letter to Python": "\u3164",
    "Hangul choseong filler, as well": "\u115f",
    "half-width Hangul filler": "\uffa0",
    "grapheme joiner": "\u034f",
    "variation selector": "\ufe0f",
    "variation selector of the supplement": "\U000e0100",
    "Khmer inherent vowel": "\u17b4",
    "Mongolian variation selector": "\u180b",
    "blank of Braille": "\u2800",
    "line separator": "\u2028",
    "private use": "\ue000",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "study"
    (place / "study").mkdir(parents=True)
    (place / "pyproject.toml").write_text("[project]\nname = 'study'\n")
    (place / "study" / "app.py").write_text("x = 1\n")
    return place


@pytest.mark.parametrize("sign", HIDDEN.values(), ids=HIDDEN.keys())
def test_a_character_that_does_not_show_is_spelled_out_and_names_no_file(root: Path, sign: str) -> None:
    shown = visible(f"a{sign}b")
    assert shown.isascii() and len(shown) > 3
    (root / "study" / f"app{sign}.py").write_text("import os\n")
    with pytest.raises(NotAProjectError, match="invisible"):
        make_manifest(root)


def test_blanks_other_than_the_space_name_no_file(root: Path) -> None:
    (root / "study" / "app\u00a0.py").write_text("")
    with pytest.raises(NotAProjectError, match="invisible"):
        make_manifest(root)


@pytest.mark.parametrize("sign", ["\u3164", "\ufe0f", "\u202e", "\u00a0", "\x1b", "\n"])
def test_no_bundle_brings_such_a_file(tmp_path: Path, sign: str) -> None:
    name = f"app{sign}.py"
    line = f"100644 {hashlib.sha256(b'').hexdigest()} 0 {name}\n".encode()
    data = b"syft-flwr bundle 1 %d\n" % len(line) + line
    digest = Manifest((Entry(name, "100644", 0, hashlib.sha256(b"").hexdigest()),)).digest
    with pytest.raises(RefusedError):
        unpack(memoryview(data), digest, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("ending", ["\r", "\r\n", "\n"])
def test_a_line_is_told_by_the_number_that_python_gives_it(root: Path, ending: str) -> None:
    source = ending.join(["harmless = 1", "harmless = 2", "import os; os.system('id')", "harmless = 4"])
    (root / "study" / "app.py").write_bytes(source.encode())
    (found,) = [one for one in survey(make_manifest(root), root) if one.kind == "programs"]
    assert (found.line, "os.system" in found.text) == (3, True)


def test_what_stands_far_to_the_right_is_in_what_is_shown_of_its_line(root: Path) -> None:
    line = "x = 1; y = '" + "-" * 300 + "'" + " " * 400 + "; __import__('os').system('id')\n"
    (root / "study" / "app.py").write_text(line)
    found = [one for one in survey(make_manifest(root), root) if one.kind == "programs"]
    assert found and all("system('id')" in one.text and len(one.text) <= 100 for one in found)


def test_a_name_in_full_width_letters_is_found_by_what_it_means(root: Path) -> None:
    (root / "study" / "app.py").write_text("ｅｖａｌ('1')\n")
    assert [one.kind for one in survey(make_manifest(root), root)] == ["code"]


@pytest.mark.parametrize(
    "name",
    [
        "native.so",
        "native.cpython-312-x86_64-linux-gnu.so",
        "model.pkl",
        "wheel.whl",
        "weights.PICKLE",
        "lib.so.1",
        "weights.pt",
        "model.joblib",
        "weights.npy",
    ],
)
def test_files_that_run_and_cannot_be_read_are_pointed_at(root: Path, name: str) -> None:
    (root / "study" / name).write_bytes(b"\x7fELF\0\0\x80")
    assert [one.kind for one in survey(make_manifest(root), root)] == ["opaque"]


def test_a_link_out_of_the_project_has_no_digest(root: Path) -> None:
    (root / "study" / "keys").symlink_to("/etc/passwd")
    with pytest.raises(NotAProjectError, match="symbolic link"):
        make_manifest(root)
    (root / "study" / "keys").unlink()
    (root / "study" / "folder").symlink_to(root.parent)
    with pytest.raises(NotAProjectError, match="symbolic link"):
        make_manifest(root)


def test_a_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "study" / "pipe.py")
    with pytest.raises(NotAProjectError, match="no plain file"):
        make_manifest(root)


@pytest.mark.parametrize("names", [("app.py", "App.py"), ("straße.py", "STRASSE.py")])
def test_names_that_a_disk_may_take_for_one_another_have_no_digest(
    root: Path, names: tuple[str, str]
) -> None:
    for name in names:
        (root / "study" / name).write_text("")
    with pytest.raises(NotAProjectError, match="upper and lower case"):
        make_manifest(root)


@pytest.mark.parametrize(
    "name", ["sitecustomize.py", "usercustomize.py", "SiteCustomize.pyc", "sitecustomize"]
)
def test_what_python_runs_by_itself_has_no_digest(root: Path, name: str) -> None:
    (root / name).write_text("")
    with pytest.raises(NotAProjectError, match="by itself"):
        make_manifest(root)


def test_what_the_author_leaves_out_of_the_digest_is_not_in_the_copy_that_runs(
    root: Path, tmp_path: Path
) -> None:
    (root / "pyproject.toml").write_text(
        "[project]\nname = 'study'\n[tool.syft_flwr]\nexclude = ['study/late.py']\n"
    )
    (root / "study" / "late.py").write_text("import os\n")
    (root / "study" / "__pycache__").mkdir()
    (root / "study" / "__pycache__" / "app.cpython-312.pyc").write_bytes(b"other code")
    (root / "study" / "app.pyc").write_bytes(b"other code")
    (root / "build").mkdir()
    (root / "build" / "hook.py").write_text("")
    manifest = make_manifest(root)
    copy = copy_tree(manifest, root, tmp_path / "copies")
    there = sorted(str(path.relative_to(copy)) for path in copy.rglob("*.*"))
    assert there == ["pyproject.toml", "study/app.py"]


def test_the_author_cannot_leave_out_what_says_what_is_left_out(root: Path) -> None:
    for left_out in ("pyproject.toml", "../other", "/etc", "."):
        (root / "pyproject.toml").write_text(
            f"[project]\nname = 'study'\n[tool.syft_flwr]\nexclude = ['{left_out}']\n"
        )
        with pytest.raises(NotAProjectError, match="cannot be left out"):
            make_manifest(root)


def test_a_source_in_another_encoding_has_no_digest(root: Path) -> None:
    for head in (
        "# coding: utf-7\n",
        "#!/usr/bin/python\n# -*- coding: rot13 -*-\n",
        "\f\r# coding=utf_16\n",
    ):
        (root / "study" / "app.py").write_bytes(head.encode())
        with pytest.raises(NotAProjectError, match="no digest"):
            make_manifest(root)
