"""Which code a data owner has approved: signed statements, each bound to one digest.

An approval is a file ``approvals/{digest}.json`` in the participant's directory: who decided what and when,
for which project, with the full manifest, signed by the participant. Where the project's folder holds an
environment, the statement names the digest of that, too. The approved sources are kept beside it, read-only,
checked against the manifest; they are what is run and what a later version is compared with.
Deciding is recorded in the audit log before it takes effect. A statement that is damaged, or signed by
other keys than those in use, approves nothing. It does not know how code is run.
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.consent.approval import Approval, Decision, parse_approval, statement_of
from syft_flwr_cli.consent.environment import (
    ENVIRONMENT,
    Environment,
    compare_items,
    keep_items,
    kept_items,
)
from syft_flwr_cli.consent.manifest import (
    Changes,
    Manifest,
    compare,
    copy_tree,
    has_exactly,
    remove_copy,
)
from syft_flwr_cli.consent.reviewers import Review, read_review
from syft_flwr_cli.errors import NotApprovedError
from syft_flwr_cli.protocol.grants import Grants, grants_to_text
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, encode_base64
from syft_flwr_cli.security.identity import Identity, PublicIdentity
from syft_flwr_cli.storage.paths import read_private, write_private

__all__ = [
    "Approval",
    "Decision",
    "code_dir",
    "decide",
    "ended",
    "environments_dir",
    "has_sources",
    "is_approved",
    "latest_approved",
    "read_decision",
    "remove_undecided",
    "require_approved",
    "require_decision",
    "require_environment",
    "reviewers_of",
    "statement_path",
]

MAX_STATEMENT = 16 * 1024 * 1024

_TAG = b"syft-flwr approval 1\0"


def reviewers_of(approval: Approval) -> tuple[str, ...]:
    """The e-mails of the reviewers on whose word an approval rests; empty for the owner's own decision."""
    return tuple(read_review(text.encode("ascii")).reviewer.email for text in approval.reviews)


def code_dir(participant: Path) -> Path:
    """Where the checked copies of approved code lie, each under its digest."""
    return participant / "code"


def environments_dir(participant: Path) -> Path:
    """Where it is kept what environments were, and what saves reading them again."""
    return participant / "environments"


def decide(
    participant: Path,
    identity: Identity,
    audit: AuditLog,
    manifest: Manifest,
    root: Path,
    *,
    decision: Decision,
    project: str,
    app_name: str,
    aggregator: str,
    now: float,
    environment: Environment | None = None,
    grants: Grants | None = None,
    until: float | None = None,
    reviews: Sequence[Review] = (),
) -> Approval:
    """Record a decision, and for an approval keep the checked copy of the code.

    Parameters
    ----------
    participant : Path
        The participant's directory.
    identity, audit
        Who decides, and its log.
    manifest : Manifest
        What was shown to the person.
    root : Path
        Where those files are.
    decision, project, app_name, aggregator
        What the statement says.
    now : float
        Seconds since 1970.
    environment : Environment, optional
        The project's own environment, as it was shown, if it is approved too.
    grants : Grants, optional
        What the app may reach beyond its sandbox; an approval alone has any.
    until : float, optional
        When the approval ends, in seconds since 1970.
    reviews : sequence of Review
        The reviewers' approvals on which this one rests; none if the owner decides.

    Raises
    ------
    NotApprovedError
        If the files changed since the manifest was made. Nothing is recorded then.
    """
    approval = Approval(
        digest=manifest.digest,
        decision=decision,
        time=round(now, 3),
        email=identity.email,
        fingerprint=identity.public.fingerprint,
        project=project,
        app_name=app_name,
        aggregator=aggregator,
        manifest=manifest,
        environment=environment.digest if environment is not None and decision == "approve" else None,
        grants=grants if grants is not None and decision == "approve" else Grants(),
        until=round(until, 3) if until is not None and decision == "approve" else None,
        reviews=tuple(one.text for one in reviews) if decision == "approve" else (),
    )
    if decision == "approve":
        copy_tree(manifest, root, code_dir(participant))
        if environment is not None:
            keep_items(environments_dir(participant), environment)
    else:
        remove_copy(code_dir(participant) / manifest.digest)
    event: dict[str, Any] = {
        "event": "approved" if decision == "approve" else "rejected",
        "app": app_name,
        "project": project,
        "peer": aggregator,
        "digest": manifest.digest,
        "files": len(manifest.entries),
        "eid": f"{decision}:{manifest.digest}:{approval.time}",
    }
    if approval.environment is not None:
        event["environment"] = approval.environment
    if approval.until is not None:
        event["until"] = approval.until
    if approval.grants:
        event["grants"] = grants_to_text(approval.grants)
    if approval.reviews:
        event["reviewers"] = [f"{one.reviewer.email} {one.reviewer.fingerprint}" for one in reviews]
    audit.append([event])
    statement = statement_of(approval)
    signed = {**statement, "signature": encode_base64(identity.sign(_TAG + canonical(statement)))}
    write_private(statement_path(participant, manifest.digest), canonical(signed))
    return approval


def read_decision(participant: Path, digest: str, public: PublicIdentity) -> Approval | None:
    """What was decided about a digest; None if nothing was.

    Raises
    ------
    NotApprovedError
        If there is a statement that does not hold: damaged, or not signed by ``public``.
    """
    path = statement_path(participant, digest)
    try:
        data = read_private(path, MAX_STATEMENT)
    except FileNotFoundError:
        return None
    try:
        approval, statement, signature = parse_approval(data)
    except (RefusedError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise _invalid(path, "it is damaged") from error
    if not public.verify(_TAG + canonical(statement), signature):
        raise _invalid(path, "it is not signed with the keys in use now")
    if approval.email != public.email or approval.digest != digest or approval.manifest.digest != digest:
        raise _invalid(path, "it is about something else")
    return approval


def is_approved(participant: Path, digest: str, public: PublicIdentity) -> bool:
    """Whether this participant approved exactly this digest and has not rejected it since."""
    try:
        found = read_decision(participant, digest, public)
    except NotApprovedError:
        return False
    return found is not None and found.decision == "approve"


def latest_approved(
    participant: Path, public: PublicIdentity, app_name: str, project: str
) -> Approval | None:
    """The last approval of a version of this app, else of a project of this name; statements that do not
    hold are passed over."""
    best: tuple[bool, float] | None = None
    latest: Approval | None = None
    for path in (participant / "approvals").glob("*.json"):
        try:
            found = read_decision(participant, path.stem, public)
        except NotApprovedError:
            continue
        if found is None or found.decision != "approve":
            continue
        same_app = found.app_name == app_name
        if (same_app or found.project == project) and (best is None or (same_app, found.time) > best):
            best, latest = (same_app, found.time), found
    return latest


def require_approved(
    participant: Path, manifest: Manifest, public: PublicIdentity, root: Path, app_name: str, project: str
) -> Path:
    """The checked copy of the code in ``manifest``, to run from; nothing else may be run.

    Raises
    ------
    NotApprovedError
        If this participant has not approved exactly these files; the hint is the command to type.
    """
    if read_decision(participant, manifest.digest, public) is None:
        before = latest_approved(participant, public, app_name, project)
        raise NotApprovedError(
            f"{public.email} has not approved this version of {project} "
            f"(digest {manifest.digest[:16]}…){_difference(before, manifest)}.",
            hint=_look_again(root, public),
        )
    found = require_decision(participant, manifest.digest, public, root, project, time.time())
    return copy_tree(found.manifest, root, code_dir(participant))


def require_decision(
    participant: Path, digest: str, public: PublicIdentity, root: Path, project: str, now: float
) -> Approval:
    """The approval of a digest, as it holds at ``now`` (seconds since 1970).

    Raises
    ------
    NotApprovedError
        If there is none, the last decision was to reject it, or it has ended.
    """
    found = read_decision(participant, digest, public)
    if found is not None and found.decision == "approve":
        if not found.ended(now):
            return found
        raise ended(found, root, public)
    word = "has no decision any more about" if found is None else "rejected"
    raise NotApprovedError(
        f"{public.email} {word} this version of {project} (digest {digest[:16]}…).",
        hint=_look_again(root, public),
    )


def ended(approval: Approval, root: Path, public: PublicIdentity) -> NotApprovedError:
    """The error for an approval that has come to its end."""
    day = datetime.fromtimestamp(approval.until or 0, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return NotApprovedError(
        f"The approval of this version of {approval.project} by {public.email} ended on {day}.",
        hint=_look_again(root, public),
    )


def _look_again(root: Path, public: PublicIdentity) -> str:
    return f"Look at it, then decide: syft-flwr review {_quoted(root)} --email {public.email} --diff"


def require_environment(
    participant: Path, digest: str, public: PublicIdentity, environment: Environment, root: Path, project: str
) -> None:
    """Check that ``environment`` was approved with the files of ``digest``; nothing of another may be run.

    Raises
    ------
    NotApprovedError
        If it was not; the hint is the command to type.
    """
    found = read_decision(participant, digest, public)
    approved = found.environment if found is not None and found.decision == "approve" else None
    if approved == environment.digest:
        return
    hint = (
        f"Look at it, then decide: syft-flwr review {_quoted(root)} --email {public.email}; "
        "or name another interpreter with --python PATH."
    )
    if approved is None:
        raise NotApprovedError(
            f"{project} holds an environment, {ENVIRONMENT}, that the app would run with, and {public.email} has "
            f"not approved it (digest {environment.digest[:16]}…).",
            hint=hint,
        )
    before = kept_items(environments_dir(participant), approved)
    changed = "" if before is None else f": {_summary(compare_items(before, environment.items))} changed"
    raise NotApprovedError(
        f"The environment {ENVIRONMENT} of {project} is not the one that {public.email} approved{changed}.",
        hint=hint,
    )


def remove_undecided(participant: Path, keep: str) -> None:
    """Remove the copies of code that was only looked at, except the one of digest ``keep``."""
    for copy in code_dir(participant).glob("[0-9a-f]*"):
        if copy.name != keep and not statement_path(participant, copy.name).exists():
            remove_copy(copy)


def has_sources(participant: Path, approval: Approval) -> bool:
    """Whether the sources of an approval are kept, unaltered."""
    return has_exactly(code_dir(participant) / approval.digest, approval.manifest)


def _invalid(path: Path, why: str) -> NotApprovedError:
    return NotApprovedError(
        f"The statement {path} does not count: {why}.",
        hint="Look at the code again, then decide again: syft-flwr review --approve",
    )


def _difference(before: Approval | None, manifest: Manifest) -> str:
    if before is None:
        return ""
    return f"; {_summary(compare(before.manifest, manifest))} changed since the version approved last"


def _summary(changes: Changes) -> str:
    paths = [*changes.changed, *changes.added, *changes.removed]
    names = [path if path.isprintable() else ascii(path) for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def statement_path(participant: Path, digest: str) -> Path:
    """Where the decision about a digest lies, if there is one."""
    return participant / "approvals" / f"{digest}.json"


def _quoted(path: Path) -> str:
    text = str(path)
    return f"'{text}'" if " " in text else text
