"""A process that is killed at any step of an upload to an object store: all of the file or nothing, and it goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.s3 import ACCESS, SECRET, s3_server
from doubles.unreliable_http import UnreliableProxy

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.storage.crash_points import FAULT_LOG, FAULT_POINT
from syft_flwr_cli.transports.object_store.open import open_object_store
from syft_flwr_cli.transports.object_store.transport import ObjectStoreTransport

ALICE = "alice@a.example"
PART = 64 << 10
SIZE = 5 * PART + 100

WORK = f"""
import sys
from pathlib import Path
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.object_store.open import open_object_store

alice = open_object_store(sys.argv[1], email="{ALICE}", state_dir=Path(sys.argv[2]), part={PART})
alice.publish("box/large", BytesContent(b"n" * {SIZE}), [])
alice.publish("box/small", BytesContent(b"n"), [])
"""

POINTS = ["upload.part"] * 6 + ["upload.parts", "upload.done", "upload.begin", "upload.done"]


@pytest.fixture
def proxy() -> Iterator[UnreliableProxy]:
    proxy = UnreliableProxy(s3_server())
    yield proxy
    proxy.close()


@pytest.fixture
def address(proxy: UnreliableProxy, tmp_path: Path) -> str:
    return f"s3://federation/{tmp_path.name}?endpoint={proxy.address}"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def work(address: str, state: Path, **environment: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", WORK, address, str(state)], env={**os.environ, **environment}, check=False
    ).returncode


def view(address: str, place: Path) -> ObjectStoreTransport:
    return open_object_store(address, email="bob@b.example", state_dir=place, part=PART)


def content(transport: ObjectStoreTransport, path: str) -> bytes | None:
    try:
        with transport.open(ALICE, path) as stream:
            return stream.read()
    except NotThereError:
        return None


def test_the_points_are_those_that_a_harness_finds(address: str, tmp_path: Path) -> None:
    log = tmp_path / "points"
    assert work(address, tmp_path / "state", **{FAULT_LOG: str(log)}) == 0
    assert [line for line in log.read_text().split() if line.startswith("upload")] == POINTS


@pytest.mark.parametrize("occurrence", range(1, 7))
def test_an_upload_goes_on_with_the_parts_that_are_missing(
    address: str, proxy: UnreliableProxy, tmp_path: Path, occurrence: int
) -> None:
    state = tmp_path / "state"
    assert work(address, state, **{FAULT_POINT: f"upload.part:{occurrence}"}) == -signal.SIGKILL
    bob = view(address, tmp_path / "bob")
    assert content(bob, "box/large") is None
    assert bob.watch(ALICE, "box").new() == []
    before = len(proxy.requests)
    assert work(address, state) == 0
    again = [path for verb, path in proxy.requests[before:] if verb == "PUT" and ".parts" in path]
    assert len(again) == 6 - occurrence
    assert content(bob, "box/large") == b"n" * SIZE
    assert {entry.name: entry.size for entry in bob.watch(ALICE, "box").new()} == {"large": SIZE, "small": 1}


@pytest.mark.parametrize("point", ["upload.parts:1", "upload.done:1", "upload.begin:1", "upload.done:2"])
def test_a_kill_leaves_all_of_a_file_or_nothing(address: str, tmp_path: Path, point: str) -> None:
    state = tmp_path / "state"
    assert work(address, state, **{FAULT_POINT: point}) == -signal.SIGKILL
    bob = view(address, tmp_path / "bob")
    assert content(bob, "box/large") == (None if point == "upload.parts:1" else b"n" * SIZE)
    assert content(bob, "box/small") == (b"n" if point == "upload.done:2" else None)
    assert work(address, state) == 0
    assert content(bob, "box/large") == b"n" * SIZE
    own = open_object_store(address, email=ALICE, state_dir=state, part=PART)
    assert {path: entry.size for path, entry in own.list_own()} == {"box/large": SIZE, "box/small": 1}


def test_parts_of_an_upload_that_nobody_goes_on_with_are_removed(
    address: str, proxy: UnreliableProxy, tmp_path: Path
) -> None:
    assert work(address, tmp_path / "state", **{FAULT_POINT: "upload.part:3"}) == -signal.SIGKILL
    open_object_store(address, email=ALICE, state_dir=tmp_path / "another machine", part=PART)
    before = len(proxy.requests)
    assert work(address, tmp_path / "a third") == 0
    assert len([path for verb, path in proxy.requests[before:] if verb == "PUT" and ".parts" in path]) == 6
    assert content(view(address, tmp_path / "bob"), "box/large") == b"n" * SIZE
