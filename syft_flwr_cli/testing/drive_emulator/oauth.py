"""The emulator's sign-in: who a bearer token is, and a token endpoint that behaves like Google's.

``emulator:alice@lab.example`` is a token that always holds; ``emulator:alice@lab.example:drive.file`` one
of another scope. Tokens that come from the sign-in page and the token endpoint are random, expire,
are refreshed and can be revoked; a refresh token that no longer holds is ``invalid_grant``.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DRIVE", "Grant", "OAuth"]

DRIVE = "https://www.googleapis.com/auth/drive"


@dataclass(frozen=True, slots=True)
class Grant:
    """Who a token is, what for, and until when (seconds since 1970)."""

    email: str
    scope: str
    expires: float = float("inf")
    challenge: str = ""


class OAuth:
    """Tokens given out so far. Not thread-safe.

    Parameters
    ----------
    lifetime : float
        Seconds that an access token holds.
    """

    def __init__(self, lifetime: float = 3600.0) -> None:
        self.lifetime = lifetime
        self.unticked = False
        self._codes: dict[str, Grant] = {}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._revoked: set[str] = set()
        self.refreshes = 0

    def identify(self, header: str, now: float) -> Grant | None:
        """Whom an ``Authorization`` header stands for; None if it does not hold."""
        token = header.removeprefix("Bearer ")
        if token == header or token in self._revoked:
            return None
        if token.startswith("emulator:"):
            _, email, *scope = token.split(":")
            if email in self._revoked or "@" not in email:
                return None
            return Grant(email.lower(), f"{DRIVE}.{scope[0].removeprefix('drive.')}" if scope else DRIVE)
        grant = self._access.get(token)
        return grant if grant and grant.expires > now and grant.email not in self._revoked else None

    def authorize(self, query: Mapping[str, str]) -> tuple[str, str]:
        """The sign-in page, agreed to: the code, and where to send it. ``login_hint`` says who signs in."""
        scope = query.get("scope", "")
        if self.unticked:
            scope = "openid"
        code = "4/" + secrets.token_urlsafe(24)
        self._codes[code] = Grant(
            query.get("login_hint", "").lower(), scope, challenge=query.get("code_challenge", "")
        )
        return code, query.get("redirect_uri", "")

    def exchange(self, form: Mapping[str, str], now: float) -> tuple[int, dict[str, Any]]:
        """The token endpoint: status and JSON."""
        kind = form.get("grant_type")
        if kind == "authorization_code":
            grant = self._codes.pop(form.get("code", ""), None)
            if grant is None or not _proves(form.get("code_verifier", ""), grant.challenge):
                return 400, {"error": "invalid_grant", "error_description": "Malformed auth code."}
            refresh = "1//" + secrets.token_urlsafe(24)
            self._refresh[refresh] = grant
            return 200, {**self._access_token(grant, now), "refresh_token": refresh}
        if kind == "refresh_token":
            self.refreshes += 1
            grant = self._refresh.get(form.get("refresh_token", ""))
            if grant is None or grant.email in self._revoked:
                return 400, {
                    "error": "invalid_grant",
                    "error_description": "Token has been expired or revoked.",
                }
            return 200, self._access_token(grant, now)
        return 400, {"error": "unsupported_grant_type"}

    def issue(self, email: str, now: float, scope: str = DRIVE) -> dict[str, Any]:
        """A pair of tokens as the sign-in would end with."""
        grant = Grant(email.lower(), scope)
        refresh = "1//" + secrets.token_urlsafe(24)
        self._refresh[refresh] = grant
        return {**self._access_token(grant, now), "refresh_token": refresh}

    def expire(self, token: str) -> None:
        """Let an access token expire now."""
        self._access.pop(token, None)

    def revoke(self, token_or_email: str) -> None:
        """Let a token, or all of an account's, hold no longer."""
        self._revoked.add(token_or_email.lower() if "@" in token_or_email else token_or_email)
        self._access.pop(token_or_email, None)
        grant = self._refresh.pop(token_or_email, None)
        if grant is not None:  # what was got with it goes with it
            self._access = {token: one for token, one in self._access.items() if one.email != grant.email}

    def restore(self, email: str) -> None:
        """Let an account's tokens hold again."""
        self._revoked.discard(email.lower())

    def _access_token(self, grant: Grant, now: float) -> dict[str, Any]:
        token = "ya29." + secrets.token_urlsafe(24)
        self._access[token] = Grant(grant.email, grant.scope, now + self.lifetime)
        return {
            "access_token": token,
            "expires_in": int(self.lifetime),
            "scope": grant.scope,
            "token_type": "Bearer",
        }


def _proves(verifier: str, challenge: str) -> bool:
    """PKCE, RFC 7636, method S256."""
    if not challenge:
        return True
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
