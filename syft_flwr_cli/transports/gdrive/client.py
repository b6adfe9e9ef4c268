"""Calls to Google Drive through the official client: retried, paced, counted and explained.

A call is repeated while its failure may pass (rate limits, 5xx, lost connections, a Drive that only
claims to be full), with exponential backoff and full jitter up to 64 s, until ``patience`` seconds
are over. Because any failure may have come after the write, callers make their writes repeatable. One
HTTP connection per thread, as httplib2 needs it. Knows nothing of paths and readers.
"""

import json
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import google_auth_httplib2
import httplib2
from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError
from googleapiclient.http import build_http

from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.transports.base import TransientError
from syft_flwr_cli.transports.gdrive.errors import NETWORK, Verdict, explain, judge
from syft_flwr_cli.transports.gdrive.meter import Meter, Pacer
from syft_flwr_cli.transports.gdrive.tuning import Tuning
from syft_flwr_cli.transports.retry import policy

__all__ = ["DriveClient", "is_verdict"]

T = TypeVar("T")
WRITES = ("files.create", "files.update", "files.delete", "permissions.create", "permissions.delete")


def is_verdict(error: BaseException, verdict: Verdict) -> bool:
    """Whether an error means ``verdict``."""
    return judge(error) is verdict


class DriveClient:
    """One account's calls.

    Parameters
    ----------
    email : str
        Whose account, for the sentences.
    credentials : google.auth.credentials.Credentials
        Its login.
    endpoint : str, optional
        Another server than Google's, such as ``http://127.0.0.1:4711``.
    tuning : Tuning
        How fast, how patient.
    seed : int, optional
        Of the jitter.
    """

    def __init__(
        self, email: str, credentials: Any, endpoint: str | None, tuning: Tuning, seed: int | None = None
    ) -> None:
        self.email = email
        self.tuning = tuning
        self.meter = Meter()
        self._credentials = credentials
        self._random = random.Random(seed)
        self._closing = threading.Event()
        self._pacer = Pacer(tuning.writes_per_second, tuning.burst, self.pause)
        self._local = threading.local()
        self._https: list[Any] = []
        self._lock = threading.Lock()
        self.api = _service(endpoint, self._http())

    def call(self, kind: str, request: Any, doing: str, patience: float | None = None) -> Any:
        """Carry out a request of the official client; its parsed answer.

        Parameters
        ----------
        kind : str
            Google's name of the method, such as ``files.list``.
        request : googleapiclient.http.HttpRequest
            What to do; it may be done more than once.
        doing : str
            For the sentence, such as ``list a folder``.
        patience : float, optional
            Seconds to try for, if not those of the tuning.

        Raises
        ------
        HttpError
            404, 409 and 410, for the caller to make sense of.
        TransportError
            Anything else that does not pass in time.
        """
        size = len(request.body or b"")

        def once() -> Any:
            self.meter.count(kind, sent=size if kind in WRITES else 0)
            return request.execute(http=self._http())

        return self.persist(kind, once, doing, patience)

    def send(
        self, kind: str, uri: str, method: str, headers: Mapping[str, str], body: bytes | str | None = None
    ) -> tuple[Any, bytes]:
        """One plain request, tried once: response and content, whatever the status."""
        self.meter.count(kind, sent=len(body or b""))
        response, content = self._http().request(uri, method=method, body=body, headers=dict(headers))
        return response, content

    def persist(self, kind: str, once: Callable[[], T], doing: str, patience: float | None = None) -> T:
        """Do ``once`` until it succeeds or patience is over; see `call` for what is raised."""

        def attempt() -> T:
            if kind in WRITES:
                self._pacer.write()
            return once()

        def may_pass(error: BaseException) -> bool:
            if not isinstance(error, (HttpError, *NETWORK)):
                return False
            verdict = judge(error)
            if verdict is Verdict.FINAL:
                return self._renewed()
            return verdict is Verdict.LATER or (verdict is Verdict.FULL and not self._is_full())

        try:
            return policy(
                self.tuning.patience if patience is None else patience,
                may_pass,
                first=self.tuning.backoff,
                longest=self.tuning.backoff_cap,
                sleep=self.pause,
                chance=self._random,
            )(attempt)
        except TransportError:
            raise
        except Exception as error:
            if isinstance(error, (HttpError, *NETWORK)) and judge(error) in (Verdict.MISSING, Verdict.TAKEN):
                raise
            raise explain(error, doing, self.email) from error

    def give_up(self, doing: str) -> TransientError:
        """The error for what did not succeed although each try was answered."""
        return TransientError(f"Google Drive did not {doing}.", hint="It is tried again; wait.")

    def pause(self, seconds: float) -> None:
        """Sleep, unless the transport is closed meanwhile."""
        if self._closing.wait(seconds):
            raise TransientError("Google Drive was let go of before it had answered.", hint="Start again.")

    def jitter(self, seconds: float) -> float:
        """``seconds``, a little more or less, so that many participants do not ask at the same moment."""
        return seconds * self._random.uniform(0.85, 1.15)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closing.is_set()

    def close(self) -> None:
        """Let go of every connection; calls that wait end soon."""
        self._closing.set()
        with self._lock:
            for one in self._https:
                one.close()

    def _renewed(self) -> bool:
        """Whether somebody has logged in again meanwhile, so that the same call may be allowed now."""
        renew = getattr(self._credentials, "renew", None)
        return renew is not None and bool(renew())

    def _is_full(self) -> bool:
        """Whether the Drive says of itself that it has no room; a refused write alone proves little."""
        self.meter.count("about.get")
        try:
            answer = self.api.about().get(fields="storageQuota").execute(http=self._http())
            quota = answer["storageQuota"]
            room = int(quota["limit"]) - int(quota["usage"]) if "limit" in quota else None
        except (HttpError, KeyError, ValueError, *NETWORK):
            return False
        return room is not None and room < _SPARE

    def _http(self) -> Any:
        http = getattr(self._local, "http", None)
        if http is None:
            plain: httplib2.Http = build_http()  # unlike a bare Http it does not follow a 308
            plain.timeout = self.tuning.timeout
            http = self._local.http = google_auth_httplib2.AuthorizedHttp(self._credentials, http=plain)
            with self._lock:
                self._https.append(http)
        return http


_SPARE = 64 << 20
"""A Drive with less room than this, in bytes, counts as full when it refuses a write."""


def _service(endpoint: str | None, http: Any) -> Any:
    """The official client, built from the discovery document it ships with; no request is made."""
    document = json.loads(get_static_doc("drive", "v3"))
    options = {}
    if endpoint:
        # Uploads go to the document's root whatever the endpoint of the options says.
        root = endpoint.rstrip("/") + "/"
        document["rootUrl"] = root
        options["api_endpoint"] = root + document["servicePath"]
    return build_from_document(document, http=http, client_options=options)
