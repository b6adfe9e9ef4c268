"""The steps of ``syft-flwr join``: compare keys, look, choose data, decide. Each has its flags, and asks where it may.

A step asks only where there is a terminal and its flag was not given.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from syft_flwr_cli.errors import UsageError

if TYPE_CHECKING:
    from syft_flwr_cli.project.config import Project
    from syft_flwr_cli.project.settings import Settings
    from syft_flwr_cli.protocol.grants import Grants
    from syft_flwr_cli.services.data_choice import DataChoice
    from syft_flwr_cli.services.federation import Federation
    from syft_flwr_cli.services.joining import Offered
    from syft_flwr_cli.services.review import Decision, Reviewed

__all__ = [
    "DataFlags",
    "Steps",
    "ask",
    "build_environment",
    "choose",
    "compare_keys",
    "decide",
    "look",
    "rehearse_first",
    "settings_for",
]


@dataclass
class DataFlags:
    """What was typed, or said, about the data."""

    data: Path | None
    dataset: str | None
    mock: bool
    no_data: bool

    def said(self) -> bool:
        """Whether anything was."""
        return self.data is not None or self.dataset is not None or self.mock or self.no_data

    def words(self) -> list[str]:
        """As another command is given it."""
        named = [("--data", self.data), ("--dataset", self.dataset)]
        words = [word for flag, value in named if value is not None for word in (flag, str(value))]
        return words + ["--mock"] * self.mock + ["--no-data"] * self.no_data


class Steps:
    """What was typed about the steps; each may ask where there is a terminal."""

    def __init__(
        self,
        words: str | None,
        show_files: bool,
        data: DataFlags,
        approve: bool,
        reject: bool,
        digest: str | None,
        message: str,
        run: bool | None,
        as_json: bool,
        grants: "Grants",
        wheels: Path | None,
        until: float | None,
        rehearse: bool | None = None,
    ) -> None:
        self.until = until
        self.rehearse = rehearse
        self.rehearsed: dict[str, Any] | None = None
        self.grants = grants
        self.wheels = wheels
        self.words = words
        self.show_files = show_files
        self.data = data
        self.approve = approve
        self.reject = reject
        self.digest = digest
        self.message = message
        self.run = run
        self.as_json = as_json
        self.asks = sys.stdin.isatty() and sys.stderr.isatty()


def compare_keys(federation: "Federation", aggregator: str, flags: Steps) -> None:
    """Show the six words of who asks, and note whether a person compared them."""
    from syft_flwr_cli.services.peer_keys import verify
    from syft_flwr_cli.ui import output

    roster = federation.session.channel.account.roster
    entry = roster.get(aggregator)
    if entry is None:
        return
    identity = federation.session.channel.account.identity
    if flags.words is not None:
        entry = verify(federation.directory, lambda: identity, aggregator, flags.words, lambda text: None)
    elif entry.verified is None and flags.asks:
        output.note(f"{aggregator} asks. The words of its key are\n\n    {entry.identity.words}\n")
        question = f"Have you compared them with {aggregator} on the phone, and do they agree?"
        if typer.confirm(question, default=False, err=True):
            verify(
                federation.directory, lambda: identity, aggregator, entry.identity.words, lambda text: None
            )
            return
        output.note("Not compared; the key is remembered, and any other one will be refused.")
        return
    state = "compared" if entry.verified else "nobody has compared it yet"
    output.note(f"{aggregator} asks. Its key: {entry.identity.words} ({state}).")


def look(
    here: Path, settings: "Settings", one: "Offered", project: "Project", where: str, flags: Steps
) -> "Reviewed":
    """Show what would run: the review, and the files or their difference."""
    from syft_flwr_cli.protocol.printable import visible
    from syft_flwr_cli.services.review import review_project
    from syft_flwr_cli.ui import output
    from syft_flwr_cli.ui.review import describe, show

    reviewed = review_project(here, settings.email, project, place=where, diff=True, digest=flags.digest)
    if reviewed.warning:
        output.note(f"warning: {reviewed.warning}", "yellow")
    if flags.as_json:
        return reviewed
    if one.offer.message:
        output.out().print(f"{one.aggregator} says: {visible(one.offer.message)}", markup=False)
    shows = flags.show_files
    if flags.asks and not shows and reviewed.shown.before is None and not (flags.approve or flags.reject):
        size = sum(entry.size for entry in reviewed.shown.manifest.entries)
        count = len(reviewed.shown.manifest.entries)
        output.note(f"{project.name}: {count} files, {size:,} bytes, in {one.folder}")
        shows = typer.confirm("Show what is in them?", default=True, err=True)
    if shows:
        from syft_flwr_cli.ui.review_files import show_files

        show_files(reviewed.shown)
    show(describe(reviewed.shown, where, settings.email, reviewed.rules, reviewed.diff), ending=False)
    return reviewed


def rehearse_first(
    here: Path,
    settings: "Settings",
    project: "Project",
    reviewed: "Reviewed",
    chosen: "DataChoice | None",
    flags: Steps,
) -> None:
    """Run exactly these files on the data with nothing sent, and show what would leave, if that is wanted."""
    from syft_flwr_cli.services.rehearsal import RehearsalSetup, rehearse
    from syft_flwr_cli.ui import output
    from syft_flwr_cli.ui.rehearsal import rehearsal_facts, show_rehearsal

    before = reviewed.shown.decided
    wanted = flags.rehearse
    if wanted is None:
        open_ = before is None or before.decision != "approve" or before.ended(time.time())
        offered = flags.asks and open_ and chosen is not None and not (flags.approve or flags.reject)
        question = "Rehearse it first: run it on this data with nothing sent, and see what would leave?"
        wanted = offered and typer.confirm(question, default=True, err=True)
    if not wanted:
        return
    output.note("Rehearsing; nothing is sent.")
    grants = flags.grants or (flags.grants if before is None else before.grants)
    done = rehearse(
        RehearsalSetup(here, settings.email, project, None if chosen is None else chosen.path, grants)
    )
    flags.rehearsed = rehearsal_facts(done)
    if not flags.as_json:
        show_rehearsal(done)


def decide(
    federation: "Federation", one: "Offered", reviewed: "Reviewed", flags: Steps
) -> "tuple[Reviewed, str]":
    """Decide as the flags say, or as a person says; what was decided before stays if nothing is said."""
    from syft_flwr_cli.consent.approvals import reviewers_of
    from syft_flwr_cli.security.passphrase import passphrase_source
    from syft_flwr_cli.services import joining, review

    before = reviewed.shown.decided
    choice: Decision
    if flags.approve or flags.reject:
        choice = "approve" if flags.approve else "reject"
    elif before is not None and before.decision == "approve" and not before.ended(time.time()):
        choice = "approve"
    elif flags.asks:
        choice = _ask_decision()
    else:
        raise UsageError(
            "Nothing was decided: --approve or --reject is missing.",
            hint=f"Type it again with --approve --digest {reviewed.shown.manifest.digest[:16]} (and --data DIR --run "
            "to run it), or with --reject.",
        )
    grants = flags.grants or (before.grants if before is not None else flags.grants)
    until = flags.until if flags.until is not None or before is None else before.until
    wanted = (choice, grants, until) if choice == "approve" else (choice,)
    known = () if before is None else (before.decision, before.grants, before.until)
    owned = before is not None and not (
        before.reviews and flags.approve
    )  # else reviewers did, and now the owner does
    if before is None or not owned or known[: len(wanted)] != wanted or before.ended(time.time()):
        passphrase = passphrase_source(reviewed.email)
        reviewed = review.decide(reviewed, choice, passphrase, grants=grants, until=until)
    now = federation.session.channel.clock()
    made = reviewed.shown.decided
    by = () if made is None else reviewers_of(made)
    joining.answer(federation.store, one, choice, now, until=until, message=flags.message, reviewers=by)
    federation.mailbox.post()
    return reviewed, choice


def _ask_decision() -> "Decision":
    """What a person decides; one who decides later is told how to come back, and the command is over."""
    from syft_flwr_cli.ui import output

    while True:
        said = typer.prompt("Approve, reject or later", default="later", err=True).strip().lower()
        if said in ("a", "approve"):
            return "approve"
        if said in ("r", "reject"):
            return "reject"
        if said in ("l", "later"):
            output.note("Nothing was decided, and nothing runs. To decide, type the same command again.")
            raise typer.Exit(0)
        output.note("Please type approve, reject or later.")


def settings_for(here: Path, settings: "Settings", project: "Project") -> "Settings":
    """The settings of the project's app, with the store that was joined."""
    from syft_flwr_cli.project.settings import resolve

    return resolve(
        project,
        home=here,
        role="data owner",
        email=settings.email,
        transport=settings.transport,
        root=settings.transport_options.get("root"),
        syftbox_config=settings.transport_options.get("syftbox_config"),
    )


def choose(here: Path, settings: "Settings", project: "Project", flags: Steps) -> "DataChoice | None":
    """Which data the app is to get, as it was typed, remembered, asked for by the project, or as a person says now.

    None if nothing was said and nothing is to be run now.
    """
    from dataclasses import replace

    from syft_flwr_cli.services.data_choice import choose_data
    from syft_flwr_cli.ui import output

    uses = flags.data
    for_app = settings_for(here, settings, project)

    def chosen() -> "DataChoice":
        return choose_data(
            for_app if uses.data is None else replace(for_app, data=uses.data),
            here,
            data=uses.data,
            mock=uses.mock,
            no_data=uses.no_data,
            dataset=uses.dataset,
            project=project,
        )

    if flags.reject:
        return None
    try:
        found = chosen()
    except UsageError:
        if uses.said() or flags.run:
            raise
        if not flags.asks or flags.approve:
            return None
        _ask_data(uses)
        if not uses.said():
            return None
        found = chosen()
    what = {"mock": "mock data", "none": "no data"}.get(found.use)
    files = "1 file" if found.files == 1 else f"{found.files} files"
    output.note(f"Data: {what or f'{found.path} ({files}, {found.bytes:,} bytes)'}")
    return found


def _ask_data(uses: DataFlags) -> None:
    from syft_flwr_cli.ui import output

    output.note(
        "On which data may it run? Type the path of your data's folder; mock for the made-up data of the project; none "
        "if it needs no data; or press Enter to say it later."
    )
    while True:
        said = typer.prompt("Data", default="", show_default=False, err=True).strip()
        if said in ("mock", "none"):
            uses.mock, uses.no_data = said == "mock", said == "none"
            return
        if not said:
            return
        place = Path(said).expanduser().absolute()
        if place.exists():
            uses.data = place
            return
        output.note(f"There is no {place}.")


def ask(question: str) -> str:
    return str(typer.prompt(question, err=True)).strip()


def build_environment(here: Path, email: str, one: "Offered", flags: Steps) -> None:
    """Build the environment that the approved lock of a project asks for, if it has one."""
    from syft_flwr_cli.execution.dependency_lock import read_lock
    from syft_flwr_cli.services.owner_app import locked_interpreter
    from syft_flwr_cli.ui import output

    packages = read_lock(one.folder)
    if packages:
        output.note(f"Environment: {len(packages)} packages of the approved lock, checked by hash.")
        locked_interpreter(here, email, one.folder, flags.wheels)
