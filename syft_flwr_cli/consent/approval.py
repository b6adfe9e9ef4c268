"""What a data owner decided about one digest, as a value and as the JSON object that is signed."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from syft_flwr_cli.consent.manifest import Entry, Manifest
from syft_flwr_cli.protocol.grants import Grants, grants_from_lists, grants_to_lists
from syft_flwr_cli.protocol.strict_json import decode_base64, read_object

__all__ = ["Approval", "Decision", "parse_approval", "statement_of"]

Decision = Literal["approve", "reject"]

_FORMAT = "syft-flwr approval"


@dataclass(frozen=True, slots=True)
class Approval:
    """What a data owner decided about one digest; ``time`` in seconds since 1970.

    ``environment`` is the digest of the environment that was approved with it, None if none was; ``grants`` is
    what the app may reach beyond its sandbox, ``until`` (seconds since 1970) when it ends, None for never. ``reviews``
    are the statements of reviewers on which it rests, empty for the owner's own decision (see `consent.reviewers`).
    """

    digest: str
    decision: Decision
    time: float
    email: str
    fingerprint: str
    project: str
    app_name: str
    aggregator: str
    manifest: Manifest
    environment: str | None = None
    grants: Grants = field(default_factory=Grants)
    until: float | None = None
    reviews: tuple[str, ...] = ()

    def ended(self, now: float) -> bool:
        """Whether an approval has come to its end at ``now``, in seconds since 1970."""
        return self.until is not None and now >= self.until


def statement_of(approval: Approval) -> dict[str, Any]:
    """What is signed."""
    # Without an environment or grants it reads as it did before there were any: those statements go on to count.
    with_it: dict[str, Any] = {} if approval.environment is None else {"environment": approval.environment}
    if approval.grants:
        with_it["grants"] = grants_to_lists(approval.grants)
    if approval.until is not None:
        with_it["until"] = approval.until
    if approval.reviews:
        with_it["reviews"] = list(approval.reviews)
    return {
        "format": _FORMAT,
        "version": 1,
        "decision": approval.decision,
        "digest": approval.digest,
        "time": approval.time,
        "email": approval.email,
        "fingerprint": approval.fingerprint,
        "project": approval.project,
        "app_name": approval.app_name,
        "aggregator": approval.aggregator,
        "manifest": [
            [entry.mode, entry.sha256, entry.size, entry.path] for entry in approval.manifest.entries
        ],
        **with_it,
    }


def parse_approval(data: bytes) -> tuple[Approval, dict[str, Any], bytes]:
    """The approval, the statement that is signed, and the signature; errors of any kind if it is damaged."""
    statement = read_object(data, "The approval")
    signature = decode_base64(statement.pop("signature"), 64, "The signature")
    entries = tuple(Entry(path, mode, size, sha) for mode, sha, size, path in statement["manifest"])
    approval = Approval(
        digest=statement["digest"],
        decision=statement["decision"],
        time=float(statement["time"]),
        email=statement["email"],
        fingerprint=statement["fingerprint"],
        project=statement["project"],
        app_name=statement["app_name"],
        aggregator=statement["aggregator"],
        manifest=Manifest(entries),
        environment=statement.get("environment"),
        grants=grants_from_lists(statement.get("grants", {})),
        until=None if statement.get("until") is None else float(statement["until"]),
        reviews=tuple(statement.get("reviews", ())),
    )
    if statement_of(approval) != statement or approval.decision not in get_args(Decision):
        raise ValueError("unknown form")
    return approval, statement, signature
