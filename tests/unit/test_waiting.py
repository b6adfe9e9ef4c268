"""How long a call waits, and when what came is too little: the rules by themselves."""

import pytest

from syft_flwr_cli.aggregator.waiting import NO_LIMIT, AnswerCount, lifetime, wait_limit
from syft_flwr_cli.errors import TooFewRepliesError, UsageError
from syft_flwr_cli.project.enough import Enough, parse_enough

TTL = 43200.0


@pytest.mark.parametrize(
    ("timeout", "ttl", "chosen", "default", "limit"),
    [
        (None, TTL, None, None, None),
        (3600, TTL, None, None, None),
        (3600.0, TTL, 60.0, 7.0, 60.0),
        (3600.0, TTL, None, 7.0, 7.0),
        (5.0, TTL, 60.0, 7.0, 5.0),
        (0.0, TTL, 60.0, None, 0.0),
        (-1.0, TTL, 60.0, None, 0.0),
        (86400.0, TTL, 60.0, None, 86400.0),
        (None, 90.0, 60.0, 7.0, None),
        (5.0, 90.0, 60.0, 7.0, 5.0),
    ],
)
def test_a_timeout_in_the_call_wins_and_flowers_own_defaults_count_as_none(
    timeout: float | None, ttl: float, chosen: float | None, default: float | None, limit: float | None
) -> None:
    assert wait_limit(timeout, {ttl}, default_ttl=TTL, chosen=chosen, default=default) == limit


def test_only_a_time_to_live_that_an_app_chose_ends_a_message() -> None:
    assert lifetime(TTL, 100.0, TTL) == NO_LIMIT
    assert lifetime(90.0, 30.0, TTL) == 60.0


@pytest.mark.parametrize(
    ("text", "asked", "needed"),
    [("2", 3, 2), (3, 2, 2), ("60%", 5, 3), ("60%", 4, 3), ("100%", 7, 7), ("1%", 9, 1)],
)
def test_enough_is_a_number_or_a_share_rounded_up(text: str | int, asked: int, needed: int) -> None:
    assert parse_enough(text).of(asked) == needed


@pytest.mark.parametrize("text", ["0", "-1", "0%", "101%", "half", "", "2.5", True])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no number of answers"):
        parse_enough(text)


def test_by_default_nothing_is_too_little() -> None:
    count = AnswerCount(None)
    count.begin((1, "train"))
    count.returned((1, "train"), ["a", "b"], [])
    count.finish()


def test_a_call_with_fewer_good_answers_than_are_enough_ends_the_run() -> None:
    count = AnswerCount(Enough(2))
    with pytest.raises(TooFewRepliesError, match=r"1 of 3 .* needs 2.* b, c"):
        count.returned((1, "train"), ["a", "b", "c"], ["a"])


def test_single_calls_of_a_phase_are_judged_together_when_the_next_begins() -> None:
    count = AnswerCount(Enough(share=0.5))
    for who, good in (("a", []), ("b", ["b"]), ("c", []), ("d", ["d"])):
        count.begin((1, "train"))
        count.returned((1, "train"), [who], good)
    count.begin((1, "evaluate"))
    for who in "abcd":
        count.returned((1, "evaluate"), [who], [])
    with pytest.raises(TooFewRepliesError, match="0 of 4"):
        count.finish()
