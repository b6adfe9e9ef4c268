"""Replies that would break an honest strategy are their sender's errors."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from syft_flwr_cli.flower.reply_check import fault_in

MODEL = np.arange(6, dtype=np.float32).reshape(2, 3)


ASKED = {"arrays/0": "float32[2x3] 0123456789ab"}


def fault(**records: Any) -> str | None:
    return fault_in(RecordDict(records), {}, ASKED)


def npy(array: Any) -> bytes:
    out = BytesIO()
    np.save(out, array)
    return out.getvalue()


def arrays(dtype: str, shape: tuple[int, ...], data: bytes, stype: str = "numpy.ndarray") -> ArrayRecord:
    record = ArrayRecord()
    record["0"] = Array(dtype, shape, stype, data)
    return record


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1, 1e300, [3, 4]])
@pytest.mark.parametrize("key", ["num-examples", "num_examples"])
def test_what_is_no_number_of_examples_is_a_fault(value: Any, key: str) -> None:
    assert "no number of examples" in str(fault(metrics=MetricRecord({key: value})))


def test_an_honest_reply_has_none() -> None:
    metrics = MetricRecord({"num-examples": 12, "loss": float("nan"), "all": [1.0, float("inf")]})
    assert fault(arrays=ArrayRecord([MODEL + 1]), metrics=metrics, config=ConfigRecord({"x": b"y"})) is None


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (ArrayRecord([MODEL.reshape(3, 2)]), "has the shape"),
        (arrays("float32", (2, 3), b"no array"), "not well-formed"),
        (arrays("float32", (2, 3), b""), "not well-formed"),
        (arrays("float32", (2, 3), npy(MODEL)[:-1]), "not the bytes"),
        (arrays("float32", (2, 3), npy(MODEL) + b"x"), "not the bytes"),
        (arrays("float32", (20, 30), npy(MODEL)), "announced as something else"),
        (arrays("float64", (2, 3), npy(MODEL)), "announced as something else"),
        (arrays("float32", (2, 3), npy(MODEL), "pickle"), "nobody can read"),
        (arrays("object", (1,), npy(np.array([1]))), "announced as something else"),
    ],
)
def test_an_array_that_cannot_be_summed_is_a_fault(record: ArrayRecord, words: str) -> None:
    assert words in str(fault(arrays=record))


def test_bytes_in_arrays_may_change_their_length() -> None:
    """As trees of gradient boosting do, which travel as arrays of bytes."""
    reply = RecordDict({"arrays": ArrayRecord([np.zeros(9, np.uint8)])})
    assert fault_in(reply, {}, {"arrays/0": "uint8[4] 0123456789ab"}) is None


def test_the_legacy_api_names_no_types() -> None:
    assert fault(**{"fitres.parameters": arrays("", (), npy(MODEL))}) is None
    assert fault(**{"fitres.parameters": arrays("", (), b"a tree", "")}) is None
    assert "well-formed" in str(fault(**{"fitres.parameters": arrays("", (), b"no array")}))


def test_only_the_beginning_of_what_is_elsewhere_is_asked_for() -> None:
    data, asked_for = npy(MODEL), []

    def head() -> tuple[bytes, int]:
        asked_for.append(1)
        return data[:128], len(data)

    record = arrays("float32", (2, 3), b"")
    assert fault_in(RecordDict({"arrays": record}), {("arrays", "0"): head}, ASKED) is None
    assert asked_for == [1]


@pytest.mark.parametrize(
    "array",
    [
        np.float32(1.5),
        np.zeros(0, bool),
        np.zeros((2, 0, 3), ">i2"),
        np.asfortranarray(np.zeros((3, 4, 5))),
        np.zeros(3, "u1"),
        np.zeros(3, "c8"),
        np.zeros(2, [("a", "i4")]),
        np.zeros(3, "U5"),
    ],
)
def test_arrays_of_any_type_that_numpy_writes_are_well_formed(array: Any) -> None:
    array = np.asarray(array)
    whole, longer = (
        RecordDict({"arrays": arrays(str(array.dtype), array.shape, npy(array) + more)})
        for more in (b"", b"x")
    )
    assert fault_in(whole, {}, {}) is None
    assert "not the bytes" in str(fault_in(longer, {}, {}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"(2, 3)", b"(2,03)"),
        (b"(2, 3)", b"(02,3)"),
        (b"(2, 3)", b"(2 ,3("),
        (b"<f4", b"<f3"),
        (b"<f4", b"<b8"),
    ],
)
def test_a_header_that_numpy_would_not_read_is_not_well_formed(before: bytes, after: bytes) -> None:
    data = npy(MODEL)
    assert before in data and len(before) == len(after)
    assert "not well-formed" in str(
        fault(arrays=arrays("", (), data.replace(before, after), "numpy.ndarray"))
    )
