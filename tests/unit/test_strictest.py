"""Under two policies is allowed what both allow, and the data of a data set bring theirs whatever path names them."""

from pathlib import Path

import pytest

from syft_flwr_cli.consent.egress import EgressRules
from syft_flwr_cli.consent.gate import approve
from syft_flwr_cli.consent.policy import Policy, Request, check_request, parse_policy_text
from syft_flwr_cli.consent.run_config import refuse_config
from syft_flwr_cli.consent.strictest import strictest
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.services.data_choice import choose_data
from syft_flwr_cli.services.own_data import add_data_set, data_set_policies
from syft_flwr_cli.services.owner_app import AppOptions, prepare_app
from syft_flwr_cli.storage.paths import participant_dir

LINE = "[tool.syft_flwr.policy]\n"


def policy(text: str) -> Policy:
    return parse_policy_text(LINE + text, "here")


@pytest.mark.parametrize(
    ("one", "other", "allowed", "refused"),
    [
        ('["query.*"]', '["query.mean", "train"]', ["query.mean"], ["query.sum", "train"]),
        ('["train", "query"]', '["train", "evaluate"]', ["train"], ["query", "evaluate"]),
        ('["train.default"]', '["train"]', ["train"], ["evaluate"]),
        ('["train"]', '["evaluate"]', [], ["train", "evaluate"]),
    ],
)
def test_only_messages_that_both_allow_are_executed(
    one: str, other: str, allowed: list[str], refused: list[str]
) -> None:
    first, second = policy(f"message_types = {one}"), policy(f"message_types = {other}")
    for both in (strictest(first, second), strictest(second, first)):
        assert all(check_request(both, Request(kind)) is None for kind in allowed)
        assert all(check_request(both, Request(kind)) is not None for kind in refused)


def test_each_rule_of_one_alone_holds_and_of_two_the_stricter() -> None:
    one = policy(
        'max_rounds = 5\nmin_participants = 3\nerror_texts = true\nsandbox = ["tcp"]\nmemory = 9000000'
    )
    other = policy('max_rounds = 9\nmax_runs = 2\nnetwork = false\nsandbox = ["files"]\nseconds = 7')
    for both in (strictest(one, other), strictest(other, one)):
        assert (both.max_rounds, both.max_runs, both.min_participants) == (5, 2, 3)
        assert (both.error_texts, both.network, both.memory, both.seconds) == (True, False, 9000000, 7)
        assert both.sandbox is not None
        assert set(both.sandbox) == {"tcp", "files"}
    assert strictest(one, policy("max_rounds = 9")) == one
    assert not strictest(one, policy("error_texts = false")).error_texts


@pytest.mark.parametrize(
    ("one", "other", "allowed", "refused"),
    [
        ("{ max = 10 }", "{ min = 3 }", [3, 10], [2, 11]),
        ("true", "[1, 2]", [1, 2], [3]),
        ("[1, 2, 3]", "{ max = 2 }", [1, 2], [3]),
        ("[1]", "[2]", [], [1, 2]),
    ],
)
def test_a_run_config_is_what_both_allow(
    one: str, other: str, allowed: list[int], refused: list[int]
) -> None:
    pairs = [(policy(f"run_config = {{ rounds = {one} }}"), policy(f'run_config = {{ "*" = {other} }}'))]
    for first, second in (*pairs, *[(b, a) for a, b in pairs]):
        both = strictest(first, second)
        assert all(refuse_config(both.run_config, {}, [("rounds", value)]) is None for value in allowed)
        assert all(refuse_config(both.run_config, {}, [("rounds", value)]) is not None for value in refused)
        assert refuse_config(both.run_config, {}, [("other", 1)]) is not None


def test_what_leaves_is_what_both_let_leave() -> None:
    one = policy('egress = { metrics = ["loss", "acc*"], round_bytes = 10 }')
    other = policy('egress = { metrics = ["*"], records = ["m"], round_bytes = 20, min_examples = 5 }')
    wanted = EgressRules(records=("m",), metrics=("loss", "acc*"), round_bytes=10, min_examples=5)
    for both in (strictest(one, other), strictest(other, one)):
        assert both.egress == wanted


def test_the_policy_of_a_data_set_binds_by_whatever_path_its_data_are_given(tmp_path: Path) -> None:
    private = tmp_path / "records"
    (private / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(private)
    rules = tmp_path / "rules.toml"
    rules.write_text(LINE + "max_rounds = 3\n")
    home = tmp_path / "home"
    add_data_set(home, "do1@a.example", "tumours", private, policy=rules)
    for place in (
        private,
        private / "inner",
        tmp_path,
        tmp_path / "link",
        tmp_path / "records" / ".." / "records",
    ):
        assert [one.max_rounds for one in data_set_policies(home, "do1@a.example", place)] == [3]
    add_data_set(home, "do1@a.example", "tumours", private, allow=["ds@x.example"])
    assert [one.max_rounds for one in data_set_policies(home, "do1@a.example", private)] == [3]
    (tmp_path / "records-2").mkdir()
    assert data_set_policies(home, "do1@a.example", tmp_path / "records-2") == []
    rules.write_text(LINE + "max_round = 3\n")
    with pytest.raises(UsageError, match="max_round"):
        add_data_set(home, "do1@a.example", "tumours", private, policy=rules)


def test_an_app_that_gets_the_data_is_bound_by_both_policies_from_the_next_request(tmp_path: Path) -> None:
    home, me, folder = tmp_path / "home", "do1@a.example", tmp_path / "study"
    private, rules = tmp_path / "records", tmp_path / "rules.toml"
    (folder / "study").mkdir(parents=True)
    private.mkdir()
    (folder / "study" / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "study"\nversion = "1.0"\n'
        '[tool.flwr.app.components]\nserverapp = "study:s"\nclientapp = "study:c"\n'
        f'[tool.syft_flwr]\napp_name = "ds@x.example_study_1"\naggregator = "ds@x.example"\ndatasites = ["{me}"]\n'
    )
    project = load_project(folder)
    approve(home, me, project)
    rules.write_text(LINE + "max_rounds = 3\n")
    add_data_set(home, me, "tumours", private, policy=rules)
    settings = resolve(project, home=home, email=me, root=tmp_path, data=private)
    given = choose_data(settings, home, data=private, project=project, environ={})
    code = prepare_app(home, project, settings, given, AppOptions(isolation="inline")).code
    assert (code.policy.max_rounds, code.policy.error_texts) == (3, True)
    rules.write_text(LINE + "max_rounds = 2\n")
    add_data_set(home, me, "tumours", private, policy=rules)
    assert code.rules.now().max_rounds == 2
    (participant_dir(home, me) / "policy.toml").write_text(LINE + "max_rounds = 1\n")
    assert (code.rules.now().max_rounds, code.rules.now().error_texts) == (1, False)
