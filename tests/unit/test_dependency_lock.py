"""A lock holds exact versions with hashes and nothing else."""

from pathlib import Path

import pytest

from syft_flwr_cli.errors import NotAProjectError
from syft_flwr_cli.execution.dependency_lock import (
    Locked,
    lock_text,
    not_provided,
    parse_lock,
    read_lock,
    requirement_name,
)

HASH = "--hash=sha256:" + "a" * 64
FILE = Path("requirements.lock")


def test_a_lock_is_read_as_it_was_written() -> None:
    packages = (
        Locked("a-b", "1.0", "", ("sha256:" + "a" * 64,)),
        Locked("c", "2!1.0+x", "python_full_version < '3.12'", ("sha256:" + "b" * 64, "sha256:" + "c" * 64)),
    )
    assert parse_lock(lock_text(packages), FILE) == packages


def test_comments_and_the_spelling_of_names_do_not_matter() -> None:
    text = f"# made by hand\nA_b==1.0 \\\n    {HASH}\n    # via something\n"
    assert parse_lock(text, FILE)[0].name == "a-b"


@pytest.mark.parametrize(
    "line",
    [
        "a==1.0",
        f"a>=1.0 {HASH}",
        f"a==1.* {HASH}",
        f"a @ https://evil.example/a.whl {HASH}",
        "--index-url https://evil.example",
        "--extra-index-url=https://evil.example",
        "-r other.txt",
        "-e .",
        "./a.whl",
        f"a==1.0 {HASH} --config-settings=x",
        f"a==1.0 --hash=md5:{'a' * 32}",
        f"a==1.0 ; os_name == 'x' --index-url y {HASH}",
        f"a==1.0 {HASH}\na==2.0 {HASH}",
    ],
)
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(NotAProjectError, match="no lock that can be used"):
        parse_lock(f"{line}\n", FILE)


def test_a_project_without_a_lock_has_none(tmp_path: Path) -> None:
    assert read_lock(tmp_path) is None
    (tmp_path / "requirements.lock").write_bytes(b"\xff")
    with pytest.raises(NotAProjectError):
        read_lock(tmp_path)


def test_what_the_tool_brings_is_told_from_what_it_does_not() -> None:
    assert requirement_name("Foo_Bar[x]>=1 ; os_name=='x'") == "foo-bar"
    assert not_provided(["flwr>=1.41", "numpy", "syft-flwr-cli", "surely-not-there>=1"]) == [
        "surely-not-there>=1"
    ]
