"""The conformance suite and a federation on three real Google accounts, where their logins are given.

``SYFT_FLWR_LIVE_LOGINS`` names three files of logins, separated by ``:``, as ``syft-flwr login`` leaves them
(``participants/{email}/google-login.json``). Everything in the folder ``syft-flwr`` of these accounts is
deleted: use accounts that were made for tests. Without the variable all is skipped, and said to be. With
SYFT_FLWR_DRIVE_ENDPOINT the same is asked of the emulator, with logins that the emulator has given.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from federations import ALICE, BOB, CAROL, Federation

from syft_flwr_cli.transports.base import Content, Transport, Watch
from syft_flwr_cli.transports.gdrive.auth import load_login
from syft_flwr_cli.transports.gdrive.client import DriveClient
from syft_flwr_cli.transports.gdrive.folders import list_all
from syft_flwr_cli.transports.gdrive.names import FOLDER, ROOT_NAME, in_folder, quote
from syft_flwr_cli.transports.gdrive.open import ENDPOINT, open_gdrive
from syft_flwr_cli.transports.gdrive.tuning import EMULATED, GOOGLE

LOGINS = "SYFT_FLWR_LIVE_LOGINS"
PATIENCE = 300.0


@dataclass(frozen=True)
class RealAccount:
    """One of the three."""

    email: str
    login: Path


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RealAccount]:
    """Who plays alice, bob and carol."""
    given = [Path(name) for name in os.environ.get(LOGINS, "").split(":") if name]
    if len(given) != 3:
        pytest.skip(f"no real accounts: {LOGINS}=FILE:FILE:FILE names none or not three")
    place = tmp_path_factory.mktemp("logins")
    players = {}
    for number, (role, source) in enumerate(zip((ALICE, BOB, CAROL), given, strict=True)):
        login = place / f"{number}.json"
        shutil.copyfile(source, login)  # refreshed here, so that the given file stays as it is
        login.chmod(0o600)
        players[role] = RealAccount(str(json.loads(login.read_text())["account"]), login)
    return players


class Renamed:
    """A real participant's transport, for a suite that calls everybody by other names."""

    def __init__(self, inner: Transport, role: str, real: Callable[[str], str]) -> None:
        self._inner = inner
        self._role = role
        self._real = real

    @property
    def email(self) -> str:
        return self._role

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        self._inner.publish(path, content, [self._real(reader) for reader in readers])

    def open(self, owner: str, path: str) -> BinaryIO:
        return self._inner.open(self._real(owner), path)

    def fetch(self, owner: str, path: str, destination: Path) -> None:
        self._inner.fetch(self._real(owner), path, destination)

    def watch(self, owner: str, folder: str) -> Watch:
        return self._inner.watch(self._real(owner), folder)


@pytest.fixture
def federation(accounts: dict[str, RealAccount], tmp_path: Path) -> Iterator[Federation]:
    """Three real accounts with nothing in them, before and after."""
    for account in accounts.values():
        wipe(account)
    number = count()

    def real(email: str) -> str:
        known = accounts.get(email.lower())
        return known.email if known else email

    def view(email: str) -> Any:
        account = accounts[email]
        inner = open_gdrive(
            email=account.email, state_dir=tmp_path / f"state {next(number)}", token_file=account.login
        )
        return Renamed(inner, email, real)

    made = Federation(open=view, patience=PATIENCE, enforces_readers=True, load=4)
    yield made
    for transport in made.opened:
        transport.close()
    for account in accounts.values():
        wipe(account)


def wipe(account: RealAccount) -> None:
    """Delete the folder ``syft-flwr`` of an account."""
    endpoint = os.environ.get(ENDPOINT)
    tuning = EMULATED if endpoint else GOOGLE
    client = DriveClient(account.email, load_login(account.login), endpoint, tuning)
    q = f"{in_folder('root')} and mimeType = {quote(FOLDER)}"
    for folder in list_all(client, q, "look for the last test's folder"):
        if folder["name"] == ROOT_NAME:
            client.call("files.delete", client.api.files().delete(fileId=folder["id"]), "delete it")
    client.close()


@pytest.fixture
def alice(federation: Federation) -> Transport:
    """Who publishes."""
    return federation.view(ALICE)


@pytest.fixture
def bob(federation: Federation) -> Transport:
    """Whom it is for."""
    return federation.view(BOB)


@pytest.fixture
def carol(federation: Federation) -> Transport:
    """Somebody else."""
    return federation.view(CAROL)
