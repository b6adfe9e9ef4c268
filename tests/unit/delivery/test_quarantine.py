"""Floods of files are bounded: batches, what is awaited first, and no synced transaction for each."""

from pathlib import Path

import pytest
from doubles.channels import channel_of

from syft_flwr_cli.delivery.folder_reader import BATCH, FolderReader
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport

ALICE, BOB = "alice@a.example", "bob@b.example"
FOLDER = names.rpc_folder(BOB, ALICE, "study")


def mid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def reader(store: MemoryStore, tmp_path: Path) -> FolderReader:
    channel = channel_of(tmp_path, ALICE, MemoryTransport(store, ALICE))
    return FolderReader(channel.transport.once, BOB, FOLDER, ".request", channel.quarantine)


def drop(store: MemoryStore, number: int, data: bytes = b"noise") -> None:
    store.put(BOB, f"{FOLDER}/{mid(number)}.request", data, [ALICE])


def test_what_is_awaited_comes_before_a_flood(store: MemoryStore, reader: FolderReader) -> None:
    for number in range(500):
        drop(store, number)
    reader.note_new()
    batch = reader.batch([mid(250)])
    assert batch[0] == mid(250) and len(batch) == BATCH


def test_neither_a_flood_before_nor_one_behind_holds_a_message_up(
    store: MemoryStore, reader: FolderReader
) -> None:
    for number in range(500):
        drop(store, number)
    reader.note_new()
    batch = reader.batch()
    assert mid(0) in batch and mid(499) in batch and len(batch) == BATCH


def test_everything_has_its_turn(store: MemoryStore, reader: FolderReader) -> None:
    for number in range(100):
        drop(store, number)
    reader.note_new()
    seen: list[str] = []
    while batch := reader.batch():
        for one in batch:
            seen.append(one)
            refused = reader.take(one, lambda header: None, lambda data: True)
            assert refused is not None and refused.reason == "garbage"
    assert sorted(seen) == [mid(number) for number in range(100)]


def test_no_more_is_read_than_the_header_announces(store: MemoryStore, reader: FolderReader) -> None:
    drop(store, 1, b"x" * 10_000_000)
    reader.note_new()
    refused = reader.take(mid(1), lambda header: None, lambda data: pytest.fail("it was read"))
    assert refused is not None and refused.reason == "oversized"


def test_refusals_wait_for_no_disk(tmp_path: Path, store: MemoryStore) -> None:
    channel = channel_of(tmp_path, ALICE, MemoryTransport(store, ALICE))
    error = RefusedError("garbage", "It is noise.")
    for number in range(3000):
        channel.quarantine.refuse(BOB, f"{number}.request", b"%d" % number, error)
    channel.quarantine.flush()
    times = {one["path"]: one["times"] for one in channel.journal.refused()}
    assert len(times) == 1001 and times["(more)"] == 2000
    channel.close()
