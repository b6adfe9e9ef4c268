"""A data owner's policy refuses in one sentence, and a mistake in it is never a missing rule."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.consent.policy import Policy, Request, check_request, parse_policy, read_policy
from syft_flwr_cli.consent.run_config import approved_config, differences, refuse_config
from syft_flwr_cli.errors import TrustError, UsageError

HEAD = "[tool.syft_flwr.policy]\n"


def test_without_a_file_everything_is_allowed(tmp_path: Path) -> None:
    policy = read_policy(tmp_path, tmp_path / "participant")
    assert policy == Policy() and policy.rules() == []
    assert check_request(policy, Request("query.anything", 10**6)) is None


def test_every_rule_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(
        HEAD
        + 'message_types = ["train", "query.*"]\nmax_rounds = 3\nmin_participants = 2\n'
        + 'required_mods = ["my.mods:clip"]\n'
    )
    policy = read_policy(tmp_path, tmp_path / "participant")
    assert policy == Policy(("train", "query.*"), 3, 2, ("my.mods:clip",))
    assert len(policy.rules()) == 4


def test_the_participants_own_file_comes_first_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(HEAD + "max_rounds = 3\nmin_participants = 4\n")
    (tmp_path / "policy.toml").write_text(HEAD + "max_rounds = 5\n")
    assert read_policy(tmp_path, tmp_path) == Policy(max_rounds=5, min_participants=4)


def test_a_settings_file_without_a_policy_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('[default]\nroot = "/shared"\n')
    assert read_policy(tmp_path, tmp_path / "participant") == Policy()


@pytest.mark.parametrize(
    "table",
    [
        {"max_round": 3},
        {"max_rounds": "3"},
        {"max_rounds": True},
        {"max_rounds": -1},
        {"min_participants": 0},
        {"message_types": "train"},
        {"message_types": ["train", 1]},
        {"message_types": ["*"]},
        {"message_types": ["train "]},
        {"required_mods": ["mods"]},
        {"required_mods": ["../mods:clip"]},
        {"max_runs": -1},
        {"error_texts": "yes"},
        {"run_config": ["rounds"]},
        {"run_config": {"rounds": False}},
        {"run_config": {"rounds": {"maximum": 3}}},
        {"run_config": {"rounds": {}}},
        {"run_config": {"rounds": {"max": "3"}}},
    ],
)
def test_a_mistake_is_named_with_its_place(table: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(table, "/home/policy.toml")
    assert next(iter(table)) in caught.value.what and "/home/policy.toml" in caught.value.what


@pytest.mark.parametrize(
    "text", ["max_rounds = 3\n", "", "[tool.syft_flwr]\npolicy = 3\n", "not toml", "tool = 1\n"]
)
def test_a_policy_file_without_a_policy_is_a_mistake(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(UsageError, match=r"policy\.toml"):
        read_policy(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("allowed", "asked", "refused"),
    [
        (("train",), "train", False),
        (("train",), "train.default", False),
        (("train",), "train.other", True),
        (("train",), "evaluate", True),
        (("train",), "trainer", True),
        (("train.*",), "train", False),
        (("train.default",), "train", False),
        (("train.default",), "train.default", False),
        (("train.*",), "train.other", False),
        (("query.mean",), "query.mean", False),
        (("query.mean",), "query.raw", True),
        (("query.mean",), "query", True),
        ((), "train", True),
    ],
)
def test_only_the_named_message_types_are_allowed(
    allowed: tuple[str, ...], asked: str, refused: bool
) -> None:
    sentence = check_request(Policy(message_types=allowed), Request(asked))
    assert (sentence is not None) == refused
    assert sentence is None or (asked in sentence and sentence.endswith("."))


def test_the_last_allowed_round_is_allowed_and_the_next_is_not() -> None:
    policy = Policy(max_rounds=3)
    assert check_request(policy, Request("train", 3)) is None
    assert "this is number 4" in str(check_request(policy, Request("train", 4)))


@pytest.mark.parametrize(
    ("named", "stated", "words"),
    [
        (3, 3, None),
        (5, 4, None),
        (2, 3, "this project names 2"),
        (3, 2, "this request says that there are 2"),
        (3, None, "does not say how many there are"),
    ],
)
def test_a_run_with_too_few_data_owners_is_refused(named: int, stated: int | None, words: str | None) -> None:
    request = Request("train", participants=named, stated=stated)
    refusal = check_request(Policy(min_participants=3), request)
    assert refusal is None if words is None else words in str(refusal)
    assert check_request(Policy(), replace(request, stated=None)) is None


def test_the_last_allowed_run_is_allowed_and_the_next_is_not() -> None:
    policy = Policy(max_runs=2)
    assert check_request(policy, Request("train", run_number=2)) is None
    assert "this is number 3" in str(check_request(policy, Request("train", run_number=3)))


APPROVED = {"rounds": 3, "lr": 0.5, "mode": "exact", "deep": False}


@pytest.mark.parametrize(
    ("rules", "asked", "refused"),
    [
        ({}, {"rounds": 3, "lr": 0.5, "mode": "exact", "deep": False}, False),
        ({}, {"rounds": 3.0}, False),
        ({}, {"rounds": 4}, True),
        ({}, {"deep": 0}, True),
        ({}, {"rounds": True}, True),
        ({}, {"rounds": "3"}, True),
        ({}, {"another": 1}, True),
        ({"rounds": {"max": 10}}, {"rounds": 10}, False),
        ({"rounds": {"max": 10}}, {"rounds": 11}, True),
        ({"rounds": {"max": 10}}, {"lr": 0.1}, True),
        ({"rounds": {"min": 1, "max": 10}}, {"rounds": 0}, True),
        ({"lr": {"max": 1.0}}, {"lr": float("nan")}, True),
        ({"lr": {"max": 1.0}}, {"lr": "0.1"}, True),
        ({"lr": {"max": 1.0}}, {"lr": True}, True),
        ({"mode": ["fast", "exact"]}, {"mode": "fast"}, False),
        ({"mode": ["fast", "exact"]}, {"mode": "slow"}, True),
        ({"mode": True}, {"mode": "slow"}, False),
        ({"*": True}, {"mode": "slow", "another": 1}, False),
    ],
)
def test_a_run_config_is_the_approved_one_or_what_the_policy_allows(
    rules: dict[str, Any], asked: dict[str, Any], refused: bool
) -> None:
    allowances = parse_policy({"run_config": rules}, "here").run_config
    sentence = refuse_config(allowances, APPROVED, differences(APPROVED, asked))
    assert (sentence is not None) == refused
    assert sentence is None or any(key in sentence for key in asked)


def test_the_approved_run_config_has_nested_keys_joined_as_flower_does() -> None:
    raw = {"tool": {"flwr": {"app": {"config": {"a": 1, "b": {"c": {"d": 2}}}}}}}
    assert approved_config(raw) == {"a": 1, "b.c.d": 2}
    assert approved_config({"tool": {}}) == {}


def test_a_policy_that_others_can_write_to_is_none(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(HEAD + "max_rounds = 3\n")
    (tmp_path / "policy.toml").chmod(0o666)
    with pytest.raises(TrustError, match="Others can write"):
        read_policy(tmp_path / "home", tmp_path)
