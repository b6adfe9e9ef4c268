"""How much a peer may bring."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from syft_flwr_cli.delivery.budget import available_memory, free_disk, share_left

SIZES = st.integers(0, 1 << 50)


@given(SIZES, st.lists(SIZES, min_size=1, max_size=20))
def test_who_takes_its_part_leaves_every_other_its_own(free: int, held: list[int]) -> None:
    """Whatever one of them takes, what is left for the others is what they could have had before."""
    peers, everything = len(held), sum(held)
    taken = share_left(free, everything, held[0], peers)
    assert 0 <= taken <= free
    part = (free + everything) // (peers + 1)
    for other in held[1:]:
        after = share_left(free - taken, everything + taken, other, peers)
        assert after == max(0, min(free - taken, part - other))


def test_the_system_tells_what_there_is(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "not" / "there") > 0
    assert available_memory() > 0
