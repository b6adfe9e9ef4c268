"""The store in memory is as bad as it is asked to be: what is tested against it was really put to the test."""

import pytest

from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.testing.memory_transport import MemoryFaults, MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent, TransientError

ALICE, BOB = "alice@a.example", "bob@b.example"
HELLO = BytesContent(b"hello")
HOURS = 36_000.0


def two(faults: MemoryFaults) -> tuple[MemoryTransport, MemoryTransport]:
    store = MemoryStore(faults)
    return MemoryTransport(store, ALICE, HOURS), MemoryTransport(store, BOB, HOURS)


def test_a_late_file_is_there_for_its_owner_and_not_yet_for_the_others() -> None:
    alice, bob = two(MemoryFaults(lag=HOURS))
    alice.publish("box/one", HELLO, [BOB])
    assert alice.open(ALICE, "box/one").read() == b"hello"
    with pytest.raises(NotThereError):
        bob.open(ALICE, "box/one")
    assert bob.watch(ALICE, "box").new() == []


def test_files_that_are_late_overtake_each_other() -> None:
    now = 0.0
    store = MemoryStore(MemoryFaults(lag=10.0), clock=lambda: now)
    alice, bob = MemoryTransport(store, ALICE, HOURS), MemoryTransport(store, BOB, HOURS)
    for number in range(20):
        alice.publish(f"box/{number}", HELLO, [BOB])
    watch = bob.watch(ALICE, "box")
    heard: list[int] = []
    while len(heard) < 20:
        now += 0.1
        heard += [int(entry.name) for entry in watch.new()]
    assert now <= 10.1
    assert heard != sorted(heard)


def test_listings_repeat_themselves() -> None:
    alice, bob = two(MemoryFaults(repeats=1.0))
    alice.publish("box/one", HELLO, [BOB])
    watch = bob.watch(ALICE, "box")
    assert [entry.name for entry in watch.new()] == ["one"]
    assert [entry.name for entry in watch.new()] == ["one"]


def test_nobody_is_woken_when_events_are_lost() -> None:
    alice, bob = two(MemoryFaults(lost_events=True))
    token = bob.token()
    alice.publish("box/one", HELLO, [BOB])
    assert bob.token() == token


def test_everybody_is_woken_otherwise() -> None:
    alice, bob = two(MemoryFaults())
    token = bob.token()
    alice.publish("box/one", HELLO, [BOB])
    assert bob.wait(token, HOURS) > token


def test_calls_fail_before_and_after_the_deed() -> None:
    outcomes = set()
    for seed in range(40):
        alice, _ = two(MemoryFaults(seed=seed, errors=0.5))
        try:
            alice.publish("box/one", HELLO, [BOB])
            failed = False
        except TransientError:
            failed = True
        for _ in range(100):
            try:
                outcomes.add((failed, len(alice.list_own())))
                break
            except TransientError:
                continue
    assert outcomes == {(False, 1), (True, 0), (True, 1)}
