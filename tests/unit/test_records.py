"""Records, offers and decisions are read strictly, and nothing foreign raises anything but a refusal."""

import json
from typing import Any

import pytest

from syft_flwr_cli.catalogue.payload import Payload
from syft_flwr_cli.catalogue.projects import (
    Offer,
    ProjectDecision,
    decision_document,
    offer_document,
    read_decision,
    read_offer,
)
from syft_flwr_cli.catalogue.records import (
    MAX_RECORD,
    Record,
    next_number,
    read_record,
    record_bytes,
    record_id,
)
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.rejection import RefusedError

OFFER = Offer(
    id="11111111-1111-4111-8111-111111111111",
    app_name="ds@lab.example_study_1",
    project="study",
    version="1.0.0",
    revision=2,
    digest="a" * 64,
    message="please",
    datasites=("do1@a.example",),
    tree=Payload("22222222-2222-4222-8222-222222222222", b"k" * 32, 10, b"d" * 32),
)
RECORD = Record("offer", OFFER.app_name, 5, 1.0, offer_document(OFFER))


def test_a_record_is_read_as_it_was_written() -> None:
    assert read_record(record_bytes(RECORD)) == RECORD
    assert read_offer(read_record(record_bytes(RECORD)).content) == OFFER


def test_a_decision_is_read_as_it_was_written() -> None:
    decision = ProjectDecision(OFFER.id, OFFER.app_name, OFFER.digest, "approve", until=7.0)
    assert read_decision(decision_document(decision)) == decision
    assert decision.holds(6.0)
    assert not decision.holds(7.0)


def test_a_withdrawn_offer_needs_no_tree() -> None:
    content = offer_document(OFFER) | {"tree": None, "withdrawn": True}
    assert read_offer(content).withdrawn
    with pytest.raises(RefusedError):
        read_offer(offer_document(OFFER) | {"tree": None})


def test_numbers_grow_even_after_the_clock_went_back() -> None:
    assert next_number(0, 2.0) == 2000
    assert next_number(2000, 1.0) == 2001


def test_the_id_tells_sender_recipient_kind_key_and_number_apart() -> None:
    other = Record("decision", RECORD.key, RECORD.number, 1.0, {})
    ids = {
        record_id("a@a.example", "b@b.example", RECORD),
        record_id("b@b.example", "a@a.example", RECORD),
        record_id("a@a.example", "b@b.example", other),
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "../x"),
        ("app_name", "a/b"),
        ("project", "x" * 201),
        ("project", "\ud800"),
        ("revision", -1),
        ("revision", True),
        ("digest", "A" * 64),
        ("digest", None),
        ("message", "x" * 4001),
        ("datasites", "do1@a.example"),
        ("datasites", ["../x"]),
        ("datasites", ["a@a.example"] * 5001),
        ("tree", {}),
        ("tree", {"id": OFFER.id, "key": "k", "size": 1, "digest": "d"}),
        ("tree", offer_document(OFFER)["tree"] | {"size": 3 << 30}),
        ("withdrawn", "no"),
    ],
)
def test_an_offer_with_an_odd_field_is_refused(name: str, value: Any) -> None:
    with pytest.raises(RefusedError):
        read_offer(offer_document(OFFER) | {name: value})


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"kind": "order"},
        {"key": 1},
        {"number": 1.5},
        {"time": "now"},
        {"content": []},
    ],
)
def test_a_record_with_an_odd_field_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(record_bytes(RECORD)) | change
    with pytest.raises(RefusedError):
        read_record(json.dumps(document).encode())


def test_a_record_that_is_too_long_is_neither_written_nor_read() -> None:
    with pytest.raises(UsageError, match="too long"):
        record_bytes(Record("offer", "k", 1, 1.0, {"x": "x" * MAX_RECORD}))
    with pytest.raises(RefusedError):
        read_record(b"{" + b" " * MAX_RECORD + b"}")
