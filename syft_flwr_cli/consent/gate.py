"""Nothing runs on a data owner's machine but what the owner has approved, under the owner's own rules.

The app is imported from a read-only copy that is checked against the approved manifest, before the node
starts and again before each run. It is run with the project's own environment only as that was approved, which
is checked then and at every start of the app's process. A request that expects other code or another run config, or
that the owner's policy does not allow, is answered with an error that says so and is not executed. The decision and
the policy are looked at with every request, before it is executed and before what came of it is answered.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.consent import approvals
from syft_flwr_cli.consent.egress import check_record
from syft_flwr_cli.consent.environment import Environment, read_environment
from syft_flwr_cli.consent.manifest import Manifest, make_manifest
from syft_flwr_cli.consent.policy import (
    Policy,
    Request,
    check_request,
    plain_type,
    policy_files,
    read_policy,
    write_open_policy,
)
from syft_flwr_cli.consent.reread import Reread
from syft_flwr_cli.consent.reviewers import require_reviews
from syft_flwr_cli.consent.run_config import Allowance, approved_config, differences, refuse_config
from syft_flwr_cli.delivery.inbox import Stopped
from syft_flwr_cli.delivery.task import Task, WrittenReply
from syft_flwr_cli.errors import NotApprovedError, SyftFlwrError
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.protocol.grants import Grants
from syft_flwr_cli.security.identity import load_or_create
from syft_flwr_cli.security.passphrase import passphrase_source
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.paths import participant_dir

__all__ = ["ApprovedCode", "Gate", "approve", "approved_code"]


@dataclass(frozen=True, slots=True)
class ApprovedCode:
    """Code that may run: its digest, the checked copy, and who may say that it still may.

    ``environment`` is the project's own, where the app is run with that; `check_environment` says whether it
    still may be, at less cost than ``recheck``, which looks at everything. ``policy`` is what held when this was
    made; ``decision`` and ``rules`` say what holds now. ``run_config`` is the approved one. ``grants`` is what the
    app may reach beyond its sandbox.
    """

    digest: str
    copy: Path
    policy: Policy
    environment: Environment | None
    run_config: Mapping[str, Any]
    decision: Reread[None] = field(repr=False)
    rules: Reread[Policy] = field(repr=False)
    recheck: Callable[[], object] = field(repr=False)
    check_environment: Callable[[], object] = field(repr=False)
    grants: Grants = field(default_factory=Grants)
    check_end: Callable[[], object] = field(default=lambda: None, repr=False)
    """Raises `NotApprovedError` once the approval has come to the end that it was given."""


def approved_code(
    home: Path, email: str, project: Project, *, with_environment: bool = False
) -> ApprovedCode:
    """What ``email`` has approved of ``project`` as it is now.

    Parameters
    ----------
    home, email
        Whose approval, and where it lies.
    project : Project
        As its files are now.
    with_environment : bool
        Whether the app is to run with the project's own environment, if there is one.

    Raises
    ------
    NotApprovedError
        If it has not approved exactly these files, or this environment (exit 14); the hint is the command to type.
    """
    personal = participant_dir(home, email)
    manifest = make_manifest(project.path)
    identity, _ = load_or_create(personal, email, time.time(), passphrase_source(email))
    app = project.app_name or ""

    def files() -> Path:
        return _require(personal, manifest, identity.public, project.path, app, project.name)

    def environment() -> Environment | None:
        return _environment(personal, manifest.digest, identity.public, project) if with_environment else None

    copy, found = files(), environment()

    def check_environment() -> None:
        if (environment() is None) != (found is None):
            raise _changed(project.name, project.path, email)

    def recheck() -> None:
        files()
        check_environment()

    if load_project(copy).raw != project.raw:
        # It was read before it was approved, and whoever can write there has been quick.
        raise _changed(project.name, project.path, email)

    rules = Reread(policy_files(home, personal), lambda: read_policy(home, personal))

    def decided() -> None:
        now = time.time()
        found_now = approvals.require_decision(
            personal, manifest.digest, identity.public, project.path, project.name, now
        )
        if found_now.reviews:
            require_reviews(found_now.reviews, rules.now().reviewers, manifest.digest, app, email, now)
        if found is not None:
            approvals.require_environment(
                personal, manifest.digest, identity.public, found, project.path, project.name
            )

    statement = approvals.read_decision(personal, manifest.digest, identity.public)

    def check_end() -> None:
        if statement is not None and statement.ended(time.time()):
            raise approvals.ended(statement, project.path, identity.public)

    decided()
    return ApprovedCode(
        digest=manifest.digest,
        copy=copy,
        policy=rules.now(),
        environment=found,
        run_config=approved_config(project.raw),
        decision=Reread(
            [approvals.statement_path(personal, manifest.digest), *policy_files(home, personal)], decided
        ),
        rules=rules,
        recheck=recheck,
        check_environment=check_environment,
        grants=Grants() if statement is None else statement.grants,
        check_end=check_end,
    )


def _environment(personal: Path, digest: str, public: PublicIdentity, project: Project) -> Environment | None:
    found = read_environment(project.path, approvals.environments_dir(personal))
    if found is not None:
        approvals.require_environment(personal, digest, public, found, project.path, project.name)
    return found


def _require(
    personal: Path, manifest: Manifest, public: PublicIdentity, root: Path, app: str, name: str
) -> Path:
    # Looked up by the digest of the files as they lie there now: one changed byte is another digest.
    if make_manifest(root).digest != manifest.digest:
        raise _changed(name, root, public.email)
    return approvals.require_approved(personal, manifest, public, root, app, name)


def _changed(name: str, root: Path, email: str) -> NotApprovedError:
    return NotApprovedError(
        f"The files of {name} in {root} have changed since this node was started.",
        hint=f"Look at them, then decide: syft-flwr review {quote(str(root))} --email {email} --diff",
    )


def approve(home: Path, email: str, project: Project, grants: Grants | None = None) -> str:
    """Approve the files of ``project`` in the name of ``email``, with any run config; the digest.

    For simulations and tests, whose data owners are the one who runs them.
    """
    personal = participant_dir(home, email)
    write_open_policy(personal)
    now = time.time()
    identity, _ = load_or_create(personal, email, now)
    manifest = make_manifest(project.path)
    approvals.decide(
        personal,
        identity,
        AuditLog(personal / "audit.jsonl", identity),
        manifest,
        project.path,
        decision="approve",
        project=project.name,
        app_name=project.app_name or "",
        aggregator=project.aggregator or "",
        now=now,
        grants=grants,
    )
    return manifest.digest


def _made_under_less(policy: Policy, record: Mapping[str, Any]) -> str | None:
    """Why a reply does not do for the policy, made as its record says."""
    if missing := [mod for mod in policy.required_mods if mod not in record.get("mods", ())]:
        return f"The data owner's policy asks for the mod {missing[0]}, and the reply was made without it."
    if policy.sandbox is not None and str(record.get("sandbox") or "none").startswith("none"):
        return "The data owner's policy asks for a sandbox, and the reply was made without one."
    return None


class Gate:
    """Says why a genuine request is not executed, as the aggregator is told it; None lets it pass.

    Once the code is found not to be approved any more, ``closed`` says why to the data owner, and nothing
    passes until the node is started again.

    Parameters
    ----------
    code : ApprovedCode
        What runs here.
    journal : Journal
        Counts the requests, whatever the messages say of rounds.
    participants : int
        How many data owners the project names.
    note : callable
        Hears, by run, what was let pass and should be known all the same.
    allowed : callable
        By run, the values of its run config that the owner has allowed for this run beyond the policy.
    """

    def __init__(
        self,
        code: ApprovedCode,
        journal: Journal,
        participants: int,
        note: Callable[[str, str], None] = lambda run, sentence: None,
        allowed: Callable[[str], Mapping[str, Any]] = lambda run: {},
    ) -> None:
        self._allowed = allowed
        self._code = code
        self._journal = journal
        self._participants = participants
        self._note = note
        self._runs: set[str] = set()
        self._noted: set[tuple[str, str]] = set()
        self.closed: SyftFlwrError | None = None
        self._closed_in = ""
        self._says = ""

    def __call__(self, work: Task) -> str | None:
        """Look at one request, before it is executed or once more before what came of it is answered."""
        expected = work.body.code
        if expected is not None and expected != self._code.digest:
            return (
                f"The aggregator expects the code {expected[:16]}…, and {self._code.digest[:16]}… is what the "
                "data owner has approved and runs"
            )
        if self.closed is None and work.run not in self._runs:
            # Where the files lie is the data owner's own business.
            self._check(
                self._code.recheck,
                work.run,
                "the files of the project at the data owner are not those any more that it has approved",
            )
            self._runs.add(work.run)
        for check in (self._code.decision.now, self._code.check_end):
            self._check(check, work.run, "the data owner does not approve this code any more")
        policy = self._policy(work.run)
        if policy is None:
            return self._says
        return (
            check_request(policy, self._request(work.id, work.run, work.body.type, work.body.owners))
            or self._check_owners(work)
            or self._config(policy, work)
        )

    def hold(self, reply: WrittenReply) -> str | None:
        """Why a reply that is written down is not sent after all, by what the owner says now; None lets it go.

        What was written under a policy that has become stricter since is held by the stricter one.
        """
        for check in (self._code.decision.now, self._code.check_end):
            self._check(check, reply.run, "the data owner does not approve this code any more")
        policy = self._policy(reply.run)
        if policy is None:
            return self._says
        run = self._journal.run(reply.run)
        stated = None if run is None else run.facts.get("owners")
        refusal = check_request(policy, self._request(reply.id, reply.run, reply.type, stated))
        refusal = refusal or _made_under_less(policy, reply.record)
        if refusal is not None or policy.egress is None:
            return refusal
        before = self._journal.egress_bytes(reply.run, besides=reply.id)
        withheld = check_record(policy.egress, reply.record, before)
        return None if withheld is None else withheld.reason()

    def _check(self, check: Callable[[], object], run: str, says: str) -> None:
        """Close the gate if ``check`` fails."""
        if self.closed is None:
            try:
                check()
            except SyftFlwrError as error:
                self.closed, self._closed_in, self._says = error, run, says

    def _policy(self, run: str) -> Policy | None:
        """The policy as it is now; None if nothing may be executed any more."""
        says = "the data owner has changed its policy, and its node has to be started again"
        self._check(self._code.rules.now, run, "the policy of the data owner cannot be read")
        if self.closed is None and self._code.rules.now().required_mods != self._code.policy.required_mods:
            error = NotApprovedError(
                "The policy's required_mods have changed since this node was started, and it runs the app with those "
                "of before.",
                hint="Start it again with the same command.",
            )
            self.closed, self._closed_in, self._says = error, run, says
        return None if self.closed is not None else self._code.rules.now()

    def _request(self, mid: str, run: str, message_type: str, stated: int | None) -> Request:
        kind = plain_type(message_type)
        return Request(
            message_type=message_type,
            round_number=self._journal.count_requests(run, (kind, f"{kind}.default"), mid),
            participants=self._participants,
            stated=stated,
            run_number=self._journal.count_runs(run),
        )

    def _check_owners(self, work: Task) -> str | None:
        """How many data owners a run has is said once: with its first request here that says it.

        A run that began before an upgrade, here or at the aggregator, has requests that do not.
        """
        run = self._journal.run(work.run)
        before = None if run is None else run.facts.get("owners")
        if run is None or before == work.body.owners:
            return None
        if before is None:
            self._journal.set_run_facts(work.run, {**run.facts, "owners": work.body.owners})
            return None
        return (
            f"The aggregator says now that this run has {work.body.owners} data owners, and said before that it has "
            f"{before}"
        )

    def _config(self, policy: Policy, work: Task) -> str | None:
        """Why the run config is not accepted; one that differs from the approved one and is, is noted once a run."""
        different = differences(self._code.run_config, work.body.run_config)
        rules = policy.run_config
        if different:
            rules += tuple(Allowance(key, values=(value,)) for key, value in self._allowed(work.run).items())
        refusal = refuse_config(rules, self._code.run_config, different)
        if refusal is None and different:
            listed = ", ".join(f"{key} = {value!r:.80}" for key, value in different)
            if (work.run, listed) not in self._noted:
                self._noted.add((work.run, listed))
                self._note(
                    work.run, f"The run config differs from the approved one, as the policy allows: {listed}"
                )
        return refusal

    def over(self, stopped: Iterable[Stopped]) -> bool:
        """Whether the run in which the gate was closed is over: there is nothing left to say to anybody."""
        return self.closed is not None and any(ended.run == self._closed_in for ended in stopped)
