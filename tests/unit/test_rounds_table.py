"""The rounds of a run as people see them."""

from typing import Any

import pytest

from syft_flwr_cli.aggregator.round_log import aggregate
from syft_flwr_cli.ui.rounds import print_rounds


def rounds(**more: int) -> list[dict[str, Any]]:
    train = {"asked": 2, "answered": 2, "seconds": 1.5, "bytes_written": 5000, "metrics": {"aggregated": {}}}
    return [{"round": 1, "phases": {"train": {**train, **more}}}]


def test_calls_are_shown_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    print_rounds(rounds(api_calls=27, quota_units=3033))
    said = capsys.readouterr().err
    assert "calls" in said and "27" in said and "3033" in said


def test_calls_are_not_mentioned_where_there_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    print_rounds(rounds())
    said = capsys.readouterr().err
    assert "5.0 kB" in said and "calls" not in said and "units" not in said


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), float("nan"), 1e308, -5, "many", None, 10**400])
def test_numbers_that_are_none_count_for_nothing_and_end_nothing(odd: object) -> None:
    means = aggregate({"a@a": {"num-examples": 2, "loss": 1.0}, "b@b": {"num-examples": odd, "loss": odd}})
    assert means["loss"] in (1.0, (1.0 - 5) / 2)
    assert aggregate({"a@a": {"num-examples": 1e300}, "b@b": {"num-examples": 1e300}}) is not None


def test_ten_thousand_metrics_under_names_of_any_length_leave_the_table_readable(
    capsys: pytest.CaptureFixture[str],
) -> None:
    metrics: dict[str, object] = {"\x1b[2J<b>" + "n" * (1 << 20): float("nan")}
    metrics |= {f"m{number}": number for number in range(10_000)}
    phase = {
        "asked": 1,
        "answered": 1,
        "seconds": 1.0,
        "bytes_written": 1,
        "metrics": {"aggregated": metrics},
    }
    print_rounds([{"round": 1, "phases": {"train": phase}}])
    said = capsys.readouterr().err
    assert "\x1b" not in said and len(said) < 1000
    assert "9995 more" in " ".join(said.split())
