"""What a round over Google Drive may cost, in calls, however fast or slow the machine is.

The looks for news depend on time and are only bounded where they are rare; everything else is exact. The
figures for rounds of a minute are measured by ``benchmarks/drive_calls.py``.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.drive_calls import AGGREGATOR, Round, idle, warm_rounds

OWNERS = 3
SIZE = 4.0


def kinds(calls: Sequence[object]) -> Counter[str]:
    return Counter(call.method for call in calls)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def rounds() -> list[Round]:
    return warm_rounds(OWNERS, SIZE, work=0.5, count=2, hear=lambda line: None, poll=0.5)


def test_the_server_writes_the_model_once_and_a_request_and_reads_a_response_for_each(
    rounds: list[Round],
) -> None:
    for one in rounds:
        server = kinds(one.of(True))
        assert server["files.create"] == OWNERS + 1
        assert server["files.get.media"] == OWNERS
        assert server["files.delete"] <= 1, "the model of the round before"
        assert set(server) <= {
            "files.create",
            "files.get.media",
            "files.delete",
            "changes.list",
            "files.list",
        }
        assert sum(call.received for call in one.of(True)) < 1.05 * SIZE * 1e6


def test_an_owner_reads_two_files_and_writes_one(rounds: list[Round]) -> None:
    for one in rounds:
        owners = kinds(one.of(False))
        assert owners["files.get.media"] == 2 * OWNERS
        assert owners["files.create"] == OWNERS
        assert set(owners) <= {
            "files.create",
            "files.get.media",
            "files.delete",
            "changes.list",
            "files.list",
        }


def test_hardly_anything_is_listed_where_the_feed_tells_of_it(rounds: list[Round]) -> None:
    for one in rounds:
        for who in {call.who for call in one.calls}:
            asked = kinds([call for call in one.calls if call.who == who])
            assert asked["files.list"] <= asked["changes.list"] / 8 + 1, who
        assert AGGREGATOR in {call.who for call in one.calls}


@pytest.mark.full
def test_an_idle_look_costs_the_same_for_ten_and_for_fifty_owners() -> None:
    ten, fifty = idle(10), idle(50)
    for one in (ten, fifty):
        assert one.calls <= one.looks + one.looks // 8 + 2
