"""Review of a project at a data owner: what would run there, and the owner's decision about it.

What is looked at is a checked copy of the project's files, and what is approved is that copy, so nothing can change
between looking and deciding. Nothing of the project is run, nothing printed or asked.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.consent import approvals
from syft_flwr_cli.consent.environment import read_environment
from syft_flwr_cli.consent.manifest import copy_tree, make_manifest
from syft_flwr_cli.consent.policy import read_policy
from syft_flwr_cli.consent.review import Review, make_review, unified_diff
from syft_flwr_cli.consent.reviewers import Review as SignedReview
from syft_flwr_cli.errors import NotApprovedError
from syft_flwr_cli.project.config import Project, load_project, require_federated
from syft_flwr_cli.protocol.grants import Grants
from syft_flwr_cli.security.identity import FILE_NAME, load_or_create, read_public
from syft_flwr_cli.storage.paths import participant_dir

__all__ = ["Decision", "Reviewed", "decide", "review_project"]

Decision = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a data owner looks at before deciding.

    Parameters
    ----------
    shown : Review
        What would run.
    email : str
        The data owner.
    directory : Path
        The data owner's own directory.
    place : str
        The project, and who asks, as they are typed in the next command.
    rules : tuple of str
        The owner's policy in sentences.
    diff : tuple of str, optional
        The difference to the version approved last, line by line, if it was asked for.
    warning : str
        What is wrong with a decision that was found; empty if nothing is.
    """

    shown: Review
    email: str
    directory: Path
    place: str
    rules: tuple[str, ...]
    diff: tuple[str, ...] | None
    warning: str = ""


def review_project(
    home: Path,
    email: str,
    project: Project,
    *,
    place: str,
    diff: bool = False,
    digest: str | None = None,
    with_environment: bool = True,
) -> Reviewed:
    """Look at ``project`` as ``email`` would run it.

    Parameters
    ----------
    home, email : Path, str
        Whose approval, and where it lies.
    project : Project
        The federated project.
    place : str
        The project, and who asks, as they are typed in the next command.
    diff : bool
        Give the difference to the version approved last.
    digest : str, optional
        What was looked at before: the beginning of the files' digest, and after a ``+`` that of the environment.
    with_environment : bool
        Whether ``digest`` names the environment too.

    Raises
    ------
    NotApprovedError
        If the files or the environment are not those of ``digest``.
    """
    directory = participant_dir(home, email)
    manifest = make_manifest(project.path)
    environment = read_environment(project.path, approvals.environments_dir(directory))
    if digest is not None:
        asked = digest if with_environment else digest.partition("+")[0]
        known = environment.digest if environment is not None and with_environment else None
        _check_looked_at(asked, manifest.digest, known, place)
    copy = copy_tree(manifest, project.path, approvals.code_dir(directory))
    approvals.remove_undecided(directory, manifest.digest)
    decided = before = None
    warning = ""
    if (directory / FILE_NAME).exists():
        public, _ = read_public(directory, email)
        before = approvals.latest_approved(directory, public, project.app_name or "", project.name)
        try:
            decided = approvals.read_decision(directory, manifest.digest, public)
        except NotApprovedError as error:
            warning = error.what
    checked = require_federated(load_project(copy))
    shown = make_review(checked, project.path, manifest, environment, decided, before, directory)
    lines = tuple(unified_diff(shown, directory)) if diff else None
    rules = tuple(read_policy(home, directory).rules())
    return Reviewed(shown, email, directory, place, rules, lines, warning)


def decide(
    reviewed: Reviewed,
    decision: Decision,
    passphrase: Callable[[], bytes],
    *,
    with_environment: bool = True,
    grants: Grants | None = None,
    until: float | None = None,
    reviews: Sequence[SignedReview] = (),
) -> Reviewed:
    """Record the decision about exactly what was looked at, signed and audited, with its grants and its end.

    ``reviews`` are the reviewers' approvals on which it rests, where it is not the owner's own.
    """
    now, shown = time.time(), reviewed.shown
    identity, _ = load_or_create(reviewed.directory, reviewed.email, now, passphrase)
    decided = approvals.decide(
        reviewed.directory,
        identity,
        AuditLog(reviewed.directory / "audit.jsonl", identity),
        shown.manifest,
        shown.project.path,
        decision=decision,
        project=shown.project.name,
        app_name=shown.project.app_name or "",
        aggregator=shown.project.aggregator or "",
        now=now,
        environment=shown.environment if with_environment else None,
        grants=grants,
        until=until,
        reviews=reviews,
    )
    return replace(reviewed, shown=replace(shown, decided=decided))


def _check_looked_at(given: str, files: str, environment: str | None, place: str) -> None:
    """Nothing is decided about something else than what was looked at."""
    first, _, second = given.strip().lower().partition("+")
    again = f"Look again: syft-flwr review {place} --diff"
    if not first or not files.startswith(first):
        raise NotApprovedError(
            f"The files have the digest {files[:16]}, not {first}: they changed since you looked.", hint=again
        )
    if environment is None and second:
        raise NotApprovedError("The environment that you looked at is no longer there.", hint=again)
    if environment is not None and not second:
        raise NotApprovedError(
            f"The folder holds an environment, .venv (digest {environment[:16]}), that this does not name.",
            hint=f"{again}; or approve the files without it: add --no-environment.",
        )
    if environment is not None and not environment.startswith(second):
        raise NotApprovedError(
            f"The environment .venv has the digest {environment[:16]}, not {second}: it changed since you looked.",
            hint=again,
        )
