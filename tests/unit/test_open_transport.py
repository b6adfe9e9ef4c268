"""Transports are chosen by name, and only by name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.transports import TRANSPORTS, check_transport, open_transport
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.syftbox import SyftBoxTransport

ALICE = "alice@a.example"


def opened(name: str, place: Path, *, email: str | None = ALICE, root: bool = True) -> Transport:
    transport = open_transport(
        name,
        email=email,
        root=place / "shared" if root else None,
        config_path=place / "config.json",
        poll_interval=3.0,
        state_dir=place / "state",
    )
    transport.close()
    return transport


@pytest.mark.parametrize("name", ["local", "folder", "LOCAL"])
def test_local_is_a_shared_folder(tmp_path: Path, name: str) -> None:
    assert isinstance(opened(name, tmp_path), FolderTransport)


def test_syftbox_is_found_by_its_configuration_and_knows_who_we_are(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"email": ALICE, "data_dir": str(tmp_path)}))
    transport = opened("syftbox", tmp_path, email=None, root=False)
    assert isinstance(transport, SyftBoxTransport)
    assert transport.email == ALICE


def test_syftbox_without_syftbox_says_so(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="There is no SyftBox here"):
        opened("syftbox", tmp_path)


@pytest.mark.parametrize("name", ["", "s3", "local ftp", "../local"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as raised:
        opened(name, tmp_path)
    assert all(known in raised.value.hint for known in TRANSPORTS)
    assert raised.value.exit_code == 2


def test_local_without_a_root_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        opened("local", tmp_path, root=False)
    assert "--root" in raised.value.hint


@pytest.mark.parametrize("name", ["local", "gdrive"])
def test_a_missing_email_names_the_flag(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as raised:
        opened(name, tmp_path, email=None)
    assert "--email" in raised.value.hint


def test_aliases_have_one_proper_name() -> None:
    assert {alias: check_transport(alias) for alias in ("folder", "p2p", "local", "gdrive")} == {
        "folder": "local",
        "p2p": "gdrive",
        "local": "local",
        "gdrive": "gdrive",
    }


def test_nothing_is_imported_for_the_transports_that_are_not_used(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from syft_flwr_cli.transports import open_transport\n"
        "assert 'watchdog' not in sys.modules\n"
        f"open_transport('local', email='a@b.example', root=Path({str(tmp_path)!r}), config_path=None,"
        f" poll_interval=1.0, state_dir=Path({str(tmp_path)!r})).close()\n"
        "assert not {'flwr', 'googleapiclient', 'syft_flwr_cli.transports.syftbox'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
