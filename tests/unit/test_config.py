"""What is read from a project's pyproject.toml, what is refused, and the one change made to it."""

import tomllib
from pathlib import Path

import pytest

from syft_flwr_cli.errors import NotAProjectError, UsageError
from syft_flwr_cli.project.config import (
    check_participants,
    load_project,
    require_federated,
    split_emails,
)
from syft_flwr_cli.project.duration import parse_duration
from syft_flwr_cli.project.enough import Enough
from syft_flwr_cli.project.federate import federate

PLAIN = """\
[project]
name = "study"
version = "1.2.0"

[tool.flwr.app]
publisher = "lab"

[tool.flwr.app.components]
serverapp = "study.server_app:app"
clientapp = "study.client_app:app"
"""

FEDERATED = (
    PLAIN
    + """
[tool.syft_flwr]
app_name = "ds@lab.example_study_1700000000"
aggregator = "DS@Lab.example"
datasites = ["do1@a.example", "DO2@b.example", "do1@A.example"]
transport = "p2p"
timeout = "24h"
retention = 3600
enough = "60%%"

[tool.syft_flwr.fingerprints]
"do1@a.example" = "%s"
"""
    % ("AB" * 32)
)

VALUES = {
    "app_name": "ds@lab.example_study_1700000000",
    "aggregator": "ds@lab.example",
    "datasites": ["do1@a.example", "do2@b.example"],
    "transport": "local",
    "dependency": "syft-flwr-cli>=0.1",
}

COMMENTED = """\
# A project that somebody has cared for.
[project]   # the head
name    = 'study'      # odd spacing
version = "1.0"

dependencies = [  # what we need
    "flwr>=1.41",   # the framework
    # numbers
    'numpy',        # and arrays
]
authors = [ {name="A", email = "a@b.example"} , ]


[tool.ruff]
line-length=100
[tool.flwr.app]
publisher   = "lab"
components.serverapp = "study.server_app:app"   # dotted keys
components . clientapp = "study.client_app:app"
config = { rounds = 3, lr = 1e-3 }

\t[tool.black]   # indented
\tskip = [
\t  "x" ,
\t  "y"   # last
\t]
# the end"""


def project_with(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_plain_flower_project_is_read_and_not_federated(tmp_path: Path) -> None:
    project = load_project(project_with(tmp_path, PLAIN))
    assert (project.name, project.version) == ("study", "1.2.0")
    assert project.serverapp == "study.server_app:app"
    assert project.clientapp == "study.client_app:app"
    assert project.app_name is None
    assert project.datasites == ()
    with pytest.raises(NotAProjectError) as refused:
        require_federated(project)
    assert f"syft-flwr bootstrap {project.path} --aggregator" in refused.value.hint


def test_a_federated_project_is_read_with_checked_values(tmp_path: Path) -> None:
    project = require_federated(load_project(project_with(tmp_path, FEDERATED)))
    assert project.aggregator == "ds@lab.example"
    assert project.datasites == ("do1@a.example", "do2@b.example")
    assert project.transport == "gdrive"
    assert (project.timeout, project.retention, project.enough) == (86400.0, 3600.0, Enough(share=0.6))
    assert project.fingerprints == {"do1@a.example": "ab" * 32}


def test_the_pyproject_itself_may_be_named(tmp_path: Path) -> None:
    folder = project_with(tmp_path, PLAIN)
    assert load_project(folder / "pyproject.toml") == load_project(folder)


def test_no_folder_and_no_pyproject_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotAProjectError, match="no folder"):
        load_project(tmp_path / "nowhere")
    with pytest.raises(NotAProjectError, match=r"no pyproject\.toml") as refused:
        load_project(tmp_path)
    assert "syft-flwr init" in refused.value.hint
    assert refused.value.exit_code == 10


def test_the_command_that_federates_a_folder_with_a_space_can_be_typed(tmp_path: Path) -> None:
    folder = tmp_path / "my app"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PLAIN)
    with pytest.raises(NotAProjectError) as caught:
        require_federated(load_project(folder))
    assert f"syft-flwr bootstrap '{folder}' --aggregator" in str(caught.value.hint)


def test_broken_toml_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(NotAProjectError, match="line 2"):
        load_project(project_with(tmp_path, '[project]\nname = "study\n'))


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ('[tool.flwr.app]\npublisher = "lab"\n', r"no \[tool\.flwr\.app\]"),
        ('serverapp = "study.server_app:app"\n', "no serverapp"),
        ('clientapp = "study.client_app:app"\n', "no clientapp"),
        ('name = "study"\n', "no name"),
        ('version = "1.2.0"\n', "no version"),
    ],
)
def test_what_a_flower_app_needs_is_asked_for_by_name(tmp_path: Path, missing: str, named: str) -> None:
    text = PLAIN.replace(missing, "")
    if "tool.flwr.app]" in missing:
        text = text[: text.index("[tool.flwr.app.components]")]
    with pytest.raises(NotAProjectError, match=named) as refused:
        load_project(project_with(tmp_path, text))
    assert refused.value.hint


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("aggregator", 'aggregator = "a/b@lab.example"'),
        ("aggregator", "aggregator = 3"),
        ("datasites", 'datasites = ["../x@a.example"]'),
        ("datasites", 'datasites = "do1@a.example"'),
        ("app_name", 'app_name = "../elsewhere"'),
        ("transport", 'transport = "pigeon"'),
        ("timeout", 'timeout = "soon"'),
        ("retention", "retention = -1"),
        ("enough", "enough = 0"),
        ("enough", 'enough = "101%"'),
        ("min_replies", "min_replies = 0"),
        ("fingerprints", 'fingerprints = {"a@b.example" = "xyz"}'),
    ],
)
def test_a_bad_value_is_refused_with_file_and_key(tmp_path: Path, key: str, line: str) -> None:
    with pytest.raises(NotAProjectError, match=rf"pyproject\.toml, \[tool\.syft_flwr\], {key}:") as refused:
        load_project(project_with(tmp_path, f"{PLAIN}\n[tool.syft_flwr]\n{line}\n"))
    assert refused.value.hint


def test_the_aggregator_is_no_data_owner_of_its_own_run() -> None:
    with pytest.raises(UsageError, match="as the aggregator and as a data owner"):
        check_participants("a@x.example", ["b@x.example", "A@x.example"])
    assert check_participants("A@x.example", ["b@x.example", "B@x.example"]) == (
        "a@x.example",
        ("b@x.example",),
    )


def test_a_list_of_emails_is_split_and_blanks_are_dropped() -> None:
    assert split_emails(" a@b.example, ,c@d.example,") == ("a@b.example", "c@d.example")
    assert split_emails(None) == ()


def test_durations_have_units() -> None:
    assert [parse_duration(text) for text in ("24h", "90s", "15m", "2d", "120", "1.5h", 7, 0.5)] == [
        86400.0,
        90.0,
        900.0,
        172800.0,
        120.0,
        5400.0,
        7.0,
        0.5,
    ]


@pytest.mark.parametrize(
    "text", ["", "h", "0", "-3", "3 weeks", "1e3", "nan", "inf", 0, -1, float("inf"), True]
)
def test_what_is_no_duration_is_refused_by_the_name_of_what_it_is_for(text: str | float) -> None:
    with pytest.raises(UsageError, match="--timeout"):
        parse_duration(text, "--timeout")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_federating_adds_lines_and_moves_no_other_byte(newline: str) -> None:
    before = COMMENTED.replace("\n", newline)
    added = [
        f'{newline}    "syft-flwr-cli>=0.1",',
        newline.join(
            [
                "",
                "",
                "[tool.syft_flwr]",
                'app_name = "ds@lab.example_study_1700000000"',
                'datasites = ["do1@a.example", "do2@b.example"]',
                'aggregator = "ds@lab.example"',
                'transport = "local"',
                "",
            ]
        ),
    ]
    after = federate(before, **VALUES)
    for piece in added:
        assert after.count(piece) == 1
        after = after.replace(piece, "")
    assert after == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('["a"]', '["a", "NEW"]'),
        ('[ "a" , "b" ]', '[ "a" , "b", "NEW" ]'),
        ('["a",]', '["a", "NEW",]'),
        ("[]", '["NEW"]'),
        ("[\n]", '[\n    "NEW",\n]'),
        ('[\n  "a"\n]', '[\n  "a",\n  "NEW"\n]'),
        ('[\n  "a" # why, "really"\n]', '[\n  "a", # why, "really"\n  "NEW"\n]'),
        ('[\n  "a",\n  # nothing after\n]', '[\n  "a",\n  "NEW",\n  # nothing after\n]'),
        ('["a",\n "b, # c"]', '["a",\n "b, # c",\n "NEW"]'),
        ("['x; m == \"#\"']", '[\'x; m == "#"\', "NEW"]'),
    ],
)
def test_a_dependency_is_added_in_the_style_of_the_list(before: str, after: str) -> None:
    head = '[project]\nname = "x"\ndependencies = '
    changed = federate(f"{head}{before} # tail\n", **{**VALUES, "dependency": "NEW"})
    assert changed.startswith(f"{head}{after} # tail\n")


@pytest.mark.parametrize("there", ["syft-flwr-cli", "Syft_Flwr.CLI[gdrive]>=0.0.1 ; python_version > '3'"])
def test_a_dependency_that_stands_already_is_left_alone(there: str) -> None:
    text = f'[project]\ndependencies = ["{there}"]\n'
    assert federate(text, **VALUES).startswith(text)


def test_dynamic_dependencies_are_left_to_whatever_computes_them() -> None:
    text = '[project]\ndynamic = ["version", "dependencies"]\n'
    assert tomllib.loads(federate(text, **VALUES))["project"] == {"dynamic": ["version", "dependencies"]}


def test_of_a_table_that_stands_only_what_differs_changes() -> None:
    text = """\
[project]
dependencies = ["syft-flwr-cli"]

[tool.syft_flwr]   # ours
# patience
timeout   = "24h"
app_name = "ds@lab.example_study_1700000000"   # kept
datasites = [
    "do1@a.example",  # first
    "do2@b.example",
]
aggregator = "ds@lab.example"
transport = "syftbox"  # was

[tool.z]
a = 1
"""
    assert federate(text, **VALUES) == text.replace('"syftbox"', '"local"')


@pytest.mark.parametrize(
    "text",
    [
        'tool = {flwr = {x = 1}}  # all in one\nproject = {name = "x", dependencies = ["y"]}\n',
        "project.name = 'x'  # dotted\ntool.flwr.x = 1\n",
        "[tool]\nsyft_flwr = {timeout = 3, transport='x'}  # inline\n[project]\nname = 'x'",
        "[project]\n[tool]  # short\nsyft_flwr.timeout = 3\nsyft_flwr.transport = 'x'\n\n[other]\n",
        "[project]\n[tool.syft_flwr]",
        "[project]\n[tool.syft_flwr.fingerprints]  # first\n'a@b.example' = '00'\n[tool.z]\nsyft_flwr.x = 1\n",
        "[project]\n[ tool . 'syft_flwr' ]\n# nothing yet\n[tool.syft_flwr.fingerprints]\n",
    ],
)
def test_every_way_to_write_the_tables_is_understood(text: str) -> None:
    before, after = tomllib.loads(text), tomllib.loads(federate(text, **VALUES))
    before["project"].setdefault("dependencies", []).append("syft-flwr-cli>=0.1")
    wanted = {key: value for key, value in VALUES.items() if key != "dependency"}
    before.setdefault("tool", {}).setdefault("syft_flwr", {}).update(wanted)
    assert after == before


@pytest.mark.parametrize(
    "text",
    [
        "[project]\nname = 'x'\n",
        "[project]\n[tool.syft_flwr]  # ours\nfingerprints = {'a@b.example' = '00'}  # one\n[other]\nx = 1\n",
        "[project]\n[tool.syft_flwr]\nfingerprints.'a@b.example' = '00'  # dotted\n\n[other]\n",
        "[project]\n[tool.syft_flwr.fingerprints]  # first\n'a@b.example' = '00'  # old\n[tool.z]\nx = 1\n",
        "[project]\n[tool]\nsyft_flwr = {timeout = 3, fingerprints = {}}  # inline\n",
        "[project]\n[tool]  # short\nsyft_flwr.fingerprints.'do1@a.example' = '00'\n",
        "tool = {syft_flwr = {fingerprints = {}}}  # all in one\nproject = {name = 'x'}\n",
    ],
)
def test_fingerprints_are_written_wherever_their_table_stands_and_what_else_is_there_stays(text: str) -> None:
    pins = {"ds@lab.example": "ab" * 32, "do1@a.example": "cd" * 32}
    after = federate(text, **VALUES, fingerprints=pins)
    before = tomllib.loads(federate(text, **VALUES))
    table = before["tool"]["syft_flwr"]
    table["fingerprints"] = {**table.get("fingerprints", {}), **pins}
    assert tomllib.loads(after) == before
    assert [line for line in text.splitlines() if line.startswith(("[other", "x = "))] == [
        line for line in after.splitlines() if line.startswith(("[other", "x = "))
    ]
    assert all(f"# {comment}" in after for comment in ("ours", "first", "short") if f"# {comment}" in text)
    assert federate(after, **VALUES, fingerprints=pins) == after


def test_a_file_that_cannot_be_changed_says_which_lines_to_add() -> None:
    with pytest.raises(NotAProjectError) as refused:
        federate('project = "no table"\n', **VALUES)
    assert "[tool.syft_flwr]" in refused.value.hint
    assert 'transport = "local"' in refused.value.hint
