"""How the emulator says no: Google's status codes, reasons and JSON, and nothing else.

Every refusal is an `ApiError`; the constructors below are the ones that Drive is known to give, with
the reasons of its published table of errors. This module knows no request and no file.
"""

from typing import Any

__all__ = ["RATE_REASONS", "ApiError", "bad_request", "forbidden", "injected", "not_found", "unauthorized"]

RATE_REASONS = ("userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded")
"""Reasons of a 403 that mean: later."""

_MESSAGES = {
    "userRateLimitExceeded": "User Rate Limit Exceeded",
    "rateLimitExceeded": "Rate Limit Exceeded",
    "sharingRateLimitExceeded": "Rate limit exceeded. User message: 'Sorry, you have exceeded your quota.'",
    "storageQuotaExceeded": "The user's Drive storage quota has been exceeded.",
    "insufficientFilePermissions": "The user does not have sufficient permissions for this file.",
    "domainPolicy": "The domain administrators have disabled Drive apps.",
    "accessNotConfigured": "Google Drive API has not been used in project 1234567890 before or it is "
    "disabled. Enable it by visiting https://console.developers.google.com/apis/api/drive.googleapis.com/overview"
    "?project=1234567890 then retry.",
    "insufficientPermissions": "Request had insufficient authentication scopes.",
    "fieldNotWritable": "The resource body includes fields which are not directly writable.",
}
_USAGE = frozenset({*RATE_REASONS, "accessNotConfigured"})


class ApiError(Exception):
    """A refusal in Google's form.

    Parameters
    ----------
    status : int
        The HTTP status.
    reason : str
        Google's machine-readable reason.
    message : str
        Google's sentence.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message

    def document(self) -> dict[str, Any]:
        """The JSON that Google would answer with."""
        domain = "usageLimits" if self.reason in _USAGE else "global"
        detail = {"message": self.message, "domain": domain, "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


def bad_request(message: str, reason: str = "badRequest") -> ApiError:
    """400: the request is not one that Drive knows."""
    return ApiError(400, reason, message)


def unauthorized() -> ApiError:
    """401: the token is missing, unknown, expired or revoked."""
    return ApiError(401, "authError", "Invalid Credentials")


def forbidden(reason: str) -> ApiError:
    """403 with one of Drive's reasons."""
    return ApiError(403, reason, _MESSAGES.get(reason, reason))


def not_found(file: str) -> ApiError:
    """404: no such file, or none that this account may see."""
    return ApiError(404, "notFound", f"File not found: {file}.")


def injected(kind: str) -> ApiError:
    """The refusal that a fault of this kind stands for: a reason of a 403, or a status."""
    if kind.isdigit():
        status = int(kind)
        reason = {429: "rateLimitExceeded", 503: "backendError"}.get(status)
        message = {429: "Too many requests"}.get(
            status, "Internal Error" if status >= 500 else "Invalid Value"
        )
        return ApiError(status, reason or ("internalError" if status >= 500 else "invalid"), message)
    return forbidden(kind)
