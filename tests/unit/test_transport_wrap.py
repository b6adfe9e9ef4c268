"""Decorators: what is tried again and what is not, what is counted, what fails on purpose."""

from pathlib import Path

import pytest

from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.testing.memory_transport import MemoryFaults, MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent, TransientError, Transport
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.metered import Faulty, Metered, Retrying, Traffic

ALICE, BOB = "alice@a.example", "bob@b.example"
HELLO = BytesContent(b"hello")


class Stubborn(MemoryTransport):
    """Fails so many times with one error, then works."""

    def __init__(self, error: TransportError, times: int) -> None:
        super().__init__(MemoryStore(), ALICE)
        self.error, self.times, self.calls = error, times, 0

    def remove(self, path: str) -> None:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error


def test_passing_failures_are_tried_again_with_pauses() -> None:
    pauses: list[float] = []
    inner = Stubborn(TransientError("busy"), times=4)
    Retrying(inner, first=0.5, longest=2.0, sleep=pauses.append).remove("x")
    assert inner.calls == 5
    assert len(pauses) == 4
    assert all(0 <= pause <= 2.0 for pause in pauses)


@pytest.mark.parametrize("error", [NotThereError("not there"), TransportError("the disk is full")])
def test_lasting_failures_are_not(error: TransportError) -> None:
    inner = Stubborn(error, times=1)
    with pytest.raises(TransportError) as raised:
        Retrying(inner).remove("x")
    assert raised.value is error
    assert inner.calls == 1


def test_when_patience_is_over_the_last_error_is_raised_as_it_was() -> None:
    error = TransientError("busy", hint="wait")
    with pytest.raises(TransientError) as raised:
        Retrying(Stubborn(error, times=1000), patience=0.01, first=0.001, longest=0.002).remove("x")
    assert raised.value is error


def test_a_retried_faulty_transport_works() -> None:
    store = MemoryStore()
    alice = Retrying(
        Faulty(MemoryTransport(store, ALICE), seed=1, refused=0.4, unanswered=0.4), sleep=lambda _: None
    )
    for number in range(50):
        alice.publish(f"box/{number}.request", HELLO, [BOB])
    assert len(alice.list_own()) == 50


def faults_of(transport: Transport) -> list[int]:
    failed = []
    for number in range(60):
        try:
            transport.publish(f"box/{number}", HELLO, [BOB])
        except TransientError:
            failed.append(number)
    return failed


def test_faults_are_the_same_for_the_same_seed() -> None:
    first = faults_of(Faulty(MemoryTransport(MemoryStore(), ALICE), seed=3))
    again = faults_of(Faulty(MemoryTransport(MemoryStore(), ALICE), seed=3))
    other = faults_of(Faulty(MemoryTransport(MemoryStore(), ALICE), seed=4))
    assert first == again
    assert first != other


def test_a_fault_may_come_after_the_deed() -> None:
    store = MemoryStore()
    alice = Faulty(MemoryTransport(store, ALICE), seed=0, refused=0.0, unanswered=1.0)
    with pytest.raises(TransientError):
        alice.publish("box/one", HELLO, [BOB])
    assert [path for path, _ in MemoryTransport(store, ALICE).list_own()] == ["box/one"]


def test_traffic_is_counted(tmp_path: Path) -> None:
    alice = Metered(FolderTransport(tmp_path / "shared", ALICE))
    bob = Metered(FolderTransport(tmp_path / "shared", BOB))
    for number in range(3):
        alice.publish(f"box/{number}", BytesContent(bytes(10 + number)), [BOB])
    alice.remove("box/0")
    watch = bob.watch(ALICE, "box")
    watch.new()
    with bob.open(ALICE, "box/1") as stream:
        assert stream.read(4) == bytes(4)
        half = bytearray(3)
        assert stream.readinto(half) == 3
    bob.fetch(ALICE, "box/2", tmp_path / "copy")
    bob.wait(bob.token(), 0.0)
    assert alice.snapshot() == Traffic(files_written=3, bytes_written=33, files_removed=1)
    assert bob.snapshot() == Traffic(
        files_read=2, bytes_read=4 + 3 + 12, opens=1, fetches=1, listings=1, waits=1
    )
    alice.close()
    bob.close()


def test_what_went_through_since_an_earlier_moment_is_a_difference() -> None:
    alice = Metered(MemoryTransport(MemoryStore(), ALICE))
    alice.publish("box/one", HELLO, [BOB])
    before = alice.snapshot()
    alice.publish("box/two", HELLO, [BOB])
    assert alice.snapshot() - before == Traffic(files_written=1, bytes_written=5)


def test_failed_calls_are_not_counted_as_traffic() -> None:
    store = MemoryStore(MemoryFaults(errors=1.0))
    alice = Metered(MemoryTransport(store, ALICE))
    with pytest.raises(TransientError):
        alice.publish("box/one", HELLO, [BOB])
    assert alice.snapshot() == Traffic()


def test_a_counted_stream_reads_lines_and_seeks(tmp_path: Path) -> None:
    alice = Metered(FolderTransport(tmp_path / "shared", ALICE))
    alice.publish("box/one", BytesContent(b"header\nbody"), [BOB])
    with alice.open(ALICE, "box/one") as stream:
        assert stream.readline() == b"header\n"
        assert stream.tell() == 7
        assert stream.read() == b"body"
        stream.seek(0)
        assert stream.read(1) == b"h"
        assert stream.fileno() > 0
    assert stream.closed
    assert alice.snapshot().bytes_read == 12
    alice.close()
