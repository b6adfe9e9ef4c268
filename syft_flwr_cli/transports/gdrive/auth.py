"""Whose Drive it is: the login of one participant as a file that several processes may refresh.

The file is a Google "authorized user" document, 0600, replaced whole. One process at a time refreshes
it; the others take over what it got. Nothing here opens a browser: that is ``syft-flwr login``.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.transport
from google.oauth2.credentials import Credentials

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.storage.paths import home, locked, participant_dir, read_private, write_private

__all__ = [
    "SCOPE",
    "TOKEN_URI",
    "FileCredentials",
    "fixed_credentials",
    "is_login_of",
    "load_login",
    "login_file",
    "save_login",
]

SCOPE = "https://www.googleapis.com/auth/drive"
"""Reading what another account shares needs this scope; ``drive.file`` shows an app only its own files."""

OF_THE_MACHINE = "machine"
"""Of a login that only the machine itself can renew, such as a Colab notebook's."""

TOKEN_URI = "https://oauth2.googleapis.com/token"
MAX_LOGIN = 64 * 1024


def login_file(email: str) -> Path:
    """Where the login of a participant lies on this machine."""
    return participant_dir(home(), email) / "google-login.json"


class FileCredentials(Credentials):
    """Credentials whose refreshed tokens go back to the file they came from.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        document = _read(path)
        super().__init__(**_arguments(document))  # type: ignore[no-untyped-call]
        self._path = path

    def refresh(self, request: google.auth.transport.Request) -> None:
        """Get a new access token, or take over the one that another process has got meanwhile."""
        with locked(self._path):
            document = _read(self._path)
            stored = _arguments(document)
            another = stored["token"] != self.token
            self._take_over(stored)
            if another and not _is_over(stored["expiry"]):
                return
            if document.get("renewed_by") == OF_THE_MACHINE:
                self._refresh_by_the_machine(request)
            else:
                super().refresh(request)  # type: ignore[no-untyped-call]
            write_private(self._path, _document(self, document))

    def _refresh_by_the_machine(self, request: google.auth.transport.Request) -> None:
        try:
            machine: Any = google.auth.default(scopes=[SCOPE])[0]
        except google.auth.exceptions.DefaultCredentialsError as error:
            raise google.auth.exceptions.RefreshError(str(error)) from error  # type: ignore[no-untyped-call]
        machine.refresh(request)
        self.token, self.expiry = machine.token, machine.expiry

    def renew(self) -> bool:
        """Take over what somebody who has logged in again has left in the file; whether it is another."""
        stored = _arguments(_read(self._path))
        if stored["token"] == self.token:
            return False
        self._take_over(stored)
        return True

    def _take_over(self, stored: Mapping[str, Any]) -> None:
        self.token, self.expiry = stored["token"], stored["expiry"]
        self._refresh_token, self._token_uri = stored["refresh_token"], stored["token_uri"]
        self._client_id, self._client_secret = stored["client_id"], stored["client_secret"]


def _is_over(expiry: datetime | None) -> bool:
    return expiry is not None and expiry <= datetime.now(UTC).replace(tzinfo=None)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = loads(read_private(path, MAX_LOGIN))
    except FileNotFoundError:
        document = None
    except ValueError:
        document = {}
    if not isinstance(document, dict) or not document.get("token", document.get("refresh_token")):
        said = (
            "There is no login for Google Drive"
            if document is None
            else "The login for Google Drive is damaged"
        )
        raise TransportError(f"{said} ({path}).", hint="Type: syft-flwr login")
    return document


def _arguments(document: Mapping[str, Any]) -> dict[str, Any]:
    expiry = document.get("expiry")
    return {
        "token": document.get("token"),
        "refresh_token": document.get("refresh_token"),
        "token_uri": document.get("token_uri") or TOKEN_URI,
        "client_id": document.get("client_id"),
        "client_secret": document.get("client_secret"),
        "scopes": document.get("scopes"),
        # google-auth compares naive times in UTC.
        "expiry": datetime.fromisoformat(expiry).astimezone(UTC).replace(tzinfo=None) if expiry else None,
    }


def _document(credentials: Any, more: Mapping[str, Any]) -> bytes:
    expiry = credentials.expiry
    own = isinstance(credentials, Credentials) and more.get("renewed_by") != OF_THE_MACHINE
    document = {
        **({} if own else {"renewed_by": OF_THE_MACHINE}),
        **more,
        "type": "authorized_user",
        "token": credentials.token,
        "refresh_token": credentials.refresh_token if own else None,
        "token_uri": credentials.token_uri if own else None,
        "client_id": credentials.client_id if own else None,
        "client_secret": credentials.client_secret if own else None,
        "scopes": list(credentials.scopes or []),
        "expiry": expiry.replace(tzinfo=UTC).isoformat() if expiry else None,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def save_login(path: Path, credentials: Any, account: str) -> None:
    """Keep what a login ended with, 0600, replacing what was there.

    Parameters
    ----------
    path : Path
        The file.
    credentials : google.auth.credentials.Credentials
        What Google gave.
    account : str
        The e-mail of the Google account that it belongs to.
    """
    with locked(path):
        write_private(path, _document(credentials, {"account": account}))


def load_login(path: Path) -> FileCredentials:
    """The login in ``path``.

    Raises
    ------
    TransportError
        If there is none.
    TrustError
        If others can read it.
    """
    return FileCredentials(path)


def is_login_of(path: Path, server: str) -> bool:
    """Whether there is a login in ``path`` that ``server`` itself has given: to no other it may be shown."""
    if not path.exists():
        return False
    return str(_read(path).get("token_uri")).startswith(f"{server.rstrip('/')}/")


def fixed_credentials(token: str) -> Any:
    """A ready access token, which cannot be refreshed."""
    return Credentials(token=token)  # type: ignore[no-untyped-call]
