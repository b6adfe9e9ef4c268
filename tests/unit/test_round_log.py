"""What the round log makes of the events of a run."""

from syft_flwr_cli import events
from syft_flwr_cli.aggregator.round_log import RoundLog

A, B = "a@x.example", "b@x.example"


def log_of(*happened: events.Event) -> RoundLog:
    log = RoundLog()
    for event in happened:
        log(event)
    return log


def asked(*peers: str) -> list[events.Event]:
    return [events.RequestPrepared(peer, "train", 1) for peer in peers]


def refusal(peer: str) -> events.Event:
    return events.ReplyDelivered(peer, "train", 1, {}, "other code is approved", partakes=False)


def test_that_everybody_refuses_is_told_apart_from_errors_of_the_app() -> None:
    assert log_of(*asked(A, B), refusal(A), refusal(B)).all_refused() == (A, "other code is approved")
    failed = events.ReplyDelivered(B, "train", 1, {}, "KeyError")
    assert log_of(*asked(A, B), refusal(A), failed).all_refused() is None
    good = events.ReplyDelivered(B, "train", 1, {"num-examples": 1})
    assert log_of(*asked(A, B), refusal(A), good).all_refused() is None
    assert log_of(*asked(A, B)).all_refused() is None


def test_what_the_owners_say_of_their_data_is_kept() -> None:
    log = log_of(
        *asked(A, B),
        events.ReplyDelivered(A, "train", 1, {}, data="private"),
        events.ReplyDelivered(B, "train", 1, {}, "it failed", data="mock"),
    )
    assert log.data() == {A: "private", B: "mock"}
