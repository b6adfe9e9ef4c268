"""Files of one's own that are gone, or are not what was written, are found."""

import pytest

from syft_flwr_cli.delivery.own_files import OwnFiles, changed_files
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

ALICE = "alice@a.example"
MESSAGE, PAYLOAD = "a/m.request", "a/p.payload"


@pytest.fixture
def transport() -> MemoryTransport:
    made = MemoryTransport(MemoryStore(), ALICE)
    made.publish(MESSAGE, BytesContent(b"message"), [])
    made.publish(PAYLOAD, BytesContent(b"p" * 100), [])
    return made


@pytest.fixture
def files(transport: MemoryTransport) -> OwnFiles:
    return OwnFiles(transport, 0.0)


EXPECTED: dict[str, bytes | int] = {MESSAGE: b"message", PAYLOAD: 100}


def test_what_lies_as_it_was_written_is_left_alone(files: OwnFiles) -> None:
    assert files.astray(EXPECTED) == [] == files.astray(EXPECTED)


def test_what_is_gone_is_found(files: OwnFiles, transport: MemoryTransport) -> None:
    transport.remove(PAYLOAD)
    assert files.astray(EXPECTED) == [PAYLOAD]


@pytest.mark.parametrize("content", [b"massage", b"mess", b"message and more"])
def test_what_was_changed_before_it_was_ever_looked_at_is_found(
    files: OwnFiles, transport: MemoryTransport, content: bytes
) -> None:
    transport.publish(MESSAGE, BytesContent(content), [])
    assert files.astray(EXPECTED) == [MESSAGE]


def test_what_we_write_ourselves_is_no_change(files: OwnFiles, transport: MemoryTransport) -> None:
    assert files.astray(EXPECTED) == []
    transport.publish(MESSAGE, BytesContent(b"message"), [])
    files.written([MESSAGE])
    assert files.astray(EXPECTED) == []


def test_a_change_of_time_or_size_is_a_change() -> None:
    found = {"a": (3, 1.0), "b": (4, 1.0), "c": (3, 2.0)}
    assert changed_files({"a": 3, "b": 3, "c": 3, "d": 3}, found, {"a": 1.0, "c": 1.0}) == ["b", "c", "d"]
