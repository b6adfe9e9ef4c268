"""A bundle carries exactly the files of a digest, and nothing that it holds can leave its place."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from syft_flwr_cli.catalogue.bundle import MAX_BUNDLE, pack, read_manifest, unpack
from syft_flwr_cli.consent.manifest import make_manifest
from syft_flwr_cli.errors import NotApprovedError, NotAProjectError
from syft_flwr_cli.protocol.rejection import RefusedError

File = tuple[str, str, bytes]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "study"
    (root / "study").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\nname = 'study'\n")
    (root / "study" / "app.py").write_text("print('hello')\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "x.pyc").write_bytes(b"left out")
    return root


def made(files: Sequence[File]) -> bytes:
    """A bundle as somebody else's program might make it."""
    lines = "".join(
        f"{mode} {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, mode, data in files
    ).encode()
    return b"syft-flwr bundle 1 %d\n" % len(lines) + lines + b"".join(data for _, _, data in files)


def digest_of(data: bytes) -> str:
    return read_manifest(memoryview(data))[0].digest


def test_what_is_unpacked_is_what_was_packed(project: Path, tmp_path: Path) -> None:
    manifest = make_manifest(project)
    unpack(memoryview(pack(manifest, project)), manifest.digest, tmp_path / "out")
    assert make_manifest(tmp_path / "out") == manifest
    assert not (tmp_path / "out" / "__pycache__").exists()
    assert (tmp_path / "out" / "run.sh").stat().st_mode & 0o100


def test_the_same_files_make_the_same_bytes(project: Path) -> None:
    first = pack(make_manifest(project), project)
    (project / "run.sh").touch()
    assert pack(make_manifest(project), project) == first


def test_a_file_that_changed_since_it_was_read_is_not_packed(project: Path) -> None:
    manifest = make_manifest(project)
    (project / "run.sh").write_text("#!/bin/bash\n")
    with pytest.raises(NotApprovedError, match="changed while"):
        pack(manifest, project)


def test_unpacking_again_leaves_an_exact_folder_and_mends_an_altered_one(
    project: Path, tmp_path: Path
) -> None:
    manifest = make_manifest(project)
    data = memoryview(pack(manifest, project))
    unpack(data, manifest.digest, tmp_path / "out")
    (tmp_path / "out" / "run.sh").chmod(0o700)
    (tmp_path / "out" / "run.sh").write_text("altered")
    unpack(data, manifest.digest, tmp_path / "out")
    assert make_manifest(tmp_path / "out") == manifest


@pytest.mark.parametrize(
    "path",
    [
        "../outside.py",
        "/etc/passwd",
        "a/../../outside.py",
        "a//b.py",
        "./a.py",
        "a\\..\\b.py",
        "a/\x1b[2Jb.py",
        "a/\u202egnp.py",
        "x" * 1025,
        "e\u0301.py",
    ],
)
def test_a_path_that_leaves_or_hides_is_refused(path: str, tmp_path: Path) -> None:
    data = made([(path, "100644", b"x")])
    with pytest.raises(RefusedError):
        unpack(memoryview(data), "0" * 64, tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize(
    "files",
    [
        [("a", "100644", b"1"), ("a", "100644", b"2")],
        [("b", "100644", b"1"), ("a", "100644", b"2")],
        [("A", "100644", b"1"), ("a", "100644", b"2")],
        [("A/x", "100644", b"1"), ("a/y", "100644", b"2")],
        [("a", "100644", b"1"), ("a/b", "100644", b"2")],
        [("a", "120000", b"/etc/passwd")],
        [("a", "040000", b"")],
        [("a", "104755", b"")],
        [],
    ],
    ids=["twice", "disorder", "case", "folder-case", "file-and-folder", "link", "folder", "setuid", "empty"],
)
def test_a_list_that_is_not_one_of_plain_files_is_refused(files: list[File], tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        unpack(memoryview(made(files)), "0" * 64, tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize(
    "path",
    [".git/hooks/pre-commit", "__pycache__/app.pyc", ".venv/bin/python", "build/x.py", "study.egg-info"],
)
def test_what_no_digest_of_a_project_covers_is_refused(path: str, tmp_path: Path) -> None:
    data = made(sorted([("pyproject.toml", "100644", b""), (path, "100644", b"x")]))
    with pytest.raises(RefusedError, match="covers"):
        unpack(memoryview(data), digest_of(data), tmp_path / "in" / "out")
    assert not list((tmp_path / "in").iterdir())


def test_a_hundred_thousand_files_are_refused_before_one_is_made(tmp_path: Path) -> None:
    data = made([(f"f{number:06d}", "100644", b"") for number in range(100_000)])
    with pytest.raises(RefusedError, match="more than 20,000 files"):
        unpack(memoryview(data), "0" * 64, tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()


def test_a_size_that_is_only_announced_is_refused(tmp_path: Path) -> None:
    line = f"100644 {'0' * 64} {3 << 30} zeros\n".encode()
    data = b"syft-flwr bundle 1 %d\n" % len(line) + line
    with pytest.raises(RefusedError, match="3,221,225,472"):
        unpack(memoryview(data), "0" * 64, tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists()


def test_too_many_bytes_are_neither_packed_nor_unpacked(project: Path, tmp_path: Path) -> None:
    with (project / "huge.bin").open("wb") as stream:
        stream.truncate(MAX_BUNDLE)
    with pytest.raises(NotAProjectError, match="at most") as caught:
        pack(make_manifest(project), project)
    assert "huge.bin" in caught.value.hint


def _cut(data: bytes) -> bytes:
    return data[:-1]


def _longer(data: bytes) -> bytes:
    return data + b"\0"


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("change", [_cut, _longer, _flipped])
def test_one_changed_byte_is_refused_and_leaves_nothing(
    change: Callable[[bytes], bytes], project: Path, tmp_path: Path
) -> None:
    manifest = make_manifest(project)
    data = change(pack(manifest, project))
    with pytest.raises(RefusedError):
        unpack(memoryview(data), manifest.digest, tmp_path / "in" / "out")
    assert not (tmp_path / "in").exists() or not list((tmp_path / "in").iterdir())


def test_another_tree_than_the_promised_one_is_refused(project: Path, tmp_path: Path) -> None:
    data = pack(make_manifest(project), project)
    with pytest.raises(RefusedError, match="has the digest"):
        unpack(memoryview(data), "f" * 64, tmp_path / "in" / "out")


def test_a_link_that_waits_in_the_place_is_not_followed(project: Path, tmp_path: Path) -> None:
    manifest = make_manifest(project)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    unpack(memoryview(pack(manifest, project)), manifest.digest, tmp_path / "out")
    assert not (tmp_path / "out").is_symlink()
    assert not list((tmp_path / "elsewhere").iterdir())
