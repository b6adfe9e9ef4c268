"""What an error of Google Drive means: try again, not there, there already, or tell the person.

`judge` says what to do about an exception of the client library, the HTTP library or the network;
`explain` makes the one sentence and the remedy of it. A refusal for going too fast may come although
the write has been done, so nothing here concludes from an error that nothing has happened.
"""

import http.client
from enum import Enum
from typing import Any

import google.auth.exceptions
import httplib2
from googleapiclient.errors import HttpError

from syft_flwr_cli.errors import NotThereError, TransportError
from syft_flwr_cli.protocol.strict_json import loads
from syft_flwr_cli.transports.base import TransientError

__all__ = ["NETWORK", "Verdict", "explain", "judge", "reason_of"]

NETWORK = (OSError, httplib2.HttpLib2Error, http.client.HTTPException, google.auth.exceptions.TransportError)
"""What is raised when an answer does not come; the request may have been carried out."""

_LATER = {
    "userRateLimitExceeded",
    "rateLimitExceeded",
    "sharingRateLimitExceeded",
    "backendError",
    "internalError",
    "RATE_LIMIT_EXCEEDED",
}
_SCOPE = {"insufficientPermissions", "insufficientScopes", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}
_DISABLED = {"accessNotConfigured", "SERVICE_DISABLED"}
_SHARING = {
    "invalidSharingRequest",
    "domainPolicy",
    "sharingNotAllowed",
    "cannotShareTeamDriveWithNonGoogleAccounts",
    "publishOutNotPermitted",
    "shareOutNotPermitted",
}


class Verdict(Enum):
    """What to do about an error."""

    LATER = "try again later"
    FULL = "the Drive may be full"
    MISSING = "there is no such file"
    TAKEN = "there is a file of this id"
    FINAL = "trying again does not help"


def _detail(error: HttpError) -> dict[str, Any]:
    try:
        document = loads(error.content)
        found = document["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def reason_of(error: HttpError) -> str:
    """Google's machine-readable reason; empty if there is none."""
    for entry in _detail(error).get("errors", []):
        if isinstance(entry, dict) and entry.get("reason"):
            return str(entry["reason"])
    return ""


def judge(error: BaseException) -> Verdict:
    """What to do about an error of a call."""
    if isinstance(error, google.auth.exceptions.RefreshError):
        return Verdict.LATER if getattr(error, "retryable", False) else Verdict.FINAL
    if isinstance(error, NETWORK):
        return Verdict.LATER
    if not isinstance(error, HttpError):
        return Verdict.FINAL
    status, reason = int(error.resp.status), reason_of(error)
    if reason == "storageQuotaExceeded":
        return Verdict.FULL
    if status in (404, 410):
        return Verdict.MISSING
    if status == 409:
        return Verdict.TAKEN
    if status in (408, 429) or status >= 500 or reason in _LATER:
        return Verdict.LATER
    return Verdict.FINAL


def explain(error: BaseException, doing: str, email: str) -> TransportError:
    """The sentence and the remedy.

    Parameters
    ----------
    error : BaseException
        What was raised.
    doing : str
        What was being done, such as ``write FILE``.
    email : str
        Whose Drive it is.
    """
    again = f"syft-flwr login --email {email}" if "@" in email else "syft-flwr login"
    if isinstance(error, google.auth.exceptions.RefreshError):
        return TransportError(
            f"Google does not accept the login of {email} any more (it has expired or was revoked).",
            hint=f"Log in again: {again}. If that happens every seven days: the Cloud project is in "
            "'Testing', whose logins last seven days; set it to 'In production' (see docs/google-drive.md).",
        )
    if isinstance(error, HttpError):
        return _explain_refusal(error, doing, email, again)
    if isinstance(error, NETWORK):
        return TransientError(
            f"Google Drive cannot be reached to {doing} ({_cause(error)}).",
            hint="Check the network connection; what still runs goes on as soon as Drive answers again.",
        )
    return TransportError(
        f"Google Drive failed to {doing}: {error}.", hint="Try again; report it if it stays."
    )


def _explain_refusal(error: HttpError, doing: str, email: str, again: str) -> TransportError:
    status, reason = int(error.resp.status), reason_of(error)
    said = str(_detail(error).get("message") or f"status {status}").strip().rstrip(".")
    if status == 401:
        return TransportError(f"Google does not accept the login of {email}.", hint=f"Log in again: {again}")
    if reason in _SCOPE or "insufficient authentication scopes" in said:
        return TransportError(
            f"The login of {email} does not allow syft-flwr to see and change files on Google Drive.",
            hint=f"Log in again ({again}) and tick the box for Google Drive on Google's page.",
        )
    if reason in _DISABLED:
        return TransientError(
            "The Google Drive API is not enabled in the Cloud project that the login belongs to.",
            hint=f"Enable it (Google says: {said}); it takes a few minutes; what still runs goes on by itself.",
        )
    if judge(error) is Verdict.FULL:
        return TransientError(
            f"The Google Drive of {email} is full, so it could not {doing}.",
            hint="Free some space (empty the bin too, or: syft-flwr clean); what still runs goes on by itself.",
        )
    if reason in _SHARING or (status in (400, 403) and doing.startswith("share")):
        return TransportError(
            f"Google refuses to {doing}: {said}.",
            hint="Check that the recipient's e-mail is a Google account, and ask the administrator of the "
            "domain whether files may be shared with it.",
        )
    if judge(error) is Verdict.LATER:
        return TransientError(
            f"Google Drive is too busy to {doing} ({reason or status}: {said}).",
            hint="Wait; it is tried again. If it goes on for hours, look at the quotas in the Cloud console.",
        )
    if judge(error) is Verdict.MISSING:
        return NotThereError(
            f"There is nothing on Google Drive to {doing}.", hint="Wait for its owner to write it."
        )
    return TransportError(
        f"Google Drive refuses to {doing} ({reason or status}: {said}).",
        hint="See docs/google-drive.md for what this error means.",
    )


def _cause(error: BaseException) -> str:
    if isinstance(error, httplib2.ServerNotFoundError):
        return "its name cannot be looked up: no network"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
