"""What is remembered of responses that were withdrawn, and who can change it."""

import hashlib
from pathlib import Path

import pytest

from syft_flwr_cli.delivery.tombstones import Tombstones
from syft_flwr_cli.errors import DiskError
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity

DIGEST = "ab" * 32


def identity(seed: str) -> Identity:
    return Identity.create("do1@a.example", 1.0, hashlib.shake_256(seed.encode()).digest(SECRETS_SIZE))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "app" / "tombstones.jsonl"


def test_what_was_withdrawn_is_known_to_the_next_process(path: Path) -> None:
    Tombstones(path, identity("a")).add([("m1", "7", DIGEST), ("m2", "7", DIGEST)], 5.0)
    again = Tombstones(path, identity("a"))
    again.add([("m3", "8", DIGEST)], 6.0)
    assert [mid in again for mid in ("m1", "m2", "m3", "m4")] == [True, True, True, False]
    assert [(one.id, one.run, one.digest, one.time) for one in again.all()] == [
        ("m1", "7", DIGEST, 5.0),
        ("m2", "7", DIGEST, 5.0),
        ("m3", "8", DIGEST, 6.0),
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_changed_or_torn_is_passed_over_and_the_next_is_whole(path: Path) -> None:
    kept = Tombstones(path, identity("a"))
    kept.add([("m1", "7", DIGEST), ("m2", "7", DIGEST)], 5.0)
    path.write_bytes(path.read_bytes().replace(b'"m1"', b'"m9"')[:-20])
    again = Tombstones(path, identity("a"))
    again.add([("m3", "7", DIGEST)], 6.0)
    assert [one.id for one in Tombstones(path, identity("a")).all()] == ["m3"]
    assert "m9" not in again and "m2" not in again and "m3" in again


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\n", b"{}\n", b'{"signature": 7}\n', b"[1]\n", b"x" * 5000 + b"\n"]
)
def test_noise_is_passed_over(path: Path, line: bytes) -> None:
    kept = Tombstones(path, identity("a"))
    kept.add([("m1", "7", DIGEST)], 5.0)
    path.write_bytes(line + path.read_bytes())
    assert [one.id for one in Tombstones(path, identity("a")).all()] == ["m1"]


def test_tombstones_of_before_a_rotation_still_count(path: Path) -> None:
    Tombstones(path, identity("before")).add([("m1", "7", DIGEST)], 5.0)
    assert "m1" in Tombstones(path, identity("after"))


def test_those_of_forgotten_runs_go_and_the_others_stay(path: Path) -> None:
    kept = Tombstones(path, identity("a"))
    kept.forget({"7"})
    kept.add([("m1", "7", DIGEST), ("m2", "8", DIGEST)], 5.0)
    kept.forget({"7"})
    assert "m1" not in kept and "m2" in kept


def test_a_disk_that_refuses_is_named(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "nowhere" / "at all")
    with pytest.raises(DiskError):
        Tombstones(path, identity("a")).add([("m1", "7", DIGEST)], 5.0)
