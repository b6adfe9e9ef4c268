"""Bodies of messages: what is written is read again, and nothing comes to more than was sent."""

import json
import struct
import uuid
from typing import Any

import pytest

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.body import Body, PayloadRef, Slot, Stop, decode_body, encode_body
from syft_flwr_cli.protocol.rejection import RefusedError

ID = str(uuid.UUID(int=4 << 76 | 8 << 60))


def ref(size: int = 8_000_000, number: int = 1) -> PayloadRef:
    return PayloadRef(str(uuid.uuid4()), "all", bytes(32), size, bytes([number]) * 32)


def meta(**changes: Any) -> dict[str, Any]:
    plain = {"type": "train", "group": "", "round": 1, "skeleton": 0, "slots": [], "payloads": [], "acks": []}
    return {**plain, "code": None, "error": None, "facts": {}, **changes}


def raw(text: bytes, rest: bytes = b"") -> bytes:
    return struct.pack(">I", len(text)) + text + rest


def refused(data: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        decode_body(data)
    assert caught.value.reason == "garbage"
    caught.value.what.encode()
    return caught.value.what


def test_what_is_written_is_read_again() -> None:
    body = Body(
        type="train",
        group="g",
        round=3,
        skeleton=b"bones",
        inline=b"abcdef",
        slots=(Slot(("r", "a"), 0, 0, 5), Slot(("r", "b"), -1, 0, 6), Slot(("c", "l", 2), 0, 5, 3)),
        payloads=(ref(8),),
        code="c",
        run_config={"lr": 0.1, "local-epochs": 2, "name": "x", "flag": True},
    )
    found = decode_body(encode_body(body))
    assert bytes(found.inline) == b"abcdef"
    assert (found.slots, found.payloads, found.run_config) == (body.slots, body.payloads, body.run_config)
    assert found.stop is None


def test_a_stop_signal_says_why() -> None:
    found = decode_body(encode_body(Body(type="system", group="final", stop=Stop("enough"))))
    assert found.stop == Stop("enough")
    assert not found.run_config


def test_what_travels_of_run_config_and_stop_signal_has_not_changed() -> None:
    data = encode_body(Body(type="system", group="final", run_config={"lr": 0.1}, stop=Stop("enough")))
    (length,) = struct.unpack_from(">I", data)
    facts = json.loads(data[4 : 4 + length])["facts"]
    assert facts == {"config.lr": 0.1, "action": "stop", "reason": "enough"}


@pytest.mark.parametrize("place", ["type", "group", "code", "error", "fact", "fact name", "record"])
def test_text_that_nothing_can_encode_is_no_text(place: str) -> None:
    bad = "\ud800"
    changes: dict[str, Any] = {
        "type": {"type": bad},
        "group": {"group": bad},
        "code": {"code": bad},
        "error": {"error": [2, f"oh {bad}"]},
        "fact": {"facts": {"reason": bad}},
        "fact name": {"facts": {f"config.{bad}": 1}},
        "record": {"slots": [[[bad, "k"], -1, 0, 1]]},
    }[place]
    refused(raw(json.dumps(meta(**changes)).encode(), b"x"))


def test_the_reason_that_an_app_gives_is_made_text() -> None:
    found = decode_body(encode_body(Body(type="train", error=(2, "bad \ud800 sign" + "x" * 100_000))))
    assert found.error is not None
    assert found.error[1].startswith("bad \\ud800 sign")
    assert len(found.error[1]) == 64 << 10


def test_a_message_type_that_cannot_be_sent_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="cannot be sent"):
        encode_body(Body(type="query.\ud800"))


@pytest.mark.parametrize(
    "slots",
    [
        [[["r", str(n)], 0, n, 4_000_000] for n in range(250)],
        [[["r", "a"], 0, 0, 10], [["r", "b"], 0, 9, 10]],
        [[["r", "a"], 0, 0, 10], [["r", "b"], 0, 0, 10]],
        [[["r", "a"], -1, 0, 2], [["r", "b"], -1, 1, 1]],
    ],
    ids=["many", "by one byte", "the same", "inline"],
)
def test_slots_that_overlap_are_refused(slots: list[Any]) -> None:
    item = ref()
    payloads = [[item.id, item.scope, item.key.hex(), item.size, item.digest.hex()]]
    text = json.dumps(meta(slots=slots, payloads=payloads)).encode()
    assert "overlap" in refused(raw(text, b"abc"))


def test_empty_slots_may_lie_anywhere() -> None:
    body = Body(type="t", inline=b"abc", slots=(Slot(("r", "a"), -1, 0, 3), Slot(("r", "b"), -1, 1, 0)))
    assert len(decode_body(encode_body(body)).slots) == 2


def test_two_slots_have_two_places() -> None:
    slots = [[["r", "a"], -1, 0, 1], [["r", "a"], -1, 1, 1]]
    assert "same place" in refused(raw(json.dumps(meta(slots=slots)).encode(), b"ab"))


def test_a_payload_is_named_once() -> None:
    item = ref()
    named = [item.id, item.scope, item.key.hex(), item.size, item.digest.hex()]
    assert "named twice" in refused(raw(json.dumps(meta(payloads=[named] * 3000)).encode()))


@pytest.mark.parametrize(
    "text",
    [
        b'{"type":"a","type":"b"}',
        b'{"type": NaN}',
        json.dumps(meta(error=[2])).encode(),
        json.dumps(meta(error=[2, "a", "b"])).encode(),
        json.dumps(meta(error=[True, "a"])).encode(),
        json.dumps(meta()).encode("utf-16"),
        json.dumps(meta(facts={"x": [1]})).encode(),
        b"[" * 100_000,
        b'{"round": ' + b"9" * 10_000 + b"}",
    ],
    ids=["twice", "NaN", "no reason", "three", "bool", "utf-16", "nested fact", "deep", "long number"],
)
def test_what_is_not_well_formed_is_refused(text: bytes) -> None:
    refused(raw(text))
