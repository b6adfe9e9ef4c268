"""What is tried again and for how long; and a store that fails on purpose."""

import threading
from io import BytesIO
from pathlib import Path

import pytest

from syft_flwr_cli.errors import NotThereError, TransportError, UsageError
from syft_flwr_cli.testing.faulty import Faulty
from syft_flwr_cli.testing.memory_transport import MemoryFaults, MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent, TransientError, Transport
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.metered import Metered, Traffic
from syft_flwr_cli.transports.retry import Retrying

ALICE, BOB = "alice@a.example", "bob@b.example"
HELLO = BytesContent(b"hello")


class Stubborn(MemoryTransport):
    """Fails so many times with one error, then works."""

    def __init__(self, error: Exception, times: int) -> None:
        super().__init__(MemoryStore(), ALICE)
        self.error, self.times, self.calls = error, times, 0
        self.called = threading.Event()

    def remove(self, path: str) -> None:
        self.calls += 1
        self.called.set()
        if self.calls <= self.times:
            raise self.error

    def list_own(self, folder: str = "") -> list:
        self.remove(folder)
        return []

    def open(self, owner: str, path: str) -> BytesIO:
        self.remove(path)
        return BytesIO(b"hello")


@pytest.mark.parametrize("error", [TransientError("busy"), TransportError("the disk is full")])
def test_a_store_that_fails_is_tried_again_with_random_growing_pauses(error: TransportError) -> None:
    pauses: list[float] = []
    failures: list[TransportError] = []
    inner = Stubborn(error, times=7)
    Retrying(inner, first=0.5, longest=2.0, sleep=pauses.append, on_failure=failures.append).remove("x")
    assert inner.calls == 8
    assert failures == [error] * 7
    bounds = [0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert all(0 <= pause <= bound for pause, bound in zip(pauses, bounds, strict=True))
    assert len(set(pauses)) == 7, "many who were refused at once do not come back at once"


@pytest.mark.parametrize(
    "error", [NotThereError("not there"), UsageError("no such name"), ValueError("empty")]
)
def test_what_is_no_failure_of_the_store_is_not(error: Exception) -> None:
    inner = Stubborn(error, times=1)
    with pytest.raises(type(error)) as raised:
        Retrying(inner).remove("x")
    assert raised.value is error
    assert inner.calls == 1


def test_when_the_time_is_over_the_last_error_is_raised_as_it_was() -> None:
    error = TransientError("busy", hint="wait")
    with pytest.raises(TransientError) as raised:
        Retrying(Stubborn(error, times=100_000), 0.01, first=0.001, longest=0.002).remove("x")
    assert raised.value is error


def test_who_only_looks_looks_again_by_itself_unless_told_otherwise() -> None:
    inner = Stubborn(TransientError("busy"), times=1)
    with pytest.raises(TransientError):
        Retrying(inner).open(BOB, "x")
    inner.calls = 0
    assert Retrying(inner, read_timeout=30.0, sleep=lambda _: None).open(BOB, "x").read() == b"hello"


def test_ones_own_files_are_asked_for_until_they_are_told() -> None:
    inner = Stubborn(TransientError("busy"), times=3)
    assert Retrying(inner, sleep=lambda _: None).list_own("x") == []
    assert inner.calls == 4


def test_a_single_try_is_the_transport_inside() -> None:
    inner = Stubborn(TransientError("busy"), times=1)
    with pytest.raises(TransientError):
        Retrying(inner).once.remove("x")
    assert inner.calls == 1


def test_closing_ends_what_waits_for_another_try() -> None:
    inner = Stubborn(TransientError("busy"), times=1_000_000)
    transport = Retrying(inner, 3600.0, first=1800.0, longest=1800.0)
    ended = threading.Event()

    def remove() -> None:
        with pytest.raises(TransientError):
            transport.remove("x")
        ended.set()

    threading.Thread(target=remove, daemon=True).start()
    assert inner.called.wait(30)
    transport.close()
    assert ended.wait(30)


def test_a_retried_faulty_transport_works() -> None:
    store = MemoryStore()
    alice = Retrying(
        Faulty(MemoryTransport(store, ALICE), seed=1, refused=0.4, unanswered=0.4),
        read_timeout=30.0,
        sleep=lambda _: None,
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


def test_what_is_written_is_counted(tmp_path: Path) -> None:
    alice = Metered(FolderTransport(tmp_path / "shared", ALICE))
    for number in range(3):
        alice.publish(f"box/{number}", BytesContent(bytes(10 + number)), [BOB])
    before = alice.snapshot()
    assert before == Traffic(files_written=3, bytes_written=33)
    alice.publish("box/4", HELLO, [BOB])
    assert alice.snapshot() - before == Traffic(files_written=1, bytes_written=5)
    alice.close()


def test_failed_calls_are_not_counted_as_traffic() -> None:
    store = MemoryStore(MemoryFaults(errors=1.0))
    alice = Metered(MemoryTransport(store, ALICE))
    with pytest.raises(TransientError):
        alice.publish("box/one", HELLO, [BOB])
    assert alice.snapshot() == Traffic()
