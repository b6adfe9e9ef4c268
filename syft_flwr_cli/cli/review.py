"""``syft-flwr review``: what would run here, and the data owner's decision about it.

What is shown is read from a checked copy of the project's files, and what is approved is that copy: nothing
can change between looking and deciding.
"""

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_flwr_cli.cli.options import Email, Json, ProjectPath
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.consent.review import Review

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""

    @app.command(epilog="Example: syft-flwr review study --diff")
    def review(
        project: ProjectPath = Path(),
        email: Email = None,
        diff: Annotated[
            bool,
            typer.Option("--diff", help="Show line by line what changed since the version approved last."),
        ] = False,
        approve: Annotated[bool, typer.Option("--approve", help="Let exactly these files run here.")] = False,
        reject: Annotated[bool, typer.Option("--reject", help="Do not let these files run here.")] = False,
        digest: Annotated[
            str | None,
            typer.Option(
                "--digest",
                help="Decide only if the digest begins so, and after a + that of the environment.",
                metavar="HEX[+HEX]",
                show_default=False,
            ),
        ] = None,
        no_environment: Annotated[
            bool, typer.Option("--no-environment", help="Approve the files, and not the project's .venv.")
        ] = False,
        as_json: Json = False,
    ) -> None:
        """Show what would run on this machine, and approve or reject it. Nothing of it is run.

        run-client runs exactly the files approved here, from a copy that is checked before each run, and with
        the project's .venv only as it is now. One changed byte asks for a new decision.
        """
        from syft_flwr_cli.errors import UsageError

        if approve and reject:
            raise UsageError("Both --approve and --reject were given.", hint="Give one of them.")
        if no_environment and not approve:
            raise UsageError("--no-environment says what to approve.", hint="Give it with --approve.")
        decision = "approve" if approve else "reject" if reject else None
        _review(project, email, diff, decision, digest, no_environment, as_json)


def _review(
    path: Path,
    email: str | None,
    diff: bool,
    decision: str | None,
    digest: str | None,
    no_environment: bool,
    as_json: bool,
) -> None:
    from syft_flwr_cli.consent import approvals
    from syft_flwr_cli.consent.environment import read_environment
    from syft_flwr_cli.consent.manifest import copy_tree, make_manifest
    from syft_flwr_cli.consent.policy import read_policy
    from syft_flwr_cli.consent.review import make_review, unified_diff
    from syft_flwr_cli.errors import NotApprovedError
    from syft_flwr_cli.project.config import load_project, require_federated
    from syft_flwr_cli.project.settings import resolve
    from syft_flwr_cli.security.identity import FILE_NAME, read_public
    from syft_flwr_cli.storage.paths import home, participant_dir
    from syft_flwr_cli.ui.review import describe, show

    federated = require_federated(load_project(path))
    here = home()
    settings = resolve(
        federated,
        environ=os.environ,
        home=here,
        role="data owner" if decision else None,
        email=email,
        root=federated.path,  # the shared folder is not needed to look at code
    )
    directory = participant_dir(here, settings.email)
    place = shlex.quote(str(path)) + (f" --email {settings.email}" if email else "")
    manifest = make_manifest(federated.path)
    environment = read_environment(federated.path, approvals.environments_dir(directory))
    if digest is not None:
        asked = digest.partition("+")[0] if no_environment else digest
        known = None if environment is None or no_environment else environment.digest
        _check_looked_at(asked, manifest.digest, known, place)
    copy = copy_tree(manifest, federated.path, approvals.code_dir(directory))
    approvals.remove_undecided(directory, manifest.digest)
    decided = before = None
    if (directory / FILE_NAME).exists():
        public, _ = read_public(directory, settings.email)
        before = approvals.latest_approved(directory, public, settings.app_name, federated.name)
        try:
            decided = approvals.read_decision(directory, manifest.digest, public)
        except NotApprovedError as error:
            output.note(f"warning: {error.what}", "yellow")
    project = require_federated(load_project(copy))
    shown = make_review(project, federated.path, manifest, environment, decided, before, directory)
    lines = list(unified_diff(shown, directory)) if diff else None
    rules = read_policy(here, directory).rules()
    document = describe(shown, place, settings.email, rules, lines)
    if decision is not None:
        document |= _decide(decision, shown, directory, settings.email, place, not no_environment)
    if as_json:
        output.emit_json(document)
    else:
        show(document)


def _check_looked_at(given: str, files: str, environment: str | None, place: str) -> None:
    """Nothing is decided about something else than what was looked at."""
    from syft_flwr_cli.errors import NotApprovedError

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


def _decide(
    decision: str, shown: "Review", directory: Path, email: str, place: str, with_environment: bool
) -> dict[str, object]:
    """Record the decision; what it changes in what is shown."""
    from syft_flwr_cli.audit.log import AuditLog
    from syft_flwr_cli.consent.approvals import decide
    from syft_flwr_cli.security.identity import load_or_create
    from syft_flwr_cli.security.passphrase import passphrase_source
    from syft_flwr_cli.ui.review import describe_decision

    now = time.time()
    identity, _ = load_or_create(directory, email, now, passphrase_source(email))
    decided = decide(
        directory,
        identity,
        AuditLog(directory / "audit.jsonl", identity),
        shown.manifest,
        shown.project.path,
        decision="approve" if decision == "approve" else "reject",
        project=shown.project.name,
        app_name=shown.project.app_name or "",
        aggregator=shown.project.aggregator or "",
        now=now,
        environment=shown.environment if with_environment else None,
    )
    return describe_decision(shown, decided, place)
