"""A process that is killed at any of its writes to Drive leaves each file once and whole, or not at all."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_flwr_cli.storage.crash_points import FAULT_LOG, FAULT_POINT
from syft_flwr_cli.testing.drive_emulator import Emulator, start

ALICE = "alice@lab.example"
PATH = f"syft_outbox_inbox_{ALICE}_to_bob@clinic.example/app/rpc/messages/one.request"

PUBLISHER = """
import sys
from pathlib import Path
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.gdrive.open import Tuning, open_gdrive
state, endpoint, path, size = sys.argv[1:5]
tuning = Tuning(writes_per_second=1e6, backoff=0.01)
alice = open_gdrive(email="alice@lab.example", state_dir=Path(state), endpoint=endpoint, tuning=tuning)
alice.publish(path, BytesContent(b"first" * int(size)), ["bob@clinic.example"])
alice.publish(path, BytesContent(b"other" * int(size)), ["bob@clinic.example"])
alice.remove(path.replace("one", "two"))
alice.publish(path.replace("one", "two"), BytesContent(b"other" * int(size)), ["bob@clinic.example"])
alice.remove(path.replace("one", "two"))
alice.close()
"""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with start() as running:
        yield running


def run_publisher(emulator: Emulator, state: Path, size: int, **environment: str) -> int:
    arguments = [str(state), emulator.endpoint, PATH, str(size)]
    done = subprocess.run(
        [sys.executable, "-c", PUBLISHER, *arguments],
        env={**os.environ, "SYFT_FLWR_HOME": str(state), **environment},
        check=False,
        timeout=60,
    )
    return done.returncode


@pytest.mark.parametrize(
    "size", [10, pytest.param(1_100_000, marks=pytest.mark.full)], ids=["small", "large"]
)
def test_a_kill_at_any_write_point_leaves_nothing_doubled_and_nothing_half(
    emulator: Emulator, tmp_path: Path, size: int
) -> None:
    log = tmp_path / "points"
    assert run_publisher(emulator, tmp_path / "whole", size, **{FAULT_LOG: str(log)}) == 0
    clear(emulator)
    points = list(dict.fromkeys(log.read_text().split()))
    assert {"gdrive.folder.made", "gdrive.publish.planned", "gdrive.publish.written"} <= set(points)
    for number, point in enumerate(points):
        state = tmp_path / f"state {number}"
        assert run_publisher(emulator, state, size, **{FAULT_POINT: point}) == -9
        assert run_publisher(emulator, state, size) == 0
        (file,) = emulator.files(ALICE)
        assert file.body is not None and file.body.path.read_bytes() == b"other" * size
        assert len(emulator.files(ALICE, folders=True)) == 2
        clear(emulator)


def clear(emulator: Emulator) -> None:
    """Delete all that is alice's, by hand."""
    (folder,) = [one for one in emulator.files(ALICE, folders=True) if one.name == "syft-flwr"]
    request = urllib.request.Request(
        f"{emulator.endpoint}/drive/v3/files/{folder.id}",
        headers={"Authorization": f"Bearer {emulator.token(ALICE)}"},
        method="DELETE",
    )
    urllib.request.urlopen(request).close()
