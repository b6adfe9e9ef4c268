"""The digest covers exactly what would run, and the copy holds exactly what the digest covers."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from syft_flwr_cli.consent.manifest import (
    Entry,
    Manifest,
    compare,
    copy_tree,
    has_exactly,
    make_manifest,
    remove_copy,
)
from syft_flwr_cli.errors import NotApprovedError, NotAProjectError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "app").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[project]\nname = "demo"\n')
    (root / "app" / "__init__.py").write_text("")
    (root / "app" / "client.py").write_text("x = 1\n")
    (root / "run.sh").write_text("echo\n")
    (root / "run.sh").chmod(0o755)
    return root


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    return tmp_path / "home" / "code"


def paths(root: Path) -> list[str]:
    return [entry.path for entry in make_manifest(root).entries]


def test_a_manifest_lists_path_mode_size_and_contents(project: Path) -> None:
    sha = hashlib.sha256(b"x = 1\n").hexdigest()
    manifest = make_manifest(project)
    assert Entry("app/client.py", "100644", 6, sha) in manifest.entries
    assert [entry.mode for entry in manifest.entries if entry.path == "run.sh"] == ["100755"]


def test_the_digest_is_the_documented_one() -> None:
    manifest = Manifest((Entry("b", "100755", 0, "22"), Entry("a", "100644", 1, "11")))
    assert manifest.to_bytes() == b"100644 11 1 a\n100755 22 0 b\n"
    assert manifest.digest == hashlib.sha256(b"syft-flwr manifest 1\0" + manifest.to_bytes()).hexdigest()


def test_files_are_sorted_by_the_bytes_of_their_paths(project: Path) -> None:
    for name in ("Z", "a", "é", "app-x", "app.py"):
        (project / name).write_text("")
    assert paths(project) == sorted(paths(project), key=str.encode)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "app" / "client.py").write_text("x = 2\n"),
        lambda root: (root / "app" / "client.py").rename(root / "app" / "other.py"),
        lambda root: (root / "app" / "client.py").unlink(),
        lambda root: (root / "app" / "new.py").write_text(""),
        lambda root: (root / "app" / "client.py").chmod(0o755),
        lambda root: (root / "data.bin").write_bytes(b"\0"),
    ],
)
def test_any_change_changes_the_digest(project: Path, change: Callable[[Path], object]) -> None:
    before = make_manifest(project).digest
    change(project)
    assert make_manifest(project).digest != before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: os.utime(root / "app" / "client.py", (1, 1)),
        lambda root: (root / "app" / "client.py").chmod(0o600),
        lambda root: (root / "empty").mkdir(),
    ],
)
def test_what_does_not_travel_does_not_count(project: Path, change: Callable[[Path], object]) -> None:
    before = make_manifest(project).digest
    change(project)
    assert make_manifest(project).digest == before


@pytest.mark.parametrize(
    "left_out",
    [
        ".git/config",
        "app/__pycache__/client.cpython-311.pyc",
        "app/client.pyc",
        ".venv/lib/x.py",
        "app/.mypy_cache/x.json",
        "build/lib/x.py",
        "dist/x.whl",
        "demo.egg-info/PKG-INFO",
        "app/.DS_Store",
        ".pytest_cache/x",
        ".ruff_cache/x",
    ],
)
def test_what_a_build_or_a_run_leaves_behind_is_neither_counted_nor_copied(
    project: Path, copies: Path, left_out: str
) -> None:
    before = make_manifest(project)
    file = project / left_out
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("raise SystemExit")
    manifest = make_manifest(project)
    assert manifest == before
    assert not (copy_tree(manifest, project, copies) / left_out).exists()


@pytest.mark.parametrize(
    "name",
    [
        "sitecustomize.py",
        "usercustomize.pyc",
        "sitecustomize",
        "SiteCustomize.so",
        "usercustomize/__init__.py",
    ],
)
@pytest.mark.parametrize("excluded", [True, False])
def test_no_project_has_what_python_runs_by_itself(project: Path, name: str, excluded: bool) -> None:
    """Not even an empty one, approved as it is: the bytecode beside it is not, and is what would run."""
    listed = f'exclude = ["app/{name.partition("/")[0]}"]' if excluded else ""
    (project / "pyproject.toml").write_text(f"[tool.syft_flwr]\n{listed}\n")
    (project / "app" / name).parent.mkdir(exist_ok=True)
    (project / "app" / name).write_text("")
    with pytest.raises(NotAProjectError, match="would be run by Python by itself"):
        make_manifest(project)


@pytest.mark.parametrize(
    "source",
    [
        b"# coding: unicode_escape\n# harmless \\nimport os\n",
        b"#!/usr/bin/python\n# -*- coding: utf-7 -*-\n",
        b"\n\t\x0c# vim: set fileencoding=latin-1 :\n",
        b"'a'\r# coding:rot13\r",
        b"\xef\xbb\xbf# coding=cp037\n",
    ],
)
def test_a_source_in_another_encoding_than_utf_8_is_refused(project: Path, source: bytes) -> None:
    (project / "app" / "odd.py").write_bytes(source)
    with pytest.raises(NotAProjectError, match="says that it is written in"):
        make_manifest(project)


@pytest.mark.parametrize(
    "source", [b"# coding: utf-8\n", b"# -*- coding: UTF_8 -*-\n", b"x = open(p, encoding='latin-1')\n", b""]
)
def test_a_source_that_says_utf_8_or_nothing_is_taken(project: Path, source: bytes) -> None:
    (project / "app" / "plain.py").write_bytes(source)
    assert "app/plain.py" in paths(project)


def test_a_package_called_build_deeper_down_counts(project: Path) -> None:
    (project / "app" / "build").mkdir()
    (project / "app" / "build" / "x.py").write_text("")
    assert "app/build/x.py" in paths(project)


def test_a_project_can_leave_out_files_of_its_own(project: Path) -> None:
    (project / "pyproject.toml").write_text('[tool.syft_flwr]\nexclude = ["results/plots", "model.npz"]\n')
    (project / "results" / "plots").mkdir(parents=True)
    (project / "results" / "plots" / "a.png").write_text("")
    (project / "results" / "b.csv").write_text("")
    (project / "model.npz").write_text("")
    assert paths(project) == ["app/__init__.py", "app/client.py", "pyproject.toml", "results/b.csv", "run.sh"]


@pytest.mark.parametrize(
    "exclude",
    [
        '["../x"]',
        '["/etc"]',
        '["a//b"]',
        '["./a"]',
        '["."]',
        '["pyproject.toml"]',
        '"results"',
        "[1]",
        '[""]',
    ],
)
def test_what_cannot_be_left_out_is_refused(project: Path, exclude: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.syft_flwr]\nexclude = {exclude}\n")
    with pytest.raises(NotAProjectError, match="exclude"):
        make_manifest(project)


@pytest.mark.parametrize("target", ["client.py", "../run.sh", "/etc/passwd", "nowhere", "."])
def test_a_symbolic_link_is_refused_wherever_it_points(project: Path, target: str) -> None:
    (project / "app" / "link").symlink_to(target)
    with pytest.raises(NotAProjectError, match="app/link is a symbolic link"):
        make_manifest(project)


def test_a_pipe_is_refused_and_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "pipe")
    with pytest.raises(NotAProjectError, match="pipe is no plain file"):
        make_manifest(project)


@pytest.mark.parametrize(
    "name", ["e\u0301.py", "a\\b.py", "a\nb.py", "\u202etxt.py", "a\u2028b", b"\xff.py", "a\u200bb.py"]
)
def test_a_name_that_deceives_or_differs_between_machines_is_refused(
    project: Path, name: str | bytes
) -> None:
    place = os.fsencode(project) + b"/" + (name if isinstance(name, bytes) else name.encode())
    os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
    with pytest.raises(NotAProjectError, match="has a name"):
        make_manifest(project)


def test_names_that_differ_only_in_case_are_refused(project: Path) -> None:
    (project / "app" / "Client.py").write_text("")
    if len(list((project / "app").iterdir())) == 2:
        pytest.skip("this file system does not tell upper from lower case")
    with pytest.raises(NotAProjectError, match="upper and lower case"):
        make_manifest(project)


def test_a_folder_that_is_not_there_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(NotAProjectError, match="cannot be read"):
        make_manifest(tmp_path / "absent")


def test_compare_says_what_became_of_each_file(project: Path) -> None:
    old = make_manifest(project)
    (project / "app" / "client.py").write_text("x = 2\n")
    (project / "app" / "new.py").write_text("")
    (project / "run.sh").unlink()
    changes = compare(old, make_manifest(project))
    assert (changes.added, changes.removed, changes.changed) == (
        ("app/new.py",),
        ("run.sh",),
        ("app/client.py",),
    )
    assert changes and not compare(old, old)


def test_a_copy_has_the_same_digest_and_lies_under_it(project: Path, copies: Path) -> None:
    manifest = make_manifest(project)
    copy = copy_tree(manifest, project, copies)
    assert copy == copies / manifest.digest
    assert make_manifest(copy) == manifest and has_exactly(copy, manifest)
    assert [item.name for item in copies.iterdir()] == [manifest.digest]


def test_a_copy_is_read_only_and_private(project: Path, copies: Path) -> None:
    copy = copy_tree(make_manifest(project), project, copies)
    for place in [copy, *copy.rglob("*")]:
        assert place.stat().st_mode & 0o277 == 0


def test_the_copy_stays_what_it_was_when_the_project_changes(project: Path, copies: Path) -> None:
    copy = copy_tree(make_manifest(project), project, copies)
    (project / "app" / "client.py").write_text("changed\n")
    assert (copy / "app" / "client.py").read_text() == "x = 1\n"


def test_an_exact_copy_is_used_again(project: Path, copies: Path) -> None:
    manifest = make_manifest(project)
    inode = copy_tree(manifest, project, copies).stat().st_ino
    assert copy_tree(manifest, project, copies).stat().st_ino == inode


def thaw(copy: Path) -> Path:
    for place in [copy, *copy.rglob("*")]:
        place.chmod(0o700 if place.is_dir() else 0o600)
    return copy


@pytest.mark.parametrize(
    "alter",
    [
        lambda copy: (copy / "app" / "client.py").write_text("x = 9\n"),
        lambda copy: (copy / "app" / "client.py").unlink(),
        lambda copy: (copy / "app" / "extra.py").write_text(""),
        lambda copy: (
            (copy / "app" / "__pycache__").mkdir(),
            (copy / "app" / "__pycache__" / "a.pyc").touch(),
        ),
        lambda copy: (copy / "sitecustomize.py").symlink_to("/etc/passwd"),
    ],
)
def test_an_altered_copy_is_replaced(project: Path, copies: Path, alter: Callable[[Path], object]) -> None:
    manifest = make_manifest(project)
    alter(thaw(copy_tree(manifest, project, copies)))
    assert not has_exactly(copies / manifest.digest, manifest)
    copy = copy_tree(manifest, project, copies)
    assert has_exactly(copy, manifest)
    assert [item.name for item in copies.iterdir()] == [manifest.digest]


def test_a_file_or_link_in_the_place_of_the_copy_is_replaced(project: Path, copies: Path) -> None:
    manifest = make_manifest(project)
    copies.mkdir(parents=True)
    (copies / manifest.digest).symlink_to(project)
    assert not has_exactly(copies / manifest.digest, manifest)
    assert not copy_tree(manifest, project, copies).is_symlink()


@pytest.mark.parametrize("text", ["x = 2\n", "x = 1\n\n"])
def test_what_changes_between_reading_and_copying_is_not_copied(
    project: Path, copies: Path, text: str
) -> None:
    manifest = make_manifest(project)
    (project / "app" / "client.py").write_text(text)
    with pytest.raises(NotApprovedError, match=r"app/client\.py"):
        copy_tree(manifest, project, copies)
    assert list(copies.iterdir()) == []


def test_a_file_replaced_by_a_link_is_not_copied(project: Path, copies: Path) -> None:
    manifest = make_manifest(project)
    (project / "run.sh").rename(project / "app" / "elsewhere")
    (project / "run.sh").symlink_to("app/elsewhere")
    with pytest.raises(NotAProjectError, match=r"run\.sh"):
        copy_tree(manifest, project, copies)
    assert list(copies.iterdir()) == []


def test_a_copy_can_be_removed(project: Path, copies: Path) -> None:
    copy = copy_tree(make_manifest(project), project, copies)
    remove_copy(copy)
    remove_copy(copy)
    assert not copy.exists()


def test_a_project_of_gigabytes_has_no_digest_and_is_not_read(project: Path) -> None:
    with (project / "app" / "huge.bin").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(NotAProjectError, match="holds 3221225"):
        make_manifest(project)


def test_a_hole_takes_no_room_in_the_copy(project: Path, copies: Path) -> None:
    with (project / "app" / "hole.bin").open("wb") as file:
        file.write(b"begin")
        file.truncate(64 << 20)
    manifest = make_manifest(project)
    copied = copy_tree(manifest, project, copies) / "app" / "hole.bin"
    assert copied.stat().st_size == 64 << 20
    assert copied.stat().st_blocks * 512 < 8 << 20
    assert has_exactly(copied.parent.parent, manifest)


def test_a_file_that_grew_since_it_was_looked_at_is_not_copied(project: Path, copies: Path) -> None:
    manifest = make_manifest(project)
    with (project / "pyproject.toml").open("ab") as file:
        file.write(b"# more\n" * (1 << 20))
    with pytest.raises(NotApprovedError, match="changed while it was read"):
        copy_tree(manifest, project, copies)
    assert not (copies / manifest.digest).exists()
