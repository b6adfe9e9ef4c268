"""The stand-in for SyftBox does what the real one was measured to do."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles.syftbox_daemon import RULES, Behaviour, SyftBoxDaemon

from syft_flwr_cli.transports.syftbox.rules import rules

ALICE, BOB, CAROL = "alice@a.example", "bob@b.example", "carol@c.example"
BOX = "app_data/flwr/box"

Start = Callable[..., SyftBoxDaemon]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    made: list[SyftBoxDaemon] = []

    def begin(**behaviour: Any) -> SyftBoxDaemon:
        places = {email: tmp_path / email for email in (ALICE, BOB, CAROL)}
        for place in places.values():
            place.mkdir(exist_ok=True)
        made.append(SyftBoxDaemon(places, Behaviour(**behaviour)))
        folder = box(tmp_path)
        folder.mkdir(parents=True)
        (folder / RULES).write_bytes(rules([BOB]))
        made[-1].full_scan()
        seen = made[-1].counts["seen"]
        while made[-1].counts["seen"] == seen:  # a folder that was just made is listened to a moment later
            (folder / "probe.tmp").write_bytes(b"x")
            time.sleep(0.005)
        return made[-1]

    yield begin
    for daemon in made:
        daemon.close()


def box(place: Path, of: str = ALICE) -> Path:
    return place / of / "datasites" / ALICE / BOX


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def write(place: Path, name: str, data: bytes) -> Path:
    """Rename a file in, whole, and then write to it, as our transport does."""
    file = box(place) / name
    file.with_name(f"{name}.tmp").write_bytes(data)
    file.with_name(f"{name}.tmp").rename(file)
    with file.open("r+b") as stream:
        stream.write(data[:1])
    return file


def test_what_is_written_to_is_pushed_to_its_readers_alone(tmp_path: Path, start: Start) -> None:
    start()
    write(tmp_path, "one.request", b"hello")
    until(lambda: (box(tmp_path, BOB) / "one.request").exists())
    assert not box(tmp_path, CAROL).exists()


@pytest.mark.parametrize("name", ["one.payload", "one.request.tmp", "one.log", "logs/one.request"])
def test_other_names_are_not_pushed_and_some_never_travel(tmp_path: Path, start: Start, name: str) -> None:
    daemon = start()
    (box(tmp_path) / name).parent.mkdir(exist_ok=True)
    (box(tmp_path) / name).write_bytes(b"hello")
    write(tmp_path, "after.request", b"hello")
    until(lambda: (box(tmp_path, BOB) / "after.request").exists())
    assert not (box(tmp_path, BOB) / name).exists()
    daemon.full_scan()
    assert (box(tmp_path, BOB) / name).exists() == (name == "one.payload")


def test_large_files_are_lost_between_two_limits_and_scanned_above(tmp_path: Path, start: Start) -> None:
    daemon = start()
    for size in (2_000_000, 3_200_000, 4_300_000):
        write(tmp_path, f"{size}.request", bytes(size))
    until(lambda: (box(tmp_path, BOB) / "2000000.request").exists() and daemon.counts["lost"])
    daemon.full_scan()
    there = {file.name for file in box(tmp_path, BOB).iterdir()} - {RULES}
    assert there == {"2000000.request", "4300000.request"}


def test_a_request_that_comes_before_its_rules_reaches_nobody_until_the_scan(
    tmp_path: Path, start: Start
) -> None:
    daemon = start()
    (box(tmp_path) / RULES).write_bytes(rules([BOB, CAROL]))
    write(tmp_path, "one.request", b"hello")
    until(lambda: (box(tmp_path, BOB) / "one.request").exists())
    assert not (box(tmp_path, CAROL) / "one.request").exists()
    daemon.full_scan()
    assert (box(tmp_path, CAROL) / "one.request").exists()


def test_a_dropped_push_arrives_with_the_next_scan(tmp_path: Path, start: Start) -> None:
    daemon = start(dropped=1.0)
    write(tmp_path, "one.request", b"hello")
    until(lambda: daemon.counts["dropped"])
    assert not (box(tmp_path, BOB) / "one.request").exists()
    daemon.full_scan()
    assert (box(tmp_path, BOB) / "one.request").exists()


def test_a_file_that_the_scan_finds_first_is_not_told_of(tmp_path: Path, start: Start) -> None:
    daemon = start(overtaken=1.0)
    write(tmp_path, "one.request", b"hello")
    for _ in range(1000):
        daemon.full_scan()
        if (box(tmp_path, BOB) / "one.request").exists():
            break
        time.sleep(0.01)
    assert daemon.counts["pushed"] == 0 and daemon.counts["uploaded"]


def test_a_false_conflict_sets_the_file_aside_and_the_next_scan_deletes_it(
    tmp_path: Path, start: Start
) -> None:
    daemon = start(conflicts=1.0)
    write(tmp_path, "one.request", b"hello")
    until(lambda: daemon.counts["conflicts"])
    until(lambda: (box(tmp_path) / "one.conflict.request").exists())
    assert (box(tmp_path, BOB) / "one.request").exists()
    daemon.full_scan()
    assert not (box(tmp_path, BOB) / "one.request").exists()
    assert not (box(tmp_path, BOB) / "one.conflict.request").exists()


def test_what_is_written_into_anothers_datasite_is_refused(tmp_path: Path, start: Start) -> None:
    daemon = start()
    box(tmp_path, CAROL).mkdir(parents=True)
    (box(tmp_path, CAROL) / "forged.request").write_bytes(b"forged")
    daemon.full_scan()
    assert [file.name for file in box(tmp_path, CAROL).iterdir()] == [
        "forged.request.rejected.20240101000000"
    ]
    assert not (box(tmp_path) / "forged.request").exists()
