"""Nothing runs on a data owner's machine but what the owner has approved, under the owner's own rules.

The app is imported from a read-only copy that is checked against the approved manifest, before the node
starts and again before each run. It is run with the project's own environment only as that was approved, which
is checked then and at every start of the app's process. A request that expects other code, or that the owner's
policy does not allow, is answered with an error that says so and is not executed.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.consent import approvals
from syft_flwr_cli.consent.environment import Environment, read_environment
from syft_flwr_cli.consent.manifest import Manifest, make_manifest
from syft_flwr_cli.consent.policy import Policy, check_request, read_policy
from syft_flwr_cli.delivery.inbox import Stopped
from syft_flwr_cli.delivery.task import Task
from syft_flwr_cli.errors import NotApprovedError, SyftFlwrError
from syft_flwr_cli.project.config import Project, load_project
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
    still may be, at less cost than ``recheck``, which looks at everything.
    """

    digest: str
    copy: Path
    policy: Policy
    environment: Environment | None
    recheck: Callable[[], object] = field(repr=False)
    check_environment: Callable[[], object] = field(repr=False)


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
    policy = read_policy(home, personal)
    return ApprovedCode(manifest.digest, copy, policy, found, recheck, check_environment)


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


def approve(home: Path, email: str, project: Project) -> str:
    """Approve the files of ``project`` in the name of ``email``; the digest. For simulations and tests."""
    personal = participant_dir(home, email)
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
    )
    return manifest.digest


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
    """

    def __init__(self, code: ApprovedCode, journal: Journal, participants: int) -> None:
        self._code = code
        self._journal = journal
        self._participants = participants
        self._runs: set[str] = set()
        self.closed: SyftFlwrError | None = None
        self._closed_in = ""

    def __call__(self, work: Task) -> str | None:
        """Look at one request."""
        expected = work.body.code
        if expected is not None and expected != self._code.digest:
            return (
                f"The aggregator expects the code {expected[:16]}…, and {self._code.digest[:16]}… is what the "
                "data owner has approved and runs"
            )
        if self.closed is None and work.run not in self._runs:
            try:
                self._code.recheck()
            except SyftFlwrError as error:
                self.closed, self._closed_in = error, work.run
            self._runs.add(work.run)
        if self.closed is not None:
            # Where the files lie is the data owner's own business.
            return "the files of the project at the data owner are not those any more that it has approved"
        number = self._journal.count_requests(work.run, work.body.type, work.id)
        return check_request(self._code.policy, work.body.type, number, self._participants)

    def over(self, stopped: Iterable[Stopped]) -> bool:
        """Whether the run in which the gate was closed is over: there is nothing left to say to anybody."""
        return self.closed is not None and any(ended.run == self._closed_in for ended in stopped)
