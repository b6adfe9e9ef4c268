"""Smaller updates: what is rounded, what is kept of it, and what a peer may write instead."""

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from syft_flwr_cli.consent.egress import describe
from syft_flwr_cli.delivery.task import TaskResult
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.flower.smaller_updates import BITS, RECORD, SmallerUpdates, fp16_mod, int8_mod

MODEL = np.linspace(-1, 1, 4000, dtype=np.float32).reshape(40, 100)


@pytest.fixture(autouse=True)
def identity() -> None:
    runtime.become(1, 1)


class Direct(Grid):
    """Answers every message at once with one app; notes what travelled."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
        self.sent: list[Any] = []
        self.came: list[Any] = []

    run = property(lambda self: None)

    def set_run(self, run: Any) -> None: ...
    def get_node_ids(self) -> list[int]:
        return [2]

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        return Message(*args, **kwargs)

    def push_messages(self, messages: Any) -> list[str]:
        raise NotImplementedError

    def pull_messages(self, message_ids: Any) -> list[Message]:
        raise NotImplementedError

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Message]:
        replies = []
        for number, message in enumerate(messages):
            message.metadata.__dict__["_message_id"] = f"m{number}"
            self.sent.append(message.content)
            travelled = codec.pack_message(message)
            loaders = [lambda blob=blob: bytes(blob) for blob in travelled.blobs]
            reply = self._app(
                codec.unpack_message(travelled.skeleton, travelled.places, loaders), self.context
            )
            if reply.has_content():
                self.came.append(reply.content)
            replies.append(reply)
        return replies


def trained(step: float) -> Any:
    def app(message: Any, context: Context) -> Message:
        assert message.content["arrays"]["w"].dtype == "float32"
        assert RECORD not in message.content
        new = message.content["arrays"]["w"].numpy() + step * np.sin(np.arange(4000)).reshape(40, 100)
        content = {"arrays": ArrayRecord({"w": Array(new.astype(np.float32)), "n": Array(np.arange(3))})}
        metrics = MetricRecord({"loss": 0.5, "num-examples": 7})
        return Message(RecordDict({**content, "metrics": metrics}), reply_to=message)

    return app


def with_mod(mod: Any, app: Any) -> Any:
    return lambda message, context: mod(message, context, app)


def send(grid: Grid, model: Any = MODEL) -> Any:
    content = RecordDict(
        {"arrays": ArrayRecord({"w": Array(model)}), "config": ConfigRecord({"server-round": 1})}
    )
    (reply,) = grid.send_and_receive([Message(content, 2, "train", group_id="1")])
    return reply


@pytest.mark.parametrize(("mod", "bits", "part"), [(fp16_mod, 16, 0.52), (int8_mod, 8, 0.27)])
def test_the_strategy_gets_the_update_in_full_precision_and_fewer_bytes_travel(
    mod: Any, bits: int, part: float
) -> None:
    direct = Direct(with_mod(mod, trained(0.1)))
    reply = send(SmallerUpdates(direct))
    wanted = MODEL + 0.1 * np.sin(np.arange(4000)).reshape(40, 100)
    got = reply.content["arrays"]["w"]
    assert got.dtype == "float32" and got.numpy().dtype == np.float32
    assert np.abs(got.numpy() - wanted).max() < 1e-3
    assert list(reply.content["arrays"]["n"].numpy()) == [0, 1, 2], "whole numbers travel as they are"
    assert dict(reply.content["metrics"]) == {"loss": 0.5, "num-examples": 7} and RECORD not in reply.content
    (came,) = direct.came
    assert came["metrics"][BITS] == bits
    assert len(came["arrays"]["w"].data) < part * MODEL.nbytes


def test_what_rounding_took_is_in_the_next_update() -> None:
    grid = SmallerUpdates(Direct(with_mod(int8_mod, trained(0.01))))
    model, exact = MODEL, MODEL
    for _ in range(30):
        model = send(grid, model).content["arrays"]["w"].numpy()
        exact = exact + 0.01 * np.sin(np.arange(4000)).reshape(40, 100)
    # Thirty roundings without feedback may add up; with it there is never more than one.
    assert np.abs(model - exact).max() < 0.01 / 127 + 1e-5


@pytest.mark.parametrize("half_down", [False, True])
@pytest.mark.parametrize("mod", [fp16_mod, int8_mod])
def test_a_model_of_double_precision_stays_one(mod: Any, half_down: bool) -> None:
    def app(message: Any, context: Context) -> Message:
        came = message.content["arrays"]["w"].numpy()
        assert came.dtype == np.float64
        return Message(RecordDict({"arrays": ArrayRecord({"w": Array(came + 1)})}), reply_to=message)

    grid = SmallerUpdates(Direct(with_mod(mod, app)), half_down=half_down)
    got = send(grid, MODEL.astype(np.float64)).content["arrays"]["w"]
    assert got.dtype == "float64" and got.numpy().dtype == np.float64
    assert np.abs(got.numpy() - MODEL - 1).max() < 2e-3


def test_models_can_be_sent_in_half_precision_too_and_the_servers_own_message_stays() -> None:
    direct = Direct(with_mod(int8_mod, trained(0.1)))
    content = RecordDict({"arrays": ArrayRecord({"w": Array(MODEL)})})
    message = Message(content, 2, "train", group_id="1")
    (reply,) = SmallerUpdates(direct, half_down=True).send_and_receive([message])
    assert direct.sent[0]["arrays"]["w"].dtype == "float16"
    assert message.content is content
    wanted = MODEL.astype(np.float16) + 0.1 * np.sin(np.arange(4000)).reshape(40, 100)
    assert np.abs(reply.content["arrays"]["w"].numpy() - wanted).max() < 1e-3


@pytest.mark.parametrize("mod", [fp16_mod, int8_mod])
def test_numbers_that_do_not_fit_travel_as_they_are(mod: Any) -> None:
    def app(message: Any, context: Context) -> Message:
        huge = np.full((40, 100), np.inf, np.float32)
        return Message(RecordDict({"arrays": ArrayRecord({"w": Array(huge)})}), reply_to=message)

    assert np.isinf(send(SmallerUpdates(Direct(with_mod(mod, app)))).content["arrays"]["w"].numpy()).all()


@pytest.mark.parametrize(
    ("stated", "array"),
    [
        ({"encoding": "8 bits with error feedback", "arrays/w": 0.1}, np.zeros((2, 2), np.int8)),
        ({"encoding": "8 bits with error feedback", "arrays/w": float("nan")}, np.zeros((40, 100), np.int8)),
        ({"encoding": "8 bits with error feedback", "arrays/w": 1e300}, np.zeros((40, 100), np.int8)),
        ({"encoding": "half precision", "arrays/w": "object"}, np.zeros((40, 100), np.float16)),
        ({"encoding": "half precision", "arrays/w": "float32"}, np.zeros((40, 100), np.float64)),
        ({"encoding": "something else"}, MODEL),
    ],
)
def test_what_cannot_be_decoded_is_an_error_of_its_sender_alone(stated: dict[str, Any], array: Any) -> None:
    def app(message: Any, context: Context) -> Message:
        content = {"arrays": ArrayRecord({"w": Array(array)}), RECORD: ConfigRecord(stated)}
        return Message(RecordDict(content), reply_to=message)

    reply = send(SmallerUpdates(Direct(app)))
    assert reply.has_error() and "cannot be decoded" in reply.error.reason
    assert reply.metadata.reply_to_message_id == "m0"


def test_the_record_of_what_leaves_says_how_it_was_made_smaller() -> None:
    direct = Direct(with_mod(int8_mod, trained(0.1)))
    send(SmallerUpdates(direct))
    packed = codec.pack_message(Message(direct.came[0], 2, "train"))
    egress, _ = describe(TaskResult(packed.skeleton, packed.places, packed.blobs, None, None))
    assert {"record": "arrays", "name": "w", "dtype": "int8"}.items() <= egress.arrays[0].items()
    assert RECORD in egress.records and any(value["name"] == "encoding" for value in egress.values)
    assert {"record": "metrics", "name": BITS, "value": 8} in egress.metrics
