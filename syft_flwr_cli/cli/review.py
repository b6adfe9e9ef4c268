"""``syft-flwr review``: what would run here, and the data owner's decision about it.

What is shown is read from a checked copy of the project's files, and what is approved is that copy: nothing
can change between looking and deciding.
"""

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_flwr_cli.cli.options import AllowEnv, AllowNet, AllowPath, Email, Json, ProjectPath, Until
from syft_flwr_cli.ui import output

if TYPE_CHECKING:
    from syft_flwr_cli.protocol.grants import Grants
    from syft_flwr_cli.services.joining import Offered
    from syft_flwr_cli.services.review import Decision

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
        until: Until = None,
        sign_for: Annotated[
            str | None,
            typer.Option(
                "--sign-for",
                help="As a reviewer: sign your decision for these data owners, into --out.",
                metavar="E,E",
                show_default=False,
            ),
        ] = None,
        out: Annotated[
            Path | None,
            typer.Option(
                "--out", "-o", help="A new file for the signed review.", metavar="FILE", show_default=False
            ),
        ] = None,
        review_file: Annotated[
            list[Path] | None,
            typer.Option(
                "--review",
                help="As a data owner: take in the signed review of a reviewer of your policy; repeatable.",
                metavar="FILE",
                show_default=False,
            ),
        ] = None,
        allow_net: AllowNet = None,
        allow_env: AllowEnv = None,
        allow_path: AllowPath = None,
        allow_run: Annotated[
            str | None,
            typer.Option(
                "--allow-run",
                help="Let this run have the run config that it asks for.",
                metavar="RUN",
                show_default=False,
            ),
        ] = None,
        refuse_run: Annotated[
            str | None,
            typer.Option("--refuse-run", help="Do not let it.", metavar="RUN", show_default=False),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Show what would run on this machine, and approve or reject it. Nothing of it is run.

        run-client runs exactly the files approved here, from a copy that is checked before each run, and with
        the project's .venv only as it is now. One changed byte asks for a new decision.
        """
        from syft_flwr_cli.errors import UsageError
        from syft_flwr_cli.project.duration import parse_end
        from syft_flwr_cli.protocol.grants import parse_grants

        if allow_run is not None or refuse_run is not None:
            if approve or reject or (allow_run is not None and refuse_run is not None):
                raise UsageError(
                    "A run is answered by itself.", hint="Give --allow-run or --refuse-run and nothing else."
                )
            _answer_run(project, email, str(allow_run or refuse_run), allow_run is not None, as_json)
            return
        if approve and reject:
            raise UsageError("Both --approve and --reject were given.", hint="Give one of them.")
        if no_environment and not approve:
            raise UsageError("--no-environment says what to approve.", hint="Give it with --approve.")
        grants = parse_grants(allow_net or (), allow_env or (), allow_path or ())
        if grants and not approve:
            raise UsageError(
                "--allow-net, --allow-env and --allow-path say what to approve.",
                hint="Give them with --approve.",
            )
        if until is not None and not approve:
            raise UsageError("--until says when an approval ends.", hint="Give it with --approve.")
        end = None if until is None else parse_end(until, time.time())
        decision: Decision | None = "approve" if approve else "reject" if reject else None
        if (sign_for is None) != (out is None) or (sign_for is not None and decision is None):
            raise UsageError(
                "A reviewer's decision is signed for somebody, into a file.",
                hint="Give all of --sign-for OWNER, --out FILE, and --approve or --reject.",
            )
        if review_file and (decision is not None or until is not None):
            raise UsageError(
                "With --review the reviewers decide.", hint="Leave --approve, --reject and --until out."
            )
        if sign_for is not None and out is not None and decision is not None:
            if grants or no_environment:
                raise UsageError(
                    "A reviewer allows nothing beyond the sandbox and decides about no environment.",
                    hint="Leave out --no-environment and the --allow options.",
                )
            _sign(project, email, diff, decision, digest, sign_for, out, end, as_json)
        elif review_file:
            _take_in(project, email, digest, review_file, as_json)
        else:
            _review(project, email, diff, decision, digest, no_environment, grants, end, as_json)


def _sign(
    path: Path,
    email: str | None,
    diff: bool,
    decision: "Decision",
    digest: str | None,
    sign_for: str,
    out: Path,
    until: float | None,
    as_json: bool,
) -> None:
    """A reviewer, who need not take part, signs a decision for data owners."""
    from syft_flwr_cli.project.config import load_project, require_federated, split_emails
    from syft_flwr_cli.security.passphrase import passphrase_source
    from syft_flwr_cli.services import delegation, joining
    from syft_flwr_cli.services import review as service
    from syft_flwr_cli.services.current_participant import current_participant
    from syft_flwr_cli.storage.paths import home
    from syft_flwr_cli.ui.review import describe, show

    here = home()
    me = current_participant(here, email)
    federated = require_federated(load_project(joining.locate(here, path, email)))
    place = shlex.quote(str(path)) + f" --email {me}"
    reviewed = service.review_project(
        here, me, federated, place=place, diff=diff, digest=digest, with_environment=False
    )
    owners = split_emails(sign_for)
    signed = delegation.sign(reviewed, decision, owners, out, passphrase_source(me), until=until)
    document = describe(reviewed.shown, place, me, reviewed.rules, reviewed.diff)
    if as_json:
        facts = {"file": str(out.absolute()), "decision": decision, "owners": list(signed.owners)}
        output.emit_json({**document, "signed": facts})
        return
    show(document, ending=False)
    output.note(f"Signed in {out}: you {decision} these files (digest {signed.digest[:16]}).", style="bold")
    output.note(
        f"Your key, for the policy of {', '.join(signed.owners)}: {signed.reviewer.words}\n"
        f"Send them the file. They type: syft-flwr review NAME --review {shlex.quote(out.name)}"
    )


def _take_in(path: Path, email: str | None, digest: str | None, files: list[Path], as_json: bool) -> None:
    """A data owner takes in what reviewers have signed, and tells whoever offered these files."""
    from syft_flwr_cli.consent.approvals import reviewers_of
    from syft_flwr_cli.project.config import load_project, require_federated
    from syft_flwr_cli.project.settings import resolve
    from syft_flwr_cli.security.passphrase import passphrase_source
    from syft_flwr_cli.services import delegation, joining
    from syft_flwr_cli.services import review as service
    from syft_flwr_cli.storage.paths import home
    from syft_flwr_cli.ui.review import describe

    here = home()
    folder = joining.locate(here, path, email)
    federated = require_federated(load_project(folder))
    me = resolve(federated, home=here, role="data owner", email=email, root=federated.path).email
    place = shlex.quote(str(path)) + f" --email {me}"
    reviewed = service.review_project(here, me, federated, place=place, digest=digest, with_environment=False)
    done = delegation.take_in(here, reviewed, files, passphrase_source(me))
    decided = done.reviewed.shown.decided
    offer = joining.offer_of_files(here, me, done.reviewed.shown.manifest.digest)
    if done.decision is not None and decided is not None and offer is not None:
        _answer(here, me, offer, done.decision, decided.until, reviewers_of(decided))
    if as_json:
        document = describe(done.reviewed.shown, place, me, done.reviewed.rules, None)
        output.emit_json({**document, "approving": list(done.approving), "needed": done.needed})
        return
    names = ", ".join(done.approving) or "nobody"
    output.note(f"{len(done.approving)} of {done.needed} reviewers approve: {names}.")
    if decided is None:
        output.note("Nothing runs yet.")
    elif decided.decision == "approve" and decided.reviews:
        output.note(f"Approved (digest {decided.digest[:16]}), on their word.", style="bold")
    else:
        word = "approved" if decided.decision == "approve" else "rejected"
        output.note(f"These files are {word} (digest {decided.digest[:16]}).", style="bold")


def _review(
    path: Path,
    email: str | None,
    diff: bool,
    decision: "Decision | None",
    digest: str | None,
    no_environment: bool,
    grants: "Grants",
    until: float | None,
    as_json: bool,
) -> None:
    from syft_flwr_cli.project.config import load_project, require_federated
    from syft_flwr_cli.project.settings import remember, resolve
    from syft_flwr_cli.security.passphrase import passphrase_source
    from syft_flwr_cli.services import joining
    from syft_flwr_cli.services import review as service
    from syft_flwr_cli.storage.paths import home
    from syft_flwr_cli.ui.review import describe, describe_decision, show

    here = home()
    folder = joining.locate(here, path, email)
    federated = require_federated(load_project(folder))
    settings = resolve(
        federated,
        home=here,
        role="data owner" if decision else None,
        email=email,
        root=federated.path,  # the shared folder is not needed to look at code
    )
    reviewed = service.review_project(
        here,
        settings.email,
        federated,
        place=shlex.quote(str(path)) + (f" --email {settings.email}" if email else ""),
        diff=diff,
        digest=digest,
        with_environment=not no_environment,
    )
    if email is not None:
        remember(here, settings.app_name, email=settings.email)
    if reviewed.warning:
        output.note(f"warning: {reviewed.warning}", "yellow")
    document = describe(reviewed.shown, reviewed.place, settings.email, reviewed.rules, reviewed.diff)
    if decision is not None:
        passphrase = passphrase_source(settings.email)
        reviewed = service.decide(
            reviewed, decision, passphrase, with_environment=not no_environment, grants=grants, until=until
        )
        document |= describe_decision(reviewed.shown, reviewed.shown.decided, reviewed.place)
        # Wherever these very files lie: whoever offered them is told.
        offer = joining.offer_of_files(here, settings.email, reviewed.shown.manifest.digest)
        if offer is not None:
            _answer(here, settings.email, offer, decision, until)
    if as_json:
        output.emit_json(document)
    else:
        show(document)
        received = joining.offer_of_files(here, settings.email, reviewed.shown.manifest.digest)
        if received is not None and joining.receiver_of(here, folder) is not None:
            output.note(
                f"These are the files as they were received, version {received.offer.revision}. A newer version is "
                f"received with: syft-flwr join {received.aggregator}"
            )


def _answer_run(path: Path, email: str | None, run: str, allowed: bool, as_json: bool) -> None:
    """Answer a run whose run config is another than the approved one."""
    from syft_flwr_cli.protocol.printable import visible
    from syft_flwr_cli.services.answering import answer_asked_run
    from syft_flwr_cli.ui.console_reporter import ConsoleReporter

    answered = answer_asked_run(path, email, run, allowed, ConsoleReporter())
    if as_json:
        output.emit_json(
            {"run_id": answered.ask.run, "allowed": allowed, "values": dict(answered.ask.values)}
        )
        return
    word = "Allowed" if allowed else "Refused"
    output.note(f"{word} run {answered.ask.run} with {visible(answered.ask.sentence())}.", style="bold")
    if not answered.sent:
        output.note(f"{answered.aggregator} is told by the next: syft-flwr join {answered.aggregator}")


def _answer(
    here: Path,
    email: str,
    offer: "Offered",
    decision: "Decision",
    until: float | None,
    reviewers: tuple[str, ...] = (),
) -> None:
    """Tell the aggregator what was decided about its offer, now or as soon as the store can be reached."""
    from syft_flwr_cli.errors import SyftFlwrError
    from syft_flwr_cli.services import joining
    from syft_flwr_cli.ui.console_reporter import ConsoleReporter

    try:
        sent = joining.answer_now(
            here, email, offer, decision, ConsoleReporter(), until=until, reviewers=reviewers
        )
    except SyftFlwrError as error:
        output.note(f"{offer.aggregator} cannot be told at the moment: {error.what}", "yellow")
        sent = False
    if not sent:
        output.note(f"It is told by the next: syft-flwr join {offer.aggregator}")
