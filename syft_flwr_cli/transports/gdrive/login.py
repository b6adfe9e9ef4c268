"""How a person lets syft-flwr into their Google Drive, once per machine: OAuth for installed apps.

Three ways to the same login file: a browser on this machine (a loop-back server takes Google's answer),
a browser anywhere else (the address that it ends on is pasted), or a ready login (a file; Colab's own).
The scope is ``drive``, because reading what another account shares needs it. Knows no command line: what
is shown to the person and what the person answers goes through two callables.
"""

import contextlib
import importlib.util
import sys
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.transport.requests
from google_auth_oauthlib.flow import InstalledAppFlow
from oauthlib.oauth2.rfc6749.errors import OAuth2Error  # type: ignore[import-untyped]

from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.storage.paths import read_private, write_private
from syft_flwr_cli.transports.gdrive.auth import SCOPE, fixed_credentials, load_login, login_file, save_login
from syft_flwr_cli.transports.gdrive.client import DriveClient
from syft_flwr_cli.transports.gdrive.tuning import Tuning

__all__ = [
    "Account",
    "check_login",
    "colab_credentials",
    "in_colab",
    "keep_login",
    "log_in",
    "log_out",
    "read_client",
    "ready_credentials",
]

BROWSER_WAIT = 300
MAX_FILE = 64 * 1024
PASTE_ADDRESS = "http://localhost:8085/"
REASON = (
    "syft-flwr asks for the scope 'drive' (see and change your files): only with it can it read the folders "
    "that your peers share with you. It touches nothing outside the folder 'syft-flwr' and those folders."
)


@dataclass(frozen=True, slots=True)
class Account:
    """Who is logged in, and how much room there is; ``room`` in bytes, None if it is unlimited."""

    email: str
    room: int | None


def read_client(home: Path, given: Path | None) -> dict[str, Any]:
    """The OAuth client of the Cloud project: from a file that is kept for the next time, or the kept one.

    Raises
    ------
    UsageError
        If there is none, or it is not one for a desktop app.
    """
    kept = home / "google-client.json"
    source = given or kept
    try:
        data = read_private(kept, MAX_FILE) if given is None else given.read_bytes()[: MAX_FILE + 1]
        document = loads(data)
    except FileNotFoundError:
        raise UsageError(
            f"There is no {source}." if given else "No OAuth client is known on this machine.",
            hint="Make one in the Google Cloud console, as docs/google-drive.md shows step by step, "
            "download its JSON, and type: syft-flwr login --client-secrets FILE",
        ) from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{source} cannot be read as JSON: {error}.", hint="Download it again.") from error
    if not isinstance(document, dict) or not isinstance(document.get("installed"), dict):
        kind = "a web application" if isinstance(document, dict) and "web" in document else "something else"
        raise UsageError(
            f"{source} is an OAuth client for {kind}, not for a desktop app.",
            hint="In the Cloud console, create an OAuth client ID of the application type 'Desktop app'.",
        )
    if given is not None:
        write_private(kept, data)
    return document


def log_in(
    client: dict[str, Any],
    email: str | None,
    *,
    browser: bool,
    tell: Callable[[str], None],
    ask: Callable[[str], str],
) -> Any:
    """Let the person sign in; the credentials that Google gives.

    Parameters
    ----------
    client : dict
        What `read_client` gave.
    email : str | None
        Which account to propose.
    browser : bool
        Whether to open one here; otherwise the address is pasted.
    tell, ask : callables
        Show a text; show a text and return what is typed.

    Raises
    ------
    TransportError
        If Google is not reached, or the person does not agree.
    """
    tell(REASON)
    flow = InstalledAppFlow.from_client_config(client, scopes=[SCOPE])
    options = {"access_type": "offline", "prompt": "consent"}
    if email:
        options["login_hint"] = email
    try:
        if browser:
            # The library prints the address; stdout belongs to the result.
            with contextlib.redirect_stdout(sys.stderr):
                return flow.run_local_server(
                    port=0,
                    timeout_seconds=BROWSER_WAIT,
                    authorization_prompt_message="If no browser opens, visit {url}\n"
                    "(or stop with Ctrl-C and use --no-browser).",
                    success_message="syft-flwr is logged in. You may close this window.",
                    **options,
                )
        return _by_paste(flow, options, tell, ask)
    except Warning as warning:  # oauthlib's way to say that other scopes were granted than were asked for
        raise _wrong_scope(email) from warning
    except (OAuth2Error, OSError, google.auth.exceptions.GoogleAuthError, AttributeError) as error:
        raise TransportError(
            f"The login was not completed: {str(error) or type(error).__name__}.",
            hint="Type syft-flwr login again; on a machine without a browser: syft-flwr login --no-browser",
        ) from error


def _by_paste(
    flow: Any, options: dict[str, str], tell: Callable[[str], None], ask: Callable[[str], str]
) -> Any:
    flow.redirect_uri = PASTE_ADDRESS
    address, state = flow.authorization_url(**options)
    tell(
        f"Open this address in any browser, on any machine, and agree:\n\n{address}\n\n"
        "At the end the browser fails to open a page at localhost: that is right. Copy the whole address "
        "of that page."
    )
    pasted = urllib.parse.urlsplit(ask("The address: ").strip())
    answer = urllib.parse.parse_qs(pasted.query)
    if "error" in answer:
        raise TransportError(
            f"Google says: {answer['error'][0]}.", hint="Type syft-flwr login again and agree on every page."
        )
    if "code" not in answer or answer.get("state") != [state]:
        raise UsageError(
            "That is not the address that this login ends on.",
            hint=f"It begins with {PASTE_ADDRESS} and holds '&code='; copy all of it, from the same login.",
        )
    flow.fetch_token(code=answer["code"][0])
    return flow.credentials


def ready_credentials(source: Path) -> Any:
    """The credentials in a file: a Google "authorized user" document, or a bare access token.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    try:
        text = source.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source} cannot be read: {error}.", hint="Give the file of a login.") from error
    if not text.startswith("{"):
        return fixed_credentials(text)
    from google.oauth2.credentials import Credentials

    try:
        document = loads(text)
        names = ("refresh_token", "client_id", "client_secret", "scopes")
        more = {name: document.get(name) for name in names}
        where = document.get("token_uri") or "https://oauth2.googleapis.com/token"
        return Credentials(token=document.get("token"), token_uri=where, **more)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise UsageError(f"{source} is no JSON: {error}.", hint="Give the file of a login.") from error


def in_colab() -> bool:
    """Whether this is a notebook in Google Colab, which has a login of its own."""
    try:
        return importlib.util.find_spec("google.colab") is not None
    except ModuleNotFoundError:
        return False


def colab_credentials() -> Any:
    """The login of the notebook's user."""
    from importlib import import_module

    import_module("google.colab.auth").authenticate_user()
    return google.auth.default(scopes=[SCOPE])[0]


def check_login(credentials: Any, email: str | None, endpoint: str | None) -> Account:
    """Ask Drive who this is, and whether it may be used.

    Raises
    ------
    TransportError
        If the login does not hold, lacks the scope, or is not ``email``'s.
    """
    client = DriveClient(email or "this account", credentials, endpoint, Tuning(patience=15.0, backoff=0.5))
    try:
        request = client.api.about().get(fields="user(emailAddress),storageQuota(limit,usage)")
        answer = client.call("about.get", request, "ask who is logged in")
        # about.get is answered to lesser scopes too; a listing is not.
        listing = client.api.files().list(pageSize=1, fields="files(id)")
        client.call("files.list", listing, "list files")
    finally:
        client.close()
    account = str(answer["user"]["emailAddress"]).lower()
    if email is not None and account != email:
        raise TransportError(
            f"You have logged in as {account}, not as {email}.",
            hint=f"Choose {email} on Google's page, or take part as {account}: --email {account}",
        )
    quota = answer.get("storageQuota", {})
    room = int(quota["limit"]) - int(quota.get("usage", 0)) if "limit" in quota else None
    return Account(account, room)


def keep_login(credentials: Any, account: Account) -> Path:
    """Write the login down for this participant; where."""
    path = login_file(account.email)
    save_login(path, credentials, account.email)
    return path


def log_out(email: str) -> bool:
    """Revoke the login at Google and delete it here; whether Google was told.

    Raises
    ------
    TransportError
        If there is no login.
    """
    path = login_file(email)
    credentials: Any = load_login(path)
    base = credentials.token_uri.removesuffix("/token")
    token = urllib.parse.quote(credentials.refresh_token or credentials.token or "")
    try:
        request = google.auth.transport.requests.Request()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = request(f"{base}/revoke", method="POST", body=f"token={token}", headers=headers)
        told = bool(answer.status in (200, 400))  # 400: it did not hold any more
    except google.auth.exceptions.TransportError:
        told = False
    path.unlink(missing_ok=True)
    return told


def _wrong_scope(email: str | None) -> TransportError:
    who = email or "this account"
    return TransportError(
        f"The login of {who} does not allow syft-flwr to see and change files on Google Drive.",
        hint="Type syft-flwr login again and tick the box for Google Drive on Google's page.",
    )
