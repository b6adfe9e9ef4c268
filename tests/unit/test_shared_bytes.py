"""Memory that two processes see."""

import mmap
import os

import pytest

from syft_flwr_cli.delivery.shared_memory import SharedBytes


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 0), (mmap.PAGESIZE, 0), (0, 1), (5, 4000), (0, mmap.PAGESIZE), (100, 3996)]
)
def test_bringing_memory_in_changes_nothing_whatever_the_range(offset: int, size: int) -> None:
    with SharedBytes.create(mmap.PAGESIZE) as shared:
        shared.view[:3] = b"abc"
        shared.populate(offset, size)
        assert bytes(shared.view) == b"abc".ljust(mmap.PAGESIZE, b"\0")


def test_no_bytes_at_all_can_be_shared() -> None:
    with SharedBytes.create(0) as shared:
        shared.populate(0, 0)
        assert bytes(shared.view) == b""


def test_who_gets_the_descriptor_sees_what_was_written() -> None:
    with SharedBytes.create(10) as shared, SharedBytes(os.dup(shared.descriptor), 10) as other:
        shared.view[:] = b"0123456789"
        assert bytes(other.view) == b"0123456789"
