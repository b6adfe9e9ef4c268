"""New projects and federated ones: what is planned, what is refused, and what is never overwritten."""

import ast
import tomllib
from pathlib import Path

import pytest

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import load_project, require_federated
from syft_flwr_cli.project.plan import Change, Plan, apply
from syft_flwr_cli.project.scaffold import (
    TEMPLATES,
    plan_bootstrap,
    plan_init,
    templates_folder,
)

NOW = 1_700_000_000
OWNERS = ["do1@a.example", "do2@b.example"]

FLOWER_APP = """\
[project]
name = "theirs"
version = "1.0.0"
dependencies = ["flwr>=1.41"]  # theirs

[tool.flwr.app]
publisher = "them"

[tool.flwr.app.components]
serverapp = "theirs.server:app"
clientapp = "theirs.client:app"
"""


def new(folder: Path, template: str = "numpy") -> Plan:
    return plan_init(
        folder,
        template=template,
        aggregator="ds@lab.example",
        datasites=OWNERS,
        transport="local",
        created=NOW,
    )


def federated(
    folder: Path, *, force: bool = False, owners: list[str] = OWNERS, transport: str = "local"
) -> Plan:
    return plan_bootstrap(
        load_project(folder),
        aggregator="ds@lab.example",
        datasites=owners,
        transport=transport,
        created=NOW,
        force=force,
    )


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(FLOWER_APP)
    return folder


def test_the_templates_are_the_ones_that_are_offered() -> None:
    assert {path.name for path in templates_folder().iterdir()} == set(TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_becomes_a_federated_project(tmp_path: Path, template: str) -> None:
    plan = new(tmp_path / "my-study", template)
    apply(plan)
    project = require_federated(load_project(tmp_path / "my-study"))
    assert (project.name, project.aggregator, project.datasites) == (
        "my-study",
        "ds@lab.example",
        tuple(OWNERS),
    )
    assert project.app_name == plan.app_name == "ds@lab.example_my-study_1700000000"
    assert project.serverapp == "my_study.server_app:app"
    assert not any("syft" in line for line in project.raw["project"]["dependencies"]), "pip can install it"
    files = {path.relative_to(project.path).as_posix() for path in project.path.rglob("*") if path.is_file()}
    assert {
        ".gitignore",
        "README.md",
        "main.py",
        "my_study/client_app.py",
        "my_study/server_app.py",
        "my_study/task.py",
        "my_study/mock_data/README.md",
    } <= files
    for file in files:
        text = (project.path / file).read_text(encoding="utf-8")
        assert "{{" not in text or not file.endswith((".md", ".toml", ".py")), (
            f"{file} has a placeholder left"
        )
        if file.endswith(".py"):
            ast.parse(text)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_flower_app_bundle_carries_the_mock_data_within_its_limits(template: str) -> None:
    sizes = {path.name: path.stat().st_size for path in (templates_folder() / template).rglob("*.jsonl")}
    assert sizes
    assert all(size < 300_000 for size in sizes.values())


def test_the_project_is_the_same_bytes_whatever_the_machine(tmp_path: Path) -> None:
    one, two = new(tmp_path / "here" / "study"), new(tmp_path / "there" / "study")
    assert [change.after for change in one.changes] == [change.after for change in two.changes]
    assert not any(str(tmp_path).encode() in change.after for change in one.changes)


@pytest.mark.parametrize("name", ["1study", "my_study", "a" * 33, "my study", "..", "étude"])
def test_a_name_that_flower_would_refuse_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="name of a Flower project"):
        new(tmp_path / name)


@pytest.mark.parametrize("name", ["numpy", "json", "flwr", "main"])
def test_the_package_never_hides_a_module_that_the_project_needs(tmp_path: Path, name: str) -> None:
    plan = new(tmp_path / name)
    assert any(change.path == tmp_path / name / f"{name}_app" / "task.py" for change in plan.changes)


def test_an_unknown_template_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no template 'keras'") as refused:
        new(tmp_path / "study", "keras")
    assert "numpy, tabular, pytorch, analytics, secagg, xgboost" in refused.value.hint


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    with pytest.raises(UsageError, match="is there already") as refused:
        new(tmp_path / "study")
    assert "syft-flwr bootstrap" in refused.value.hint


def test_a_new_project_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    bad = Plan(folder, "x", (Change(folder / "a", None, b"a"), Change(folder / "a" / "b", None, b"b")))
    with pytest.raises(UsageError, match="cannot be written"):
        apply(bad)
    assert list(tmp_path.iterdir()) == []


def test_a_diff_shows_every_line_but_only_the_size_of_data(tmp_path: Path) -> None:
    text = new(tmp_path / "study").diff()
    assert "--- /dev/null\n+++ b/main.py\n" in text
    assert "+[tool.syft_flwr]\n" in text
    assert "+++ b/study/mock_data/digits.jsonl\n(163,527 bytes)\n" in text
    assert len(text) < 40_000


def test_a_flower_app_is_federated_by_two_files(theirs: Path) -> None:
    plan = federated(theirs)
    assert [change.path.name for change in plan.changes] == ["pyproject.toml", "main.py"]
    assert plan.kept == ()
    apply(plan)
    text = (theirs / "pyproject.toml").read_text()
    assert text.startswith(FLOWER_APP)
    assert require_federated(load_project(theirs)).app_name == "ds@lab.example_theirs_1700000000"


def test_federating_again_changes_nothing_and_keeps_the_app_name(theirs: Path) -> None:
    apply(federated(theirs))
    again = plan_bootstrap(
        load_project(theirs), aggregator=None, datasites=[], transport=None, created=NOW + 1000, force=True
    )
    assert again.changes == ()
    assert again.app_name == "ds@lab.example_theirs_1700000000"


def test_a_main_py_of_the_user_stays_unless_forced(theirs: Path) -> None:
    (theirs / "main.py").write_text("print('mine')\n")
    plan = federated(theirs)
    assert [path.name for path in plan.kept] == ["main.py"]
    assert [change.path.name for change in plan.changes] == ["pyproject.toml"]
    apply(plan)
    assert (theirs / "main.py").read_text() == "print('mine')\n"
    apply(federated(theirs, force=True))
    assert "mine" not in (theirs / "main.py").read_text()


def test_values_that_stand_are_replaced_only_when_forced(theirs: Path) -> None:
    apply(federated(theirs))
    with pytest.raises(
        UsageError, match=r"already says datasites = do1@a\.example, do2@b\.example"
    ) as refused:
        federated(theirs, owners=["do3@c.example"])
    assert "--force" in refused.value.hint
    with pytest.raises(UsageError, match="already says transport = local"):
        federated(theirs, transport="gdrive")
    apply(federated(theirs, owners=["do3@c.example"], transport="gdrive", force=True))
    project = load_project(theirs)
    assert (project.datasites, project.transport) == (("do3@c.example",), "gdrive")
    assert project.app_name == "ds@lab.example_theirs_1700000000"


def test_another_aggregator_gets_another_app_name(theirs: Path) -> None:
    apply(federated(theirs))
    plan = plan_bootstrap(
        load_project(theirs),
        aggregator="new@lab.example",
        datasites=[],
        transport=None,
        created=NOW + 5,
        force=True,
    )
    assert plan.app_name == "new@lab.example_theirs_1700000005"


def test_missing_participants_are_asked_for_by_flag(theirs: Path) -> None:
    for aggregator, owners, flag in ((None, OWNERS, "--aggregator"), ("ds@lab.example", [], "--datasites")):
        with pytest.raises(UsageError) as refused:
            plan_bootstrap(
                load_project(theirs), aggregator=aggregator, datasites=owners, transport=None, created=NOW
            )
        assert flag in refused.value.hint


def test_a_file_that_changed_since_the_plan_stops_it(theirs: Path) -> None:
    plan = federated(theirs)
    (theirs / "pyproject.toml").write_text(FLOWER_APP + "\n# edited in the meantime\n")
    with pytest.raises(UsageError, match="in the meantime"):
        apply(plan)
    assert not (theirs / "main.py").exists()


def test_the_mode_of_a_changed_file_stays(theirs: Path) -> None:
    (theirs / "pyproject.toml").chmod(0o640)
    apply(federated(theirs))
    assert (theirs / "pyproject.toml").stat().st_mode & 0o777 == 0o640


def test_the_result_of_a_windows_editor_keeps_its_line_ends(theirs: Path) -> None:
    (theirs / "pyproject.toml").write_bytes(FLOWER_APP.replace("\n", "\r\n").encode())
    apply(federated(theirs))
    data = (theirs / "pyproject.toml").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n")
    assert "syft_flwr" in tomllib.loads(data.decode())["tool"]


def test_a_project_that_the_original_bootstrapped_is_moved_over(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    theirs = FLOWER_APP.replace(
        '"flwr>=1.41"]', '"flwr>=1.41", "syft_flwr==0.5.3", "numpy"]  # what it needs'
    )
    (folder / "pyproject.toml").write_text(theirs)
    (folder / "main.py").write_text("from syft_flwr.run import syftbox_run_flwr_client\n\nprint(1)\n")
    plan = plan_bootstrap(
        load_project(folder),
        aggregator="ds@lab.example",
        datasites=["do@a.example"],
        transport=None,
        created=7,
    )
    assert len(plan.notes) == 2 and "syft-flwr" in plan.notes[0] and "main.py" in plan.notes[1]
    apply(plan)
    text = (folder / "pyproject.toml").read_text()
    assert text.startswith(FLOWER_APP.replace('"flwr>=1.41"]', '"flwr>=1.41", "numpy"]  # what it needs'))
    assert "syft_flwr.run" not in (folder / "main.py").read_text()
    again = plan_bootstrap(
        load_project(folder),
        aggregator="ds@lab.example",
        datasites=["do@a.example"],
        transport=None,
        created=9,
    )
    assert (again.changes, again.notes) == ((), ())


def test_a_main_of_the_users_own_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(FLOWER_APP)
    (folder / "main.py").write_text("print('mine')\n")
    plan = plan_bootstrap(
        load_project(folder),
        aggregator="ds@lab.example",
        datasites=["do@a.example"],
        transport=None,
        created=7,
    )
    assert plan.kept == (folder / "main.py",) and plan.notes == ()
