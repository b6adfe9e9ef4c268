"""The approvals that a data owner has given, whatever became of the offers they answered, and taking one back.

An offer is replaced by the next version of its project, or withdrawn; an approval stands until it ends or is taken
back, and what it approves goes on to run. Prints nothing and asks nobody.
"""

from collections.abc import Callable
from pathlib import Path

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.consent import approvals
from syft_flwr_cli.consent.approvals import Approval
from syft_flwr_cli.errors import NotApprovedError, UsageError
from syft_flwr_cli.security.identity import FILE_NAME as KEYS
from syft_flwr_cli.security.identity import load_or_create, read_public

__all__ = ["revoke", "standing"]


def standing(directory: Path, email: str, now: float) -> list[Approval]:
    """Every approval of the participant in ``directory`` that holds at ``now``, the newest first."""
    if not (directory / KEYS).exists():
        return []
    public, _ = read_public(directory, email)
    found = []
    for path in (directory / "approvals").glob("*.json"):
        try:
            one = approvals.read_decision(directory, path.stem, public)
        except NotApprovedError:
            continue  # it counts for nothing as it is
        if one is not None and one.decision == "approve" and not one.ended(now):
            found.append(one)
    return sorted(found, key=lambda one: (-one.time, one.digest))


def revoke(directory: Path, email: str, digest: str, now: float, passphrase: Callable[[], bytes]) -> Approval:
    """Take the approval of ``digest`` back at ``now`` (seconds since 1970); the rejection that replaces it.

    Raises
    ------
    UsageError
        If no approval of these files stands.
    """
    found = next((one for one in standing(directory, email, now) if one.digest == digest), None)
    if found is None:
        raise UsageError(
            "No approval of these files stands any more.", hint="Look again at what you have approved."
        )
    identity, _ = load_or_create(directory, email, now, passphrase)
    return approvals.decide(
        directory,
        identity,
        AuditLog(directory / "audit.jsonl", identity),
        found.manifest,
        approvals.code_dir(directory) / digest,
        decision="reject",
        project=found.project,
        app_name=found.app_name,
        aggregator=found.aggregator,
        now=now,
    )
