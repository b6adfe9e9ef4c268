"""Keys of an object store: reversible, and no path can name a marker or a part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.transports.object_store.keys import (
    decode,
    encode,
    marker_key,
    object_key,
    parse_marker,
)

COMPONENTS = st.from_regex(r"[A-Za-z0-9@!#$%&'+=^_{}~-][A-Za-z0-9@!#$%&'+=^_{}~-]{0,20}", fullmatch=True)
UPLOAD = "0123456789abcdef" * 2


@given(st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join))
def test_a_path_comes_back_from_its_key_and_is_never_taken_for_a_marker(path: str) -> None:
    key = object_key("a#b@x.example", path)
    assert decode(key) == f"a#b@x.example/{path}"
    assert parse_marker(key) is None


@given(st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join), st.integers(1, 1 << 44))
def test_a_marker_says_what_it_was_made_of(path: str, size: int) -> None:
    marker = parse_marker(marker_key(encode(path), size, 65536, UPLOAD))
    assert marker is not None
    assert (marker.name, marker.size, marker.part, marker.upload) == (path, size, 65536, UPLOAD)
    assert (marker.parts - 1) * marker.part < size <= marker.parts * marker.part


@pytest.mark.parametrize(
    "tail",
    [",,0,65536,", ",,-1,65536,", ",,99999999999999999,65536,", ",,10,1,", ",,10,65536,../", ",,x,65536,"],
)
def test_a_marker_with_absurd_numbers_is_none(tail: str) -> None:
    assert parse_marker(f"folder/name{tail}{UPLOAD}") is None


def test_a_path_that_looks_like_a_part_is_refused() -> None:
    with pytest.raises(UsageError):
        object_key("a@x.example", ".parts/x")
