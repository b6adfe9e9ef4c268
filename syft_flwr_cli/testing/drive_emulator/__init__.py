"""Google Drive as a test double: a real HTTP server that the unmodified official client talks to.

Several accounts, bearer tokens that say who one is, ownership, sharing, lagging searches, resumable
uploads that break, quotas, and every failure that Drive is known for, drawn from a seed. What it is
asked is checked against the discovery document of google-api-python-client and written down.
Needs the extra ``emulator``; nothing of the package but tests, ``login`` and ``simulate`` uses it.
"""

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wsgi import get_input_stream

from syft_flwr_cli.testing.drive_emulator.calls import Reply
from syft_flwr_cli.testing.drive_emulator.faults import KINDS, Fault, Faults
from syft_flwr_cli.testing.drive_emulator.ledger import Call, Ledger
from syft_flwr_cli.testing.drive_emulator.oauth import DRIVE, OAuth
from syft_flwr_cli.testing.drive_emulator.records import File
from syft_flwr_cli.testing.drive_emulator.server import State, application
from syft_flwr_cli.testing.drive_emulator.store import Drive

__all__ = ["KINDS", "Call", "Emulator", "Fault", "File", "start"]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are written down in the ledger, not on stderr."""

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Close a connection that is to be cut; it would be kept open for another request."""
        self.close_connection = True


class Emulator:
    """A running emulator; a context manager that stops it."""

    def __init__(self, state: State, port: int, scratch: tempfile.TemporaryDirectory[str] | None) -> None:
        self._state = state
        self._scratch = scratch
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        app = application(state, self._admin)
        self._server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="drive-emulator", daemon=True
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where it listens, such as ``http://127.0.0.1:4711``; the value of SYFT_FLWR_DRIVE_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def token(self, email: str, scope: str = "") -> str:
        """A bearer token that always holds; ``scope`` such as ``drive.file`` for less than all."""
        return f"emulator:{email}" + (f":{scope}" if scope else "")

    def authorized_user(self, email: str, scope: str = DRIVE) -> dict[str, Any]:
        """The content of a token file as a sign-in ends with it: refreshable, expiring."""
        with self._state.lock:
            issued = self._state.oauth.issue(email, self._state.drive.clock(), scope)
        return {
            "type": "authorized_user",
            "client_id": "emulator.apps.googleusercontent.com",
            "client_secret": "emulator",
            "token": issued["access_token"],
            "refresh_token": issued["refresh_token"],
            "token_uri": f"{self.endpoint}/token",
            "scopes": [scope],
        }

    def client_secrets(self) -> dict[str, Any]:
        """The content of a ``client_secret.json`` whose addresses are the emulator's."""
        return {
            "installed": {
                "client_id": "emulator.apps.googleusercontent.com",
                "project_id": "emulator",
                "auth_uri": f"{self.endpoint}/o/oauth2/auth",
                "token_uri": f"{self.endpoint}/token",
                "client_secret": "emulator",
                "redirect_uris": ["http://localhost"],
            }
        }

    # -- looking -----------------------------------------------------------------------------------

    def calls(self, *, who: str | None = None, method: str | None = None) -> list[Call]:
        """The calls so far, of an account, a method, or both."""
        with self._state.lock:
            return self._state.ledger.select(who=who, method=method)

    def touched(self, who: str, ids: Collection[str]) -> list[Call]:
        """The calls in which ``who`` read, wrote or listed any of these files."""
        with self._state.lock:
            return self._state.ledger.touched(who, ids)

    def forget_calls(self) -> None:
        """Begin to count from nothing."""
        with self._state.lock:
            self._state.ledger.calls.clear()

    def files(self, owner: str | None = None, *, folders: bool = False) -> list[File]:
        """What lies there: files (or folders, without My Drive itself) of one account or of all."""
        with self._state.lock:
            return [
                file
                for file in self._state.drive.files.values()
                if (owner is None or file.owner == owner)
                and file.parent is not None
                and (file.body is None) is folders
            ]

    def refreshes(self) -> int:
        """How often an access token has been refreshed."""
        with self._state.lock:
            return self._state.oauth.refreshes

    # -- meddling ----------------------------------------------------------------------------------

    def chaos(self, rate: float, kinds: tuple[str, ...] = KINDS, after: float = 0.5) -> None:
        """Let a share of all calls fail; see `Faults.chaos`."""
        with self._state.lock:
            self._state.faults.chaos(rate, kinds, after)

    def script(self, call: str, fault: Fault, *, times: int = 1, skip: int = 0, who: str = "*") -> None:
        """Let the next matching calls fail; see `Faults.script`."""
        with self._state.lock:
            self._state.faults.script(call, fault, times=times, skip=skip, who=who)

    def calm(self) -> None:
        """Nothing fails any more."""
        with self._state.lock:
            self._state.faults.clear()
            self._state.api_disabled = False

    def settings(self, **values: Any) -> None:
        """Change how Drive is: ``lag``, ``feed_lag``, ``feed_loss``, ``feed_repeats``, ``limit``,
        ``open_accounts``, ``units_per_minute``, ``api_disabled``, ``unticked`` (sign-ins grant no Drive),
        ``latency`` (least, most), ``token_lifetime``."""
        state = self._state
        places: dict[str, tuple[object, str]] = {
            "lag": (state.drive, "lag"),
            "feed_lag": (state.drive, "feed_lag"),
            "feed_loss": (state.drive, "feed_loss"),
            "feed_repeats": (state.drive, "feed_repeats"),
            "limit": (state.drive, "limit"),
            "open_accounts": (state.drive, "open_accounts"),
            "units_per_minute": (state.ledger, "units_per_minute"),
            "api_disabled": (state, "api_disabled"),
            "unticked": (state.oauth, "unticked"),
            "token_lifetime": (state.oauth, "lifetime"),
            "latency": (state.faults, "latency"),
        }
        with state.lock:
            for name, value in values.items():
                target, attribute = places[name]
                setattr(target, attribute, value)

    def account(self, email: str, *, limit: int | None = None, sharing_refused: bool | None = None) -> None:
        """Open an account, or change what it may do."""
        with self._state.lock:
            account = self._state.drive.account(email, create=True)
            assert account is not None
            account.limit = account.limit if limit is None else limit
            account.sharing_refused = account.sharing_refused if sharing_refused is None else sharing_refused

    def revoke(self, token_or_email: str) -> None:
        """Let a token, or all of an account's, hold no longer."""
        with self._state.lock:
            self._state.oauth.revoke(token_or_email)

    def restore(self, email: str) -> None:
        """Let an account's tokens hold again."""
        with self._state.lock:
            self._state.oauth.restore(email)

    def expire(self, token: str) -> None:
        """Let an access token expire now."""
        with self._state.lock:
            self._state.oauth.expire(token)

    def stop(self) -> None:
        """Stop serving and drop everything."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- what is not Drive's -----------------------------------------------------------------------

    def _admin(self, environ: dict[str, Any]) -> Reply | None:
        path, oauth = environ["PATH_INFO"], self._state.oauth
        query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        raw = b""
        if path in ("/token", "/revoke") or path.startswith("/emulator/"):
            raw = get_input_stream(environ).read()
        form = {name: values[0] for name, values in parse_qs(raw.decode("utf-8", "replace")).items()}
        with self._state.lock:
            if path == "/o/oauth2/auth":
                code, target = oauth.authorize(query)
                answer = urlencode(
                    {"code": code, "state": query.get("state", ""), "scope": query.get("scope", "")}
                )
                return Reply(302, None, [("Location", f"{target}?{answer}")])
            if path == "/token":
                status, document = oauth.exchange(form, self._state.drive.clock())
                return Reply(status, document)
            if path == "/revoke":
                oauth.revoke(form.get("token", query.get("token", "")))
                return Reply(200, {})
            if path == "/emulator/calls":
                calls = [{**_fields(call), "units": call.units} for call in self._state.ledger.calls]
                return Reply(200, {"calls": calls})
        if path == "/emulator/faults":
            return self._set_faults(json.loads(raw or b"{}"))
        return None

    def _set_faults(self, wish: dict[str, Any]) -> Reply:
        """Any of ``calm: true`` and the keyword arguments of ``chaos``, ``script`` and ``settings``."""
        if wish.get("calm"):
            self.calm()
        if "chaos" in wish:
            chaos = dict(wish["chaos"])
            if "kinds" in chaos:
                chaos["kinds"] = tuple(chaos["kinds"])
            self.chaos(**chaos)
        if "script" in wish:
            script = dict(wish["script"])
            self.script(fault=Fault(**script.pop("fault")), **script)
        self.settings(**wish.get("settings", {}))
        return Reply(200, {})


def _fields(call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in Call.__slots__}


def start(
    accounts: Collection[str] = (),
    *,
    port: int = 0,
    seed: int = 0,
    lag: float = 0.0,
    feed_lag: float = 0.0,
    directory: Path | None = None,
    clock: Callable[[], float] = time.time,
) -> Emulator:
    """Start an emulator in a thread of this process.

    Parameters
    ----------
    accounts : Collection[str]
        E-mails that have a Google account. If empty, everybody has who is heard of.
    port : int
        On 127.0.0.1; 0 for any.
    seed : int
        Of what goes wrong.
    lag, feed_lag : float
        Seconds until a search, or the change feed, knows of a write.
    directory : Path | None
        Where bodies lie; a temporary one if None.
    clock : Callable[[], float]
        Seconds since 1970.
    """
    scratch = None
    if directory is None:
        scratch = tempfile.TemporaryDirectory(prefix="drive-emulator-")
        directory = Path(scratch.name)
    directory.mkdir(parents=True, exist_ok=True)
    drive = Drive(clock=clock, lag=lag, feed_lag=feed_lag, open_accounts=not accounts)
    for email in accounts:
        drive.account(email, create=True)
    state = State(drive, directory, faults=Faults(seed), ledger=Ledger(), oauth=OAuth())
    return Emulator(state, port, scratch)
