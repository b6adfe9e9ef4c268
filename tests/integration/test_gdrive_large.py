"""200 MB over Google Drive, cut three times each way: little is sent twice, and little is held in memory.

The emulator is a process of its own, and so is each participant, because what is measured is the memory
of one of them: its peak beyond what it needs for a small file.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SIZE = 200_000_000
ALLOWED = 64 << 20
PATH = "syft_outbox_inbox_alice@lab.example_to_bob@clinic.example/app/rpc/messages/one.payload"

PARTICIPANT = """
import hashlib, json, resource, sys
from pathlib import Path
from syft_flwr_cli.transports.base import BytesContent
from syft_flwr_cli.transports.gdrive.open import open_gdrive

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

class Large:
    size = %(size)d
    def chunks(self):
        block, left = bytes(range(256)) * 4096, self.size
        while left > 0:
            yield block[:left]
            left -= len(block)

who, endpoint, state, doing = sys.argv[1:]
path = %(path)r
drive = open_gdrive(email=who, endpoint=endpoint, state_dir=Path(state))
answer = {}
if doing == "publish":
    drive.publish(path + "0", BytesContent(b"small"), ["bob@clinic.example"])
    before = peak()
    drive.publish(path, Large(), ["bob@clinic.example"])
else:
    drive.open("alice@lab.example", path + "0").read()
    before = peak()
    drive.fetch("alice@lab.example", path, Path(state) / "copy")
answer["memory"] = peak() - before
if doing == "fetch":
    with open(Path(state) / "copy", "rb") as copy:
        answer["digest"] = hashlib.file_digest(copy, "sha256").hexdigest()
else:
    digest = hashlib.sha256()
    for chunk in Large().chunks():
        digest.update(chunk)
    answer["digest"] = digest.hexdigest()
drive.close()
print(json.dumps(answer))
"""


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "syft_flwr_cli.testing.drive_emulator", "--ready-file", str(ready)]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while not ready.exists():
            assert running.poll() is None
            time.sleep(0.05)
        yield ready.read_text()
    finally:
        running.terminate()
        running.wait()


def participant(who: str, endpoint: str, state: Path, doing: str) -> dict[str, Any]:
    program = PARTICIPANT % {"size": SIZE, "path": PATH}
    state.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, who, endpoint, str(state), doing],
        check=True,
        stdout=subprocess.PIPE,
        timeout=240,
        env={"SYFT_FLWR_HOME": str(state), "PATH": ""},
    )
    return dict(json.loads(done.stdout))


def ask(endpoint: str, what: str, wish: dict[str, Any] | None = None) -> dict[str, Any]:
    body = None if wish is None else json.dumps(wish).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/emulator/{what}", body)) as answer:
        return dict(json.loads(answer.read()))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_large_payload_survives_three_cuts_each_way(endpoint: str, tmp_path: Path) -> None:
    for call in ("upload.chunk", "files.get.media"):
        for skip in (10, 30, 60):
            fault = {"kind": "drop", "bytes": 900_000}
            ask(endpoint, "faults", {"script": {"call": call, "skip": skip, "fault": fault}})
    up = participant("alice@lab.example", endpoint, tmp_path / "alice", "publish")
    down = participant("bob@clinic.example", endpoint, tmp_path / "bob", "fetch")
    assert up["digest"] == down["digest"]
    calls = ask(endpoint, "calls")["calls"]
    for method, part in (("upload.chunk", "received"), ("files.get.media", "sent")):
        mine = [call for call in calls if call["method"] == method]
        assert sum(call["fault"] == "drop" for call in mine) == 3
        assert SIZE <= sum(call[part] for call in mine) < SIZE * 1.05
    assert up["memory"] < ALLOWED and down["memory"] < ALLOWED
