"""``syft-flwr login``: let syft-flwr into one's Google Drive, once per machine."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from syft_flwr_cli.cli.options import Email, Json
from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.project.settings import named_email
from syft_flwr_cli.storage.paths import home
from syft_flwr_cli.ui import output

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(
        epilog="Examples: syft-flwr login --client-secrets client_secret.json   ·   "
        "syft-flwr login --no-browser   ·   syft-flwr login --status"
    )
    def login(
        email: Email = None,
        browser: Annotated[
            bool, typer.Option("--browser/--no-browser", help="Open a browser here, or paste an address.")
        ] = True,
        client_secrets: Annotated[
            Path | None,
            typer.Option(help="The OAuth client's JSON; needed once.", metavar="FILE", show_default=False),
        ] = None,
        token_file: Annotated[
            Path | None, typer.Option(help="A ready login instead.", metavar="FILE", show_default=False)
        ] = None,
        status: Annotated[
            bool, typer.Option("--status", help="Say who is logged in, and if it holds.")
        ] = False,
        logout: Annotated[bool, typer.Option("--logout", help="Revoke the login and delete it.")] = False,
        as_json: Json = False,
    ) -> None:
        """Log in to Google Drive (for the transport gdrive); docs/google-drive.md shows every step."""
        if sum([status, logout, token_file is not None or client_secrets is not None]) > 1:
            raise UsageError(
                "--status, --logout and logging in exclude each other.", hint="Give one of them."
            )
        try:
            from syft_flwr_cli.transports.gdrive import login as google
        except ModuleNotFoundError as error:
            raise UsageError(
                f"Google Drive needs packages that are not installed ({error.name}).",
                hint="Type: pip install 'syft-flwr-cli[gdrive]'",
            ) from error
        who = named_email(email)
        if logout:
            _log_out(google, _one(who), as_json)
        elif status:
            _status(google, _one(who), as_json)
        else:
            _log_in(google, who, browser, client_secrets, token_file, as_json)


def _log_in(
    google: Any, who: str | None, browser: bool, secrets: Path | None, token_file: Path | None, as_json: bool
) -> None:
    if token_file is not None:
        credentials = google.ready_credentials(token_file)
    elif google.in_colab():
        credentials = google.colab_credentials()
    else:
        client = google.read_client(home(), secrets)
        credentials = google.log_in(client, who, browser=browser, tell=output.note, ask=_ask)
    account = google.check_login(credentials, who, _endpoint())
    path = google.keep_login(credentials, account)
    if as_json:
        output.emit_json({"email": account.email, "room": account.room, "file": str(path)})
        return
    output.out().print(f"Logged in to Google Drive as {account.email} ({_room(account.room)}).", markup=False)
    output.note(f"The login is kept in {path}. next: run with --transport gdrive --email {account.email}")


def _status(google: Any, who: str, as_json: bool) -> None:
    from syft_flwr_cli.transports.gdrive.auth import load_login, login_file

    account = google.check_login(load_login(login_file(who)), who, _endpoint())
    if as_json:
        output.emit_json({"email": account.email, "room": account.room, "file": str(login_file(who))})
        return
    output.out().print(f"{account.email} is logged in to Google Drive ({_room(account.room)}).", markup=False)


def _log_out(google: Any, who: str, as_json: bool) -> None:
    told = google.log_out(who)
    if as_json:
        output.emit_json({"email": who, "revoked": told})
        return
    output.out().print(f"{who} is logged out of Google Drive on this machine.", markup=False)
    if not told:
        output.note(
            "Google could not be told. Revoke the access yourself at https://myaccount.google.com/permissions"
        )


def _one(who: str | None) -> str:
    """Whoever is meant: said, or the only one who has logged in on this machine."""
    if who is not None:
        return who
    found = sorted(path.parent.name for path in (home() / "participants").glob("*/google-login.json"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise TransportError(
            "Nobody is logged in to Google Drive on this machine.", hint="Type: syft-flwr login"
        )
    raise UsageError(
        "Several participants are logged in.", hint=f"Give one with --email: {', '.join(found)}."
    )


def _ask(prompt: str) -> str:
    if sys.stdin.isatty():
        return input(prompt)
    line = sys.stdin.readline()
    if not line:
        raise UsageError(
            "The address that the login ends on has to be given, and there is no terminal.",
            hint="Write it to the standard input, or log in elsewhere and give --token-file FILE.",
        )
    return line


def _endpoint() -> str | None:
    from syft_flwr_cli.transports.gdrive.open import ENDPOINT

    return os.environ.get(ENDPOINT) or None


def _room(room: int | None) -> str:
    return "unlimited room" if room is None else f"{room / 1e9:.1f} GB free"
