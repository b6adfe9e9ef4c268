"""A data owner's policy refuses in one sentence, and a mistake in it is never a missing rule."""

from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli.consent.policy import Policy, check_request, parse_policy, read_policy
from syft_flwr_cli.errors import UsageError

HEAD = "[tool.syft_flwr.policy]\n"


def test_without_a_file_everything_is_allowed(tmp_path: Path) -> None:
    policy = read_policy(tmp_path, tmp_path / "participant")
    assert policy == Policy() and policy.rules() == []
    assert check_request(policy, "query.anything", 10**6, 1) is None


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
    sentence = check_request(Policy(message_types=allowed), asked, 1, 1)
    assert (sentence is not None) == refused
    assert sentence is None or (asked in sentence and sentence.endswith("."))


def test_the_last_allowed_round_is_allowed_and_the_next_is_not() -> None:
    policy = Policy(max_rounds=3)
    assert check_request(policy, "train", 3, 1) is None
    assert "this is number 4" in str(check_request(policy, "train", 4, 1))


def test_a_run_with_too_few_data_owners_is_refused() -> None:
    policy = Policy(min_participants=3)
    assert check_request(policy, "train", 1, 3) is None
    assert "this project names 2" in str(check_request(policy, "train", 1, 2))
