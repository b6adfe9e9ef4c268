"""The round log of a long run: what came of old rounds is packed, and told as if it were not."""

import tracemalloc

from syft_flwr_cli.aggregator.round_log import RoundLog
from syft_flwr_cli.events import ReplyDelivered, ReplyLate, RequestPrepared

OWNERS = ("do1@a.example", "do2@b.example")


def play(log: RoundLog, rounds: range) -> None:
    for number in rounds:
        for kind in ("train", "evaluate"):
            for owner in OWNERS:
                log(RequestPrepared(owner, kind, number))
            for index, owner in enumerate(OWNERS):
                metrics = {"loss": number + 0.1 * index, "num-examples": 10 + index, "each": [0.5, 1.5]}
                log(ReplyDelivered(owner, kind, number, metrics, None, True, None))


def test_every_round_is_told_however_many_there_were() -> None:
    log = RoundLog(lambda: {"bytes_written": 7})
    play(log, range(1, 51))
    report = log.report()
    assert [entry["round"] for entry in report] == list(range(1, 51))
    for entry in report:
        for phase in entry["phases"].values():
            assert (phase["asked"], phase["answered"], phase["failed"]) == (2, 2, {})
            assert phase["metrics"]["datasites"][OWNERS[1]] == {
                "loss": entry["round"] + 0.1,
                "num-examples": 11,
                "each": [0.5, 1.5],
            }
    assert log.heard() and log.only_errors() is None


def test_what_comes_late_to_an_old_round_is_added_to_it() -> None:
    log = RoundLog()
    play(log, range(1, 20))
    log(ReplyLate(OWNERS[0], "train", 3))
    told = {entry["round"]: entry["phases"]["train"]["late"] for entry in log.report()}
    assert told[3] == [OWNERS[0]] and told[4] == []


def test_the_first_error_is_told_though_it_was_long_ago() -> None:
    log = RoundLog()
    for number in range(1, 30):
        log(RequestPrepared(OWNERS[0], "train", number))
        log(ReplyDelivered(OWNERS[0], "train", number, {}, f"error {number}", True, None))
    assert log.only_errors() == (OWNERS[0], "error 1")


def test_a_round_costs_hundreds_of_bytes_of_memory_and_not_thousands() -> None:
    log = RoundLog(lambda: {"bytes_written": 7})
    play(log, range(1, 100))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        play(log, range(100, 600))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 500 < 1500
