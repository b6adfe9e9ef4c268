"""A disk that is full or read-only, a folder that goes away, a clock that is wrong: waited out, or said."""

import os
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from doubles.sampling import sample

from fault.ending import assert_perfect
from fault.federation import OWNERS, SERVER, Federation, Process
from fault.projects import make_project
from fault.waiting import until
from syft_flwr_cli.errors import EXIT_TRANSPORT, SyftFlwrError
from syft_flwr_cli.storage.journal import Journal

Make = Callable[..., Federation]


@contextmanager
def no_room(process: Process, size: int) -> Iterator[None]:
    """From now on this process cannot make a file larger than ``size``, as if its disk were full."""
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, hard))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.parametrize("size", sample([60_000, 20_000], 20_000))
@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_a_full_disk_is_said_and_waited_for(federation: Make, who: str, size: int) -> None:
    run = federation(config={"pause": 0.1})
    run.start_all()
    until(lambda: len(run.calls(OWNERS[0])) >= 2, "the second call")
    process = run.lives[who][-1]
    with no_room(process, size):
        until(lambda: "Trying again" in process.said() or process.ended.is_set(), "a word about it")
        time.sleep(0.3)
    if process.ended.is_set():
        # A server may also give up with a remedy; the run stays open, and the same command goes on.
        assert who == SERVER and process.code not in (0, -9), process.said()
        assert "hint: " in process.said()
        run.start(who)
    run.finish()
    assert_perfect(run)


# -- with a file system of its own, where one may be mounted


@pytest.fixture
def small(place: Path) -> Iterator[Path]:
    """A file system of 1 MB; skipped where nothing may be mounted (`no_room` needs no such right)."""
    folder = place / "small"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]).returncode:
        pytest.skip("nothing may be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def in_small(run: Federation, small: Path) -> Federation:
    (run.place / "root").rmdir()
    (run.place / "root").symlink_to(small)
    return run


def test_a_shared_folder_that_fills_up_is_waited_for_until_there_is_room(
    federation: Make, small: Path
) -> None:
    run = in_small(federation(config={"pause": 0.1}), small)
    run.start_all()
    until(lambda: len(run.calls(OWNERS[0])) >= 2, "the second call")
    filler = small / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(1024))
        except OSError:
            pass
    until(lambda: any("disk is full" in lives[-1].said() for lives in run.lives.values()), "a word about it")
    filler.unlink()
    run.finish()
    assert_perfect(run)


def test_a_shared_folder_that_turns_read_only_is_waited_for(federation: Make, small: Path) -> None:
    run = in_small(federation(config={"pause": 0.1}), small)
    run.start_all()
    until(lambda: len(run.calls(OWNERS[0])) >= 2, "the second call")
    until(
        lambda: not subprocess.run(["mount", "-o", "remount,ro", small], capture_output=True).returncode,
        "a moment in which nobody writes",
    )
    until(lambda: any("is read-only" in lives[-1].said() for lives in run.lives.values()), "a word about it")
    subprocess.run(["mount", "-o", "remount,rw", small], check=True)
    run.finish()
    assert_perfect(run)


@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_a_shared_folder_that_is_read_only_from_the_start_is_an_error_with_a_remedy(
    federation: Make, small: Path, who: str
) -> None:
    run = in_small(federation(), small)
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    process = run.start(who)
    assert process.wait() == EXIT_TRANSPORT
    assert "read-only" in process.said() and "hint: " in process.said()


# -- the folder goes away


def test_a_shared_folder_that_goes_away_and_comes_back_is_waited_for(federation: Make) -> None:
    run = federation(config={"pause": 0.1})
    run.start_all()
    until(lambda: len(run.calls(OWNERS[0])) >= 2, "the second call")
    away = run.place / "away"
    run.root.rename(away)
    until(lambda: any("Trying again" in lives[-1].said() for lives in run.lives.values()), "a word about it")
    time.sleep(0.5)
    assert not run.root.exists(), "nobody makes a folder in its place"
    away.rename(run.root)
    run.finish()
    assert_perfect(run)


def test_nothing_is_written_below_a_mount_point_while_nothing_is_mounted(federation: Make) -> None:
    run = federation(config={"pause": 0.1})
    beneath = run.place / "beneath"
    beneath.mkdir()
    if os.geteuid() or subprocess.run(["mount", "--bind", beneath, run.root]).returncode:
        pytest.skip("nothing may be mounted here")
    try:
        run.start_all()
        until(lambda: len(run.calls(OWNERS[0])) >= 2, "the second call")
        subprocess.run(["umount", "-l", run.root], check=True)
        until(lambda: any("is gone" in lives[-1].said() for lives in run.lives.values()), "a word about it")
        time.sleep(0.5)
        assert not list(run.root.iterdir())
        subprocess.run(["mount", "--bind", beneath, run.root], check=True)
        run.finish()
        assert_perfect(run)
    finally:
        subprocess.run(["umount", "-l", run.root], check=False)


def test_a_request_that_somebody_removed_is_put_there_again(federation: Make) -> None:
    run = federation()
    run.start(SERVER)
    run.start(OWNERS[1])
    from syft_flwr_cli.protocol.names import rpc_folder

    folder = run.root / run.email(SERVER) / rpc_folder(run.email(SERVER), OWNERS[1], run.app)
    until(lambda: len(run.calls(OWNERS[1])) == 1, "its first call")
    for request in folder.glob("*.request"):
        request.unlink()
    run.lives[SERVER][-1].kill()
    run.lives[SERVER][-1].wait()
    run.start_all()
    run.start(SERVER)
    run.finish()
    assert_perfect(run)


# -- the clock


@pytest.mark.parametrize("hours", sample([-30, 30], -30))
@pytest.mark.parametrize("who", [SERVER, OWNERS[0]])
def test_a_clock_that_is_set_while_nobody_runs_changes_nothing(
    federation: Make, who: str, hours: int
) -> None:
    run = federation(options=("--timeout", "60h"))
    point = "journal.push.after-commit:3" if who == SERVER else "inbox.before-execute:3"
    run.start_all({who: point})
    run.lives[who][-1].wait()
    run.environment = {**run.environment, "FAULT_CLOCK": str(hours * 3600)}
    run.finish()
    assert_perfect(run)


def test_an_owner_whose_clock_is_ahead_says_so(federation: Make, place: Path) -> None:
    lives_four_seconds = {"num-server-rounds": 1, "time-to-live": 4.0}
    project = make_project(place, "handmade", OWNERS, lives_four_seconds)
    run = federation(project=project)
    run.start(OWNERS[1])
    run.environment = {"FAULT_CLOCK": "7200"}
    ahead = run.start(OWNERS[0])
    run.environment = {}
    run.start(SERVER)
    until(
        lambda: "which were over 7196 s ago by this machine's clock" in ahead.said().replace("\n", " "),
        "a word",
    )
    assert "compare this machine's clock" in ahead.said()
    run.lives[SERVER][-1].wait()
    run.kill_all()


# -- what cannot be mended


def test_a_damaged_journal_is_an_error_with_a_remedy_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"not a journal at all" * 1000)
    with pytest.raises(SyftFlwrError, match="cannot be read") as raised:
        Journal(path)
    assert "backup" in raised.value.hint
    assert path.read_bytes() == b"not a journal at all" * 1000
