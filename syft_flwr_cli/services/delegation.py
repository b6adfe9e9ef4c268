"""Approval by reviewers, on disk: a reviewer signs a statement to a file, a data owner takes such files in.

What was taken in is kept in ``reviews/{digest}`` in the owner's directory, the newest statement of each reviewer. As
soon as as many approve as the owner's policy asks for, the files are approved in the owner's name, with the statements
as its reason; it holds while they count. Prints nothing and asks nobody.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.consent.approvals import Decision
from syft_flwr_cli.consent.policy import read_policy
from syft_flwr_cli.consent.reviewers import (
    MAX_REVIEW,
    Review,
    counting,
    read_review,
    sign_review,
    why_not,
)
from syft_flwr_cli.errors import NotApprovedError, UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.identity import load_or_create
from syft_flwr_cli.services.review import Reviewed, decide
from syft_flwr_cli.storage.paths import locked, read_private, write_private

__all__ = ["TakenIn", "sign", "take_in"]


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What came of taking statements in: the review as it stands, who approves, and how many are needed."""

    reviewed: Reviewed
    approving: tuple[str, ...]
    needed: int
    decision: Decision | None
    """What was decided by it now; None if nothing changed."""


def sign(
    reviewed: Reviewed,
    decision: Decision,
    owners: Sequence[str],
    file: Path,
    passphrase: Callable[[], bytes],
    *,
    until: float | None = None,
) -> Review:
    """Sign what a reviewer decided about the files that were looked at, for ``owners``, into a new file.

    Raises
    ------
    UsageError
        If the file is there already, or cannot be made.
    """
    shown, now = reviewed.shown, time.time()
    identity, _ = load_or_create(reviewed.directory, reviewed.email, now, passphrase)
    data = sign_review(
        identity,
        decision=decision,
        digest=shown.manifest.digest,
        app_name=shown.project.app_name or "",
        owners=[check_email(owner) for owner in owners],
        now=now,
        until=until,
    )
    try:
        with file.open("xb") as stream:
            stream.write(data)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already.", hint="Name a new file with --out FILE.") from error
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error}.", hint="Name another with --out FILE."
        ) from error
    return read_review(data)


def take_in(
    home: Path, reviewed: Reviewed, files: Iterable[Path], passphrase: Callable[[], bytes]
) -> TakenIn:
    """Take statements of reviewers in, and decide by them.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    reviewed : Reviewed
        The files, as the owner has them.
    files : iterable of Path
        The statements.
    passphrase : callable
        For the owner's keys.

    Raises
    ------
    NotApprovedError
        If one says nothing about these files at this owner under the policy; nothing is taken in then.
    UsageError
        If the policy names no reviewers, or a file cannot be read.
    """
    owner, digest = reviewed.email, reviewed.shown.manifest.digest
    app = reviewed.shown.project.app_name or ""
    reviewers = read_policy(home, reviewed.directory).reviewers
    if reviewers is None:
        raise UsageError(
            f"The policy of {owner} names no reviewers.",
            hint="Name them under [tool.syft_flwr.policy.reviewers] in "
            f"{reviewed.directory / 'policy.toml'}: needed = 1, and keys by e-mail.",
        )
    found = []
    for file in files:
        one = _read(file)
        if (why := why_not(one, reviewers, digest, app, owner)) is not None:
            raise NotApprovedError(
                f"The review {file} does not count: {why}.", hint="Ask the reviewer for one of these files."
            )
        found.append(one)
    place = reviewed.directory / "reviews" / digest
    for one in found:
        _keep(place / f"{one.reviewer.email}.json", one)
    now = time.time()
    have = counting(
        [read_review(read_private(path, MAX_REVIEW)) for path in sorted(place.glob("*.json"))],
        reviewers,
        digest,
        app,
        owner,
        now,
    )
    names = tuple(one.reviewer.email for one in have)
    before = reviewed.shown.decided
    enough = len(have) >= reviewers.needed
    choice: Decision | None = None
    if enough and (before is None or before.ended(now) or before.reviews):
        choice = "approve"
    elif not enough and before is not None and before.decision == "approve" and before.reviews:
        choice = "reject"
    if choice is not None:
        ends = [one.until for one in have if one.until is not None]
        reviewed = decide(
            reviewed,
            choice,
            passphrase,
            with_environment=False,
            until=min(ends, default=None) if choice == "approve" else None,
            reviews=have if choice == "approve" else (),
        )
    return TakenIn(reviewed, names, reviewers.needed, choice)


def _read(file: Path) -> Review:
    try:
        with file.open("rb") as stream:
            return read_review(stream.read(MAX_REVIEW + 1))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error}.", hint="Give the reviewer's file.") from error
    except RefusedError as error:
        raise NotApprovedError(
            f"The review {file} does not count: {error.what}", hint="Ask the reviewer for it again."
        ) from error


def _keep(path: Path, one: Review) -> None:
    """Keep a statement; one that was overtaken by a later one of the same reviewer is not taken again."""
    with locked(path):
        try:
            before = read_review(read_private(path, MAX_REVIEW))
        except FileNotFoundError:
            before = None
        if before is not None and before.text != one.text and one.time <= before.time:
            raise NotApprovedError(
                f"{one.reviewer.email} has decided anew since this review was signed.",
                hint="Give the newest review of each reviewer.",
            )
        write_private(path, one.text.encode("ascii"))
