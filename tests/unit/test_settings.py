"""The order of flag, environment, own settings, project and default; and what is refused by name."""

import json
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from syft_flwr_cli import app_environment
from syft_flwr_cli.errors import NotAProjectError, UsageError
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.project.enough import Enough
from syft_flwr_cli.project.settings import Settings, remember, resolve

APP = "ds@lab.example_study_1700000000"

PYPROJECT = f"""\
[project]
name = "study"
version = "1.0.0"

[tool.flwr.app]
publisher = "lab"

[tool.flwr.app.components]
serverapp = "study.server_app:app"
clientapp = "study.client_app:app"

[tool.syft_flwr]
app_name = "{APP}"
aggregator = "ds@lab.example"
datasites = ["do1@a.example", "do2@b.example"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_saying(tmp_path, "")


def project_saying(folder: Path, more: str) -> Project:
    (folder / "study").mkdir(exist_ok=True)
    (folder / "study" / "pyproject.toml").write_text(PYPROJECT + more)
    return load_project(folder / "study")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def settle(
    project: Project | None, home: Path, environ: dict[str, str] | None = None, **flags: Any
) -> Settings:
    flags.setdefault("email", "do1@a.example")
    flags.setdefault("root", Path("/shared"))
    return resolve(project, environ=environ or {}, home=home, **flags)


def own(home: Path, text: str) -> None:
    home.mkdir(exist_ok=True)
    (home / "settings.toml").write_text(text)


def test_defaults_hold_when_nobody_says_anything(project: Project, home: Path) -> None:
    settings = settle(project, home)
    assert (settings.email, settings.role) == ("do1@a.example", "data owner")
    assert (settings.aggregator, settings.datasites) == ("ds@lab.example", ("do1@a.example", "do2@b.example"))
    assert (settings.transport, settings.root, settings.app_name) == ("local", Path("/shared"), APP)
    assert settings.encryption is True
    assert settings.timeout is None
    assert (settings.default_timeout, settings.poll_interval) == (None, 3.0)
    assert (settings.enough, settings.retention) == (None, 7 * 86400.0)
    assert settings.data is None


def test_a_timeout_comes_from_flag_then_own_settings_then_project(tmp_path: Path, home: Path) -> None:
    project = project_saying(tmp_path, 'timeout = "3h"\n')
    assert settle(project, home).timeout == 3 * 3600
    own(home, '[default]\ntimeout = "2h"\n')
    assert settle(project, home).timeout == 2 * 3600
    assert settle(project, home, timeout="1h").timeout == 3600


def test_the_narrower_table_of_the_own_settings_wins(project: Project, home: Path) -> None:
    own(
        home,
        f"""\
[default]
poll_interval = 9
retention = "9d"
min_replies = 2

[apps."{APP}"]
poll_interval = 8
retention = "8d"

[apps."{APP}"."do1@a.example"]
poll_interval = 7
""",
    )
    settings = settle(project, home)
    assert (settings.poll_interval, settings.retention, settings.enough) == (7.0, 8 * 86400.0, Enough(2))
    assert settle(project, home, email="do2@b.example").poll_interval == 8.0


def test_the_environment_comes_before_the_own_settings(project: Project, home: Path) -> None:
    own(home, '[default]\nemail = "do2@b.example"\nroot = "/own"\nencryption = false\npoll_interval = 9\n')
    nothing: dict[str, str] = {}
    settings = resolve(project, environ=nothing, home=home)
    assert (settings.email, settings.root) == ("do2@b.example", Path("/own"))
    assert (settings.encryption, settings.poll_interval) == (False, 9.0)
    environ = {
        "SYFTBOX_EMAIL": "DS@lab.example",
        "SYFT_FLWR_ROOT": "/environ",
        "SYFT_FLWR_ENCRYPTION_ENABLED": "True",
        "SYFT_FLWR_MSG_TIMEOUT": "15m",
        "SYFT_FLWR_POLL_INTERVAL": "0.5",
        "DATA_DIR": "/data",
    }
    settings = resolve(project, environ=environ, home=home)
    assert (settings.email, settings.role) == ("ds@lab.example", "aggregator")
    assert (settings.root, settings.data) == (Path("/environ"), Path("/data"))
    assert (settings.encryption, settings.poll_interval, settings.default_timeout) == (True, 0.5, 900.0)
    settings = resolve(
        project, environ=environ, home=home, email="do1@a.example", root=Path("/flag"), data=Path("/mine")
    )
    assert (settings.email, settings.root, settings.data) == ("do1@a.example", Path("/flag"), Path("/mine"))


def test_a_variable_set_to_nothing_is_not_set(project: Project, home: Path) -> None:
    settings = settle(project, home, {"SYFT_FLWR_MSG_TIMEOUT": "", "SYFT_FLWR_ENCRYPTION_ENABLED": " "})
    assert (settings.default_timeout, settings.encryption) == (None, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SYFT_FLWR_MSG_TIMEOUT", "soon"),
        ("SYFT_FLWR_MSG_TIMEOUT", "-5"),
        ("SYFT_FLWR_POLL_INTERVAL", "0"),
        ("SYFT_FLWR_ENCRYPTION_ENABLED", "maybe"),
        ("SYFT_FLWR_TRANSPORT", "pigeon"),
    ],
)
def test_a_bad_value_in_the_environment_is_refused_by_name(
    project: Project, home: Path, name: str, value: str
) -> None:
    with pytest.raises(UsageError, match=name) as refused:
        settle(project, home, {name: value})
    assert value in refused.value.what
    assert refused.value.hint


def test_encryption_is_nothing_a_project_can_switch_off(tmp_path: Path, home: Path) -> None:
    assert settle(project_saying(tmp_path, "encryption = false\n"), home).encryption is True


def test_a_missing_email_names_the_flag_and_the_variable(project: Project, home: Path) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(project, environ={}, home=home, root=Path("/shared"))
    assert "--email" in refused.value.hint
    assert "SYFTBOX_EMAIL" in refused.value.hint


def test_a_missing_shared_folder_names_the_flag(project: Project, home: Path) -> None:
    with pytest.raises(UsageError, match="shared folder") as refused:
        resolve(project, environ={}, home=home, email="do1@a.example")
    assert "--root" in refused.value.hint


def test_who_has_no_part_is_told_who_has(project: Project, home: Path) -> None:
    with pytest.raises(UsageError, match=r"eve@x\.example has no part") as refused:
        settle(project, home, email="eve@x.example")
    assert "do2@b.example" in refused.value.hint


def test_an_email_of_the_other_role_is_refused_with_the_right_command(project: Project, home: Path) -> None:
    with pytest.raises(UsageError, match="not the aggregator") as refused:
        settle(project, home, role="aggregator")
    assert "run-client" in refused.value.hint
    with pytest.raises(UsageError, match="not a data owner"):
        settle(project, home, email="ds@lab.example", role="data owner")


def test_a_project_that_is_not_federated_is_refused(tmp_path: Path, home: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT[: PYPROJECT.index("[tool.syft_flwr]")])
    with pytest.raises(NotAProjectError, match="not federated"):
        settle(load_project(tmp_path), home)


def test_datasites_given_by_flag_replace_those_of_the_project(project: Project, home: Path) -> None:
    settings = settle(project, home, email="ds@lab.example", datasites=["X@y.example", "x@y.example"])
    assert settings.datasites == ("x@y.example",)


def test_more_replies_than_data_owners_cannot_be_asked_for(project: Project, home: Path) -> None:
    assert settle(project, home, enough=2).enough == Enough(2)
    with pytest.raises(UsageError, match="3 answers"):
        settle(project, home, enough=3)


def test_a_grace_period_needs_to_know_how_many_answers_are_enough(project: Project, home: Path) -> None:
    settings = settle(project, home, enough="50%", grace="90s")
    assert (settings.enough, settings.grace) == (Enough(share=0.5), 90.0)
    assert settle(project, home, enough=2).grace is None
    with pytest.raises(UsageError, match="not how many answers are enough") as refused:
        settle(project, home, grace="90s")
    assert "--enough" in str(refused.value.hint)


def test_a_program_without_a_project_gives_names_itself(home: Path) -> None:
    settings = settle(
        None,
        home,
        email="ds@lab.example",
        role="aggregator",
        app_name="flwr/diabetes",
        datasites=["a@b.example"],
    )
    assert (settings.app_name, settings.aggregator, settings.role) == (
        "diabetes",
        "ds@lab.example",
        "aggregator",
    )
    with pytest.raises(UsageError, match="No data owner"):
        settle(None, home, role="aggregator", app_name="diabetes")
    with pytest.raises(UsageError, match="aggregator is is not known"):
        settle(None, home, role="data owner", app_name="diabetes")


def config_of(folder: Path, email: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps({"email": email, "data_dir": str(folder)}))
    return file


def test_at_syftbox_the_email_comes_from_its_config(project: Project, home: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path / "box", "do2@b.example")
    own(home, '[default]\nemail = "do1@a.example"\n')
    settings = resolve(
        project, environ={"SYFTBOX_CLIENT_CONFIG_PATH": str(config)}, home=home, transport="syftbox"
    )
    assert (settings.email, settings.transport) == ("do2@b.example", "syftbox")
    assert (settings.transport_options.get("syftbox_config"), settings.root) == (config, None)


def test_at_syftbox_the_config_lies_in_the_users_home_unless_named(
    project: Project, home: Path, tmp_path: Path
) -> None:
    config = config_of(tmp_path / ".syftbox", "do2@b.example")
    settings = resolve(project, environ={"HOME": str(tmp_path)}, home=home, transport="syftbox")
    assert (settings.email, settings.transport_options.get("syftbox_config")) == ("do2@b.example", config)


def test_nobody_acts_on_the_datasite_of_another(project: Project, home: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path / "box", "do2@b.example")
    with pytest.raises(UsageError, match=r"do1@a\.example, but .* belongs to do2@b\.example"):
        settle(project, home, transport="syftbox", syftbox_config=config)


def test_naming_syftboxs_config_is_choosing_syftbox_unless_somebody_chose(
    project: Project, home: Path, tmp_path: Path
) -> None:
    environ = {"SYFTBOX_CLIENT_CONFIG_PATH": str(config_of(tmp_path / "box", "do1@a.example"))}
    assert settle(project, home, environ).transport == "syftbox"
    chosen = project_saying(tmp_path, 'transport = "local"\n')
    assert settle(chosen, home, environ).transport == "local"


def test_what_is_remembered_is_found_again_and_the_rest_of_the_file_stays(
    project: Project, home: Path
) -> None:
    own(home, "# mine\n[default]\nretention = '1d'  # short\n")
    remember(home, APP, root=Path("/shared"))
    remember(home, APP, email="do1@a.example", data=Path("/data/one"))
    remember(home, APP, email="do2@b.example", data=Path("/data/two"))
    text = (home / "settings.toml").read_text()
    assert text.startswith("# mine\n[default]\nretention = '1d'  # short\n")
    last = resolve(project, environ={}, home=home)
    first = resolve(project, environ={}, home=home, email="do1@a.example")
    assert (last.email, last.data, last.root) == ("do2@b.example", Path("/data/two"), Path("/shared"))
    assert (first.data, first.root, first.retention) == (Path("/data/one"), Path("/shared"), 86400.0)
    assert stat.S_IMODE((home / "settings.toml").stat().st_mode) == 0o600


def test_remembering_the_same_again_leaves_the_file_alone(home: Path) -> None:
    remember(home, APP, email="do1@a.example", root=Path("/shared"))
    before = (home / "settings.toml").stat()
    remember(home, APP, email="do1@a.example", root=Path("/shared"), data=None)
    assert (home / "settings.toml").stat().st_ino == before.st_ino
    assert tomllib.loads((home / "settings.toml").read_text())["apps"][APP]["email"] == "do1@a.example"


def test_own_settings_that_are_no_toml_are_named(project: Project, home: Path) -> None:
    own(home, "[default\n")
    with pytest.raises(UsageError, match=r"settings\.toml is not valid TOML"):
        settle(project, home)
    with pytest.raises(UsageError, match=r"settings\.toml is not valid TOML"):
        remember(home, APP, root=Path("/shared"))


def test_an_app_finds_its_data_and_is_told_when_there_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATA_DIR", raising=False)
    with pytest.raises(UsageError, match="DATA_DIR is not set"):
        app_environment.get_data_dir()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "gone"))
    with pytest.raises(UsageError, match="not there"):
        app_environment.load_syftbox_dataset()
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert app_environment.get_data_dir() == app_environment.load_syftbox_dataset() == tmp_path


def test_an_app_knows_whether_syft_flwr_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYFT_FLWR_APP_NAME", raising=False)
    assert not app_environment.is_running_under_syft_flwr()
    assert not app_environment.run_syft_flwr()
    monkeypatch.setenv("SYFT_FLWR_APP_NAME", APP)
    assert app_environment.is_running_under_syft_flwr()
    assert app_environment.run_syft_flwr()
