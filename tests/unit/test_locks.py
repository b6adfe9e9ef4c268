"""A lock is held by one, says by whom, and ends with the process that holds it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from syft_flwr_cli.storage.locks import FileLock, Holder, who_holds

HOLD = """
import sys
from pathlib import Path
from syft_flwr_cli.storage.locks import FileLock
lock = FileLock(Path(sys.argv[1]), clock=lambda: 0.0)
assert lock.try_acquire("run-client")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_does_not_get_it_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire("one")
    assert not second.try_acquire("two")
    first.release()
    assert second.try_acquire("two")
    assert not first.try_acquire("one")


def test_a_lock_for_one_use_leaves_no_file_and_who_opened_that_file_before_does_not_hold_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lock"
    first = FileLock(path, passing=True)
    assert first.try_acquire("one")
    opened_before = path.open("rb")
    first.release()
    assert not path.exists()
    with opened_before:
        second, third = FileLock(path, passing=True), FileLock(path, passing=True)
        assert second.try_acquire("two") and not third.try_acquire("three")
    second.release()
    assert not path.exists() and third.try_acquire("three")


def test_taking_it_twice_and_letting_go_twice_is_harmless(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.try_acquire("one") and lock.try_acquire("one")
    lock.release()
    lock.release()
    assert FileLock(tmp_path / "lock").try_acquire("two")


def test_a_failed_attempt_does_not_overwrite_who_holds_it(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock", clock=lambda: 86400.0), FileLock(tmp_path / "lock")
    assert first.try_acquire("run-server")
    assert not second.try_acquire("intruder")
    assert second.holder().startswith("run-server, process ")
    assert second.holder().endswith("since 1970-01-02 00:00:00 UTC")


def test_an_unreadable_note_is_no_reason_to_fail(tmp_path: Path) -> None:
    assert FileLock(tmp_path / "absent").holder() == "another process"
    (tmp_path / "lock").write_bytes(b"\xff{")
    assert FileLock(tmp_path / "lock").holder() == "another process"


def test_leaving_the_block_lets_go(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock") as lock:
        assert lock.try_acquire("one")
    assert FileLock(tmp_path / "lock").try_acquire("two")


def test_only_the_owner_can_read_the_lock_and_its_directory(tmp_path: Path) -> None:
    with FileLock(tmp_path / "run" / "lock") as lock:
        assert lock.try_acquire("one")
        assert (tmp_path / "run" / "lock").stat().st_mode & 0o077 == 0
        assert (tmp_path / "run").stat().st_mode & 0o077 == 0


def test_another_process_holds_it_and_its_death_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        lock = FileLock(path)
        assert not lock.try_acquire("run-client")
        assert f"process {other.pid} on " in lock.holder()
        other.kill()
        other.wait()
        assert lock.try_acquire("run-client")
        lock.release()


def test_who_holds_a_lock_is_found_out_without_trying_to_take_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert who_holds(path) is None
    lock = FileLock(path, clock=lambda: 5.0)
    assert lock.try_acquire("one")
    assert who_holds(path) == Holder(os.getpid(), 5.0)
    assert not FileLock(path).try_acquire("two")
    lock.release()
    assert path.exists() and who_holds(path) is None


def test_neither_the_dead_nor_those_of_other_machines_hold_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert who_holds(path) == Holder(process.pid, 0.0)
        process.kill()
    assert who_holds(path) is None
    path.write_text(json.dumps({"pid": os.getpid(), "host": "elsewhere", "since": 1.0}))
    assert who_holds(path) is None
    for noise in ("", "[]", '{"pid": "x"}', "\xff"):
        path.write_text(noise)
        assert who_holds(path) is None
