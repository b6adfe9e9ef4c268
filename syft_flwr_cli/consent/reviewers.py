"""Approval by others: the reviewers whom a data owner's policy names, and the statements that they sign.

A statement says what a reviewer decided about one digest of one app, for the owners that it names, and holds the
public identity that signed it. It counts only while the owner's policy names that reviewer with that very key, once
for each reviewer, and only the newest of each. Pure: it reads no files and knows no clock.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from syft_flwr_cli.errors import NotApprovedError, UsageError
from syft_flwr_cli.protocol.names import check_app_name, check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, decode_base64, encode_base64, read_object
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.security.trust_rules import matches

__all__ = [
    "MAX_REVIEW",
    "Review",
    "Reviewers",
    "counting",
    "parse_reviewers",
    "read_review",
    "require_reviews",
    "sign_review",
    "why_not",
]

MAX_REVIEW = 64 * 1024
"""Bytes of a statement, at most."""

MAX_REVIEWERS = 100
MAX_OWNERS = 1000

_FORMAT = "syft-flwr review"
_TAG = b"syft-flwr review 1\0"
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Reviewers:
    """Whose approvals count, by e-mail and key (64 hexadecimal digits, or the six words), and how many are needed."""

    needed: int
    keys: tuple[tuple[str, str], ...]

    def sentence(self) -> str:
        """The rule for people."""
        names = ", ".join(email for email, _ in self.keys)
        return f"The approvals of {self.needed} of these reviewers count as yours: {names}."


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer decided; ``time`` and ``until`` in seconds since 1970, ``text`` the signed statement."""

    reviewer: PublicIdentity
    decision: Literal["approve", "reject"]
    digest: str
    app_name: str
    owners: tuple[str, ...]
    time: float
    until: float | None
    text: str

    def ended(self, now: float) -> bool:
        """Whether it has come to its end at ``now``."""
        return self.until is not None and now >= self.until


def parse_reviewers(table: Any) -> Reviewers | None:
    """The table ``reviewers`` of a policy: ``needed``, and ``keys`` by e-mail; None for none.

    Raises
    ------
    ValueError
        If it is not of this form; the text goes on from the name of the table.
    """
    if table is None:
        return None
    example = 'write needed = 1 and keys = { "rev@a.example" = "the six words of its key" }'
    if not isinstance(table, Mapping) or set(table) - {"needed", "keys"}:
        raise ValueError(f"is not understood: {example}")
    keys, needed = table.get("keys"), table.get("needed", 1)
    if not isinstance(keys, Mapping) or not 0 < len(keys) <= MAX_REVIEWERS:
        raise ValueError(f"names nobody: {example}")
    if isinstance(needed, bool) or not isinstance(needed, int) or not 1 <= needed <= len(keys):
        raise ValueError(f"needs a whole number from 1 to {len(keys)} as 'needed'")
    found: dict[str, str] = {}
    for email, key in keys.items():
        if not isinstance(key, str) or len(key.replace("-", " ").split()) not in (1, 6):
            raise ValueError(f"has no key of {email!r}: give its six words, or its 64 hexadecimal digits")
        try:
            found[check_email(email)] = key.strip()
        except UsageError as error:
            raise ValueError(f"names somebody who cannot be one: {error.what}") from error
    if len(found) != len(keys):
        raise ValueError("names somebody twice")
    return Reviewers(needed, tuple(found.items()))


def sign_review(
    identity: Identity,
    *,
    decision: Literal["approve", "reject"],
    digest: str,
    app_name: str,
    owners: Iterable[str],
    now: float,
    until: float | None = None,
) -> bytes:
    """A statement of ``identity`` about ``digest``, for ``owners``; times in seconds since 1970."""
    statement = {
        "format": _FORMAT,
        "version": 1,
        "decision": decision,
        "digest": digest,
        "app_name": app_name,
        "owners": [check_email(owner) for owner in owners],
        "time": round(now, 3),
        "until": None if until is None else round(until, 3),
        "reviewer": identity.public.to_bytes().decode("ascii"),
    }
    return canonical({**statement, "signature": encode_base64(identity.sign(_TAG + canonical(statement)))})


def read_review(data: bytes) -> Review:
    """The statement in ``data``, with a signature that holds; `RefusedError` if it is none."""
    if len(data) > MAX_REVIEW:
        raise RefusedError("oversized", f"A review of {len(data):,} bytes; at most {MAX_REVIEW:,} are taken.")
    statement = read_object(data, "The review")
    try:
        signature = decode_base64(statement.pop("signature"), 64, "The signature")
        reviewer = parse_public(statement["reviewer"].encode("ascii"))
        owners = tuple(statement["owners"])
        found = Review(
            reviewer=reviewer,
            decision=statement["decision"],
            digest=statement["digest"],
            app_name=check_app_name(statement["app_name"]),
            owners=owners,
            time=_seconds(statement["time"]),
            until=None if statement["until"] is None else _seconds(statement["until"]),
            text=data.decode("ascii"),
        )
        proper = (
            (statement["format"], statement["version"], len(statement)) == (_FORMAT, 1, 9)
            and found.decision in ("approve", "reject")
            and isinstance(found.digest, str)
            and _DIGEST.match(found.digest) is not None
            and 0 < len(owners) <= MAX_OWNERS
            and all(check_email(owner) == owner for owner in owners)
        )
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise RefusedError("garbage", "It is no review.") from error
    if not proper:
        raise RefusedError("garbage", "It is no review.")
    if reviewer.revoked or not reviewer.verify(_TAG + canonical(statement), signature):
        raise RefusedError("signature", f"The review is not signed by a key of {reviewer.email} that holds.")
    return found


def why_not(
    review: Review, reviewers: Reviewers | None, digest: str, app_name: str, owner: str
) -> str | None:
    """Why a review says nothing about these files at this owner, in a sentence; None if it does."""
    who = review.reviewer.email
    key = dict(() if reviewers is None else reviewers.keys).get(who)
    if key is None:
        return f"{who} is no reviewer in the policy of {owner}"
    if not matches(review.reviewer, key):
        return f"it is signed with another key than the policy names for {who}: {review.reviewer.words}"
    if review.digest != digest:
        return f"it is about other files: digest {review.digest[:16]}, not {digest[:16]}"
    if review.app_name != app_name:
        return f"it is about the app {review.app_name}"
    if owner not in review.owners:
        return f"it was not made for {owner}, but for {', '.join(review.owners[:3])}"
    return None


def counting(
    reviews: Iterable[Review], reviewers: Reviewers | None, digest: str, app_name: str, owner: str, now: float
) -> list[Review]:
    """The approvals that count now, at most one for each reviewer, by e-mail."""
    newest: dict[str, Review] = {}
    for one in reviews:
        if why_not(one, reviewers, digest, app_name, owner) is not None:
            continue
        before = newest.get(one.reviewer.email)
        if before is None or (one.time, one.decision == "reject") > (
            before.time,
            before.decision == "reject",
        ):
            newest[one.reviewer.email] = one
    return [one for _, one in sorted(newest.items()) if one.decision == "approve" and not one.ended(now)]


def require_reviews(
    texts: Iterable[str], reviewers: Reviewers | None, digest: str, app_name: str, owner: str, now: float
) -> None:
    """Check that the reviews on which an approval rests are enough under the policy as it is now.

    Raises
    ------
    NotApprovedError
        If they are not.
    """
    try:
        found = [read_review(text.encode("ascii")) for text in texts]
    except (RefusedError, UnicodeEncodeError):
        found = []
    have = counting(found, reviewers, digest, app_name, owner, now)
    if reviewers is not None and len(have) >= reviewers.needed:
        return
    needed = "names no reviewers any more" if reviewers is None else f"asks for {reviewers.needed} reviewers"
    raise NotApprovedError(
        f"{owner} approved the digest {digest[:16]}… because reviewers did, and the policy now {needed}; "
        f"{len(have)} of theirs count.",
        hint="Look at it, then decide yourself (syft-flwr review), or take in further reviews "
        "(syft-flwr review --review FILE).",
    )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e12:
        raise ValueError("no time")
    return float(value)
