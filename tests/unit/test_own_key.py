"""Another key of one's own that is published is not overwritten unawares."""

import hashlib
from pathlib import Path

import pytest

from syft_flwr_cli.errors import ForeignHomeError
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.session.own_key import check_published_key, note_published
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

ME, PEER = "do1@a.example", "ds@lab.example"


def identity(seed: int) -> Identity:
    return Identity.create(ME, 1.0, hashlib.shake_256(bytes([seed])).digest(SECRETS_SIZE))


@pytest.fixture
def transport() -> MemoryTransport:
    return MemoryTransport(MemoryStore(), ME)


def test_a_second_machine_is_told(transport: MemoryTransport, tmp_path: Path) -> None:
    first, second = identity(1), identity(2)
    check_published_key(transport, first.public, tmp_path, "store", every_time=True)
    transport.publish(IDENTITY_PATH, BytesContent(first.public.to_bytes()), [PEER])
    check_published_key(transport, first.public, tmp_path, "store", every_time=True)
    with pytest.raises(ForeignHomeError, match="Another key of yours") as told:
        check_published_key(transport, second.public, tmp_path, "store", every_time=True)
    assert first.public.words in told.value.what and "home export" in told.value.hint


def test_a_rotation_goes_out_and_a_home_from_before_it_is_told(
    transport: MemoryTransport, tmp_path: Path
) -> None:
    old = identity(1)
    new = old.rotate(2.0)
    transport.publish(IDENTITY_PATH, BytesContent(old.public.to_bytes()), [PEER])
    check_published_key(transport, new.public, tmp_path, "store", every_time=True)
    transport.publish(IDENTITY_PATH, BytesContent(new.public.to_bytes()), [PEER])
    with pytest.raises(ForeignHomeError, match="another machine has rotated it"):
        check_published_key(transport, old.public, tmp_path, "store", every_time=True)


def test_where_looking_costs_it_is_looked_once_for_each_key(
    transport: MemoryTransport, tmp_path: Path
) -> None:
    mine = identity(1)
    note_published(mine.public, tmp_path, "store")
    transport.publish(IDENTITY_PATH, BytesContent(identity(2).public.to_bytes()), [PEER])
    check_published_key(transport, mine.public, tmp_path, "store", every_time=False)
    with pytest.raises(ForeignHomeError):
        check_published_key(transport, mine.public, tmp_path, "another store", every_time=False)
