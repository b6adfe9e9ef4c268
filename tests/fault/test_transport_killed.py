"""A process that is killed at any step of a write leaves all of the file or nothing, and no harm."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.storage.crash_points import FAULT_LOG, FAULT_POINT
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.folder.transport import FolderTransport

ALICE = "alice@a.example"
SIZE = 200_000

WORK = f"""
import sys
from pathlib import Path
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.folder.transport import FolderTransport

root = Path(sys.argv[1])
alice = FolderTransport(root, "{ALICE}", events=False)
alice.publish("box/one", BytesContent(b"n" * {SIZE}), [])
alice.fetch("{ALICE}", "box/one", root.parent / "copy")
alice.remove("box/one")
"""

POINTS = [
    "publish.begin",
    "publish.written",
    "publish.synced",
    "publish.renamed",
    "publish.done",
    "fetch.begin",
    "fetch.copied",
    "fetch.done",
    "remove.begin",
    "remove.done",
]


def work(root: Path, **environment: str) -> int:
    root.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", WORK, str(root)], env={**os.environ, **environment}, check=False
    ).returncode


def test_the_points_are_those_that_a_harness_finds(tmp_path: Path) -> None:
    log = tmp_path / "points"
    assert work(tmp_path / "shared", **{FAULT_LOG: str(log)}) == 0
    assert log.read_text().split() == POINTS


@pytest.mark.parametrize("before", [None, b"o" * SIZE])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, point: str, before: bytes | None) -> None:
    root = tmp_path / "shared"
    root.mkdir()
    alice = FolderTransport(root, ALICE, events=False)
    if before is not None:
        alice.publish("box/one", BytesContent(before), [])
    assert work(root, **{FAULT_POINT: point}) == -signal.SIGKILL

    after = FolderTransport(root, ALICE, events=False)
    try:
        found: bytes | None = after.open(ALICE, "box/one").read()
    except NotThereError:
        found = None
    new = b"n" * SIZE
    if point in ("publish.begin", "publish.written", "publish.synced"):
        assert found == before
    elif point == "remove.done":
        assert found is None
    else:
        assert found == new
    copy = tmp_path / "copy"
    assert copy.exists() == (point in ("fetch.done", "remove.begin", "remove.done"))
    assert not copy.exists() or copy.read_bytes() == new
    assert {path for path, _ in after.list_own()} <= {"box/one"}

    assert work(root) == 0
    assert copy.read_bytes() == new
