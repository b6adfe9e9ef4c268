"""Transports are chosen by name, and only by name; another package can add one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from doubles.packages import ANOTHER_PACKAGE, installed

from syft_flwr_cli.errors import NotAProjectError, TransportError, UsageError
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.registry import all_specs, check_transport, find_spec, open_transport
from syft_flwr_cli.transports.spec import Opening

ALICE, BOB = "alice@a.example", "bob@b.example"
BUILT_IN = ("local", "syftbox", "gdrive", "s3")


def opened(name: str, place: Path, **options: Any) -> Transport:
    transport = open_transport(name, Opening(ALICE, options, 3.0, place / "state"))
    transport.close()
    return transport


@pytest.mark.parametrize("name", ["local", "folder", "LOCAL"])
def test_local_is_a_shared_folder(tmp_path: Path, name: str) -> None:
    assert isinstance(opened(name, tmp_path, root=tmp_path / "shared"), FolderTransport)


def test_syftbox_is_found_by_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"email": ALICE, "data_dir": str(tmp_path)}))
    found = opened("syftbox", tmp_path, syftbox_config=config)
    assert (found.email, (tmp_path / "datasites" / ALICE).is_dir()) == (ALICE, True)
    assert found.properties.largest_quick_file > 0
    assert find_spec("syftbox").account({"syftbox_config": config}) == ALICE


def test_syftbox_without_syftbox_says_so(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="There is no SyftBox here"):
        opened("syftbox", tmp_path, syftbox_config=tmp_path / "config.json")


@pytest.mark.parametrize("name", ["", "pigeon", "local ftp", "../local"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as raised:
        opened(name, tmp_path)
    assert all(known in raised.value.hint for known in BUILT_IN)
    assert raised.value.exit_code == 2


def test_local_without_a_root_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        opened("local", tmp_path)
    assert "--root" in raised.value.hint


def test_aliases_have_one_proper_name() -> None:
    assert [check_transport(name) for name in ("local", "folder", "SyftBox", "p2p", "gdrive")] == [
        "local",
        "local",
        "syftbox",
        "gdrive",
        "gdrive",
    ]


def test_nothing_is_imported_for_the_transports_that_are_not_used(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from syft_flwr_cli.transports.registry import Opening, open_transport\n"
        "assert 'watchdog' not in sys.modules\n"
        f"place = Path({str(tmp_path)!r})\n"
        "open_transport('local', Opening('a@b.example', {'root': place}, 1.0, place)).close()\n"
        "loaded = {name for name in sys.modules if name.endswith('.transport')}\n"
        "assert loaded == {'syft_flwr_cli.transports.folder.transport'}, loaded\n"
        "assert not {'flwr', 'googleapiclient'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- another package


def test_a_transport_of_another_package_is_found_and_listed() -> None:
    with pytest.raises(UsageError):
        find_spec("table")
    with installed(ANOTHER_PACKAGE):
        assert find_spec("sqlite").name == check_transport("TABLE") == "table"
        assert tuple(all_specs()) == (*BUILT_IN, "table")


def test_its_own_options_travel_in_the_settings(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\nname = "study"\nversion = "1"\n[tool.flwr.app]\npublisher = "lab"\n'
        '[tool.flwr.app.components]\nserverapp = "a:b"\nclientapp = "c:d"\n'
        f'[tool.syft_flwr]\napp_name = "study_1"\naggregator = "{ALICE}"\ndatasites = ["{BOB}"]\n'
        'transport = "sqlite"\n'
    )
    with pytest.raises(NotAProjectError, match="no transport 'sqlite'"):
        load_project(tmp_path)
    with installed(ANOTHER_PACKAGE):
        loaded = load_project(tmp_path)
        asked = {"environ": {"SYFTBOX_EMAIL": BOB}, "home": tmp_path / "home"}
        with pytest.raises(UsageError) as raised:
            resolve(loaded, **asked)
        assert raised.value.hint == "Set ANOTHER_STORE_FILE."
        asked["environ"]["ANOTHER_STORE_FILE"] = str(tmp_path / "from the environment")
        assert resolve(loaded, **asked).transport_options == {"file": tmp_path / "from the environment"}
        del asked["environ"]["ANOTHER_STORE_FILE"]
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "settings.toml").write_text(f'[default]\nfile = "{tmp_path}/own"\n')
        settings = resolve(loaded, **asked)
        assert settings.transport == "table" and settings.transport_options == {"file": tmp_path / "own"}


def offered(place: Path, target: str, code: str = "") -> Path:
    (place / "odd.py").write_text(code)
    (place / "odd-1.0.dist-info").mkdir()
    (place / "odd-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (place / "odd-1.0.dist-info" / "entry_points.txt").write_text(f"[syft_flwr.transports]\nodd = {target}\n")
    return place


TAKEN = (
    "from syft_flwr_cli.transports.spec import TransportSpec\n"
    "SPEC = TransportSpec(name='odd', aliases=('p2p',), open=lambda opening: None)\n"
)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "cannot be loaded: division by zero"),
        ("SPEC = 1", "is no TransportSpec"),
        (TAKEN, "Two installed packages offer a transport called 'p2p'"),
    ],
)
def test_a_package_that_offers_no_proper_transport_is_named(tmp_path: Path, code: str, said: str) -> None:
    sys.modules.pop("odd", None)
    with installed(offered(tmp_path, "odd:SPEC", code)):
        with pytest.raises(TransportError, match=said) as raised:
            find_spec("odd")
        assert raised.value.hint
        assert check_transport("local") == "local", "the built-in ones do not depend on it"
