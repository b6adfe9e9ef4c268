"""What leaves a data owner is described from its bytes, and bounded by the owner's rules."""

import json

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict

from syft_flwr_cli.audit.entry import check_fields
from syft_flwr_cli.consent.egress import EgressGuard, EgressRules, check, describe, rules_from_table
from syft_flwr_cli.consent.policy import parse_policy
from syft_flwr_cli.delivery.task import Task, TaskResult
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.flower import codec, runtime
from syft_flwr_cli.protocol.body import Body

TASK = Task("m1", "7", Body(type="train"), [], None, None, 0)


def result_of(content: RecordDict) -> TaskResult:
    runtime.become(7, 1)
    packed = codec.pack_message(Message(content=content, message_type="train", dst_node_id=1))
    return TaskResult(packed.skeleton, packed.places, packed.blobs)


def reply(**metrics: float) -> TaskResult:
    model = ArrayRecord({"weights": Array(np.arange(5000.0)), "bias": Array(np.zeros(3, dtype=np.float32))})
    values = MetricRecord({"num-examples": 40, "train-loss": 0.25, "curve": [0.5, 0.25], **metrics})
    config = ConfigRecord({"note": "a text", "flag": True, "ids": [1, 2]})
    return result_of(RecordDict({"arrays": model, "metrics": values, "config": config}))


def test_a_reply_is_described_as_it_is() -> None:
    record, found = describe(reply())
    document = json.loads(json.dumps(record.document()))
    assert document["records"] == ["arrays", "metrics", "config"]
    weights, bias = document["arrays"]
    assert (weights["name"], weights["dtype"], weights["shape"]) == ("weights", "float64", [5000])
    assert weights["bytes"] > 40_000 and len(weights["digest"]) == 64
    assert (bias["name"], bias["shape"]) == ("bias", [3])
    assert {one["name"]: one["value"] for one in document["metrics"]} == {
        "num-examples": 40,
        "train-loss": 0.25,
        "curve": [0.5, 0.25],
    }
    assert {one["name"]: one["kind"] for one in document["values"]} == {
        "note": "str",
        "flag": "bool",
        "ids": "list of int",
    }
    assert document["bytes"] > 40_000
    assert len(found.metrics) == 3


def test_negative_and_large_numbers_are_read_as_flower_wrote_them() -> None:
    metrics = {"a": -5, "b": 1 << 62, "c": -0.5, "d": [-1, 3], "e": [1.5]}
    _, found = describe(result_of(RecordDict({"m": MetricRecord(metrics)})))
    assert {
        one.name: list(one.value) if isinstance(one.value, tuple) else one.value for one in found.metrics
    } == metrics


def test_a_byte_that_flower_does_not_know_is_no_reply() -> None:
    """A field that protobuf passes over would carry anything past every rule."""
    good = reply()
    for hidden in (b"\xba\x3e\x06secret", b"\x12\x08\xba\x3e\x05hello", b"\x10\x01", b"\xff"):
        bad = TaskResult(good.skeleton + hidden, good.places, good.blobs)
        with pytest.raises(ValueError):
            describe(bad)
        out = EgressGuard(lambda task, bad=bad: bad, lambda: None, lambda run: 0)(TASK)
        assert out.error is not None and "egress-form" in out.error[1]
        assert out.skeleton == b"" and not out.blobs


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        (EgressRules(metrics=("train-loss", "num-examples", "curve")), None),
        (EgressRules(metrics=("train-*", "num-examples")), "egress-metrics"),
        (EgressRules(records=("arrays", "metrics")), "egress-records"),
        (EgressRules(records=("*",)), None),
        (EgressRules(round_bytes=1000), "egress-round-bytes"),
        (EgressRules(run_bytes=50_000), "egress-run-bytes"),
        (EgressRules(min_examples=41), "egress-examples"),
        (EgressRules(min_examples=40), None),
    ],
)
def test_each_rule_is_applied(rules: EgressRules, code: str | None) -> None:
    record, found = describe(reply())
    refused = check(rules, found, record.bytes, before=20_000)
    assert (refused.code if refused else None) == code


def test_the_aggregator_reads_the_rule_and_none_of_the_apps_words() -> None:
    said: list[str] = []
    hidden = reply(**{"patient-4711-has-x": 1.0})
    rules = EgressRules(metrics=("train-loss", "num-examples", "curve"))
    out = EgressGuard(lambda task: hidden, lambda: rules, lambda run: 0, lambda m, s: said.append(s))(TASK)
    assert out.error is not None and out.withheld
    assert "egress-metrics" in out.error[1] and "4711" not in out.error[1]
    assert "patient-4711-has-x" in said[0]
    assert out.egress is not None and out.egress.document()["withheld"] == "egress-metrics"
    entry = out.egress.audit_entry()
    check_fields(entry)  # it can stand in an audit log, of which others get copies
    assert "4711" not in str(entry)


def test_an_array_of_no_examples_has_no_number_to_show() -> None:
    content = RecordDict({"m": MetricRecord({"mean-age": 41.0})})
    record, found = describe(result_of(content))
    refused = check(EgressRules(min_examples=10), found, record.bytes, 0)
    assert refused is not None and refused.code == "egress-examples"


def test_a_policy_with_egress_rules_is_read_and_a_mistake_switches_nothing_off() -> None:
    table = {
        "egress": {"metrics": ["train-loss"], "round_bytes": 200_000},
        "sandbox": True,
        "memory": 1 << 30,
    }
    policy = parse_policy(table, "here")
    assert policy.egress == rules_from_table(table["egress"])  # type: ignore[arg-type]
    assert policy.sandbox == ()
    assert any("200,000 bytes" in rule for rule in policy.rules())
    for wrong in ({"metric": []}, {"metrics": "train-loss"}, {"round_bytes": "200 kB"}, {"run_bytes": -1}):
        with pytest.raises(UsageError):
            parse_policy({"egress": wrong}, "here")
