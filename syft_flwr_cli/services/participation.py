"""Who takes part in the runs of a project that was offered: whoever has approved it, now and later.

`Participation` sends offers that wait for a key, takes decisions in, says when a run may start, and while a run goes
on keeps the answer to "who takes part" current in a thread of its own. Data owners who were never asked take part as
they always did: their own approval, of a folder that they got some other way, is theirs alone to give.
"""

import math
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.consent.manifest import make_manifest
from syft_flwr_cli.errors import EXIT_MISSING_OWNERS, SyftFlwrError, UsageError
from syft_flwr_cli.events import DecisionReceived, DecisionsAwaited, Emit, OfferSent, StoreFailed, nobody
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.services.federation import Federation, open_federation, record_store
from syft_flwr_cli.services.offers import Standing, restore_tree, standing
from syft_flwr_cli.session.interrupts import on_interrupt
from syft_flwr_cli.session.session import Session

__all__ = [
    "NobodyApprovedError",
    "Participation",
    "StartRule",
    "begin",
    "parse_start_rule",
    "participation_of",
]

_WAIT = 60.0
_COUNT = re.compile(r"([1-9][0-9]{0,5})(%?)\Z")


class NobodyApprovedError(SyftFlwrError):
    """All who were asked have decided, and nobody has approved."""

    exit_code = EXIT_MISSING_OWNERS


@dataclass(frozen=True, slots=True)
class StartRule:
    """When a run may start before every decision is in: so many approvals, or so large a share of all asked."""

    count: int | None = None
    share: float | None = None

    def enough(self, approved: int, asked: int) -> bool:
        """Whether so many approvals of so many asked are enough."""
        if self.count is not None:
            return approved >= self.count
        return self.share is not None and approved >= math.ceil(self.share * asked)


def parse_start_rule(text: str | None) -> StartRule:
    """``2`` or ``80%``; with None every decision is waited for.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if text is None:
        return StartRule()
    found = _COUNT.match(text.strip())
    if found is None or (found[2] and int(found[1]) > 100):
        raise UsageError(f"--start-with {text[:40]!r} is no number.", hint="Write it as 1 or 80%.")
    number = int(found[1])
    return StartRule(share=number / 100) if found[2] else StartRule(count=number)


class Participation:
    """See the module's first paragraph.

    Parameters
    ----------
    federation : Federation
        The aggregator's; closed by `close`.
    project : Project
        The project as it was offered.
    found : Standing
        Its newest offer.
    emit : callable
        Hears of offers sent, decisions received, and who is waited for.
    """

    def __init__(
        self, federation: Federation, project: Project, found: Standing, emit: Emit = nobody
    ) -> None:
        self._federation = federation
        self._project = project
        self._emit = emit
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._standing = found

    @property
    def standing(self) -> Standing:
        """How the offer stands, as far as it is known."""
        with self._lock:
            return self._standing

    def members(self) -> list[str]:
        """The data owners who take part now, in the project's order."""
        found = self.standing
        asked = {one.email for one in found.asked}
        approved = set(found.approved)
        return [email for email in self._project.datasites if email in approved or email not in asked]

    def refresh(self) -> None:
        """Send what waits to be sent, take in what has arrived."""
        federation, offer = self._federation, self.standing.offer
        for sent in federation.mailbox.post().sent:
            if sent.record.kind == "offer":
                self._emit(OfferSent(sent.recipient, offer.project, offer.revision))
        owners = [one.email for one in self.standing.asked]
        before = {one.email: one.decision for one in self.standing.asked}
        federation.mailbox.collect(owners, ("decision", "leave"))
        found = standing(federation.store, offer.app_name, federation.session.channel.clock())
        if found is None or found.offer.id != offer.id:
            return  # withdrawn, or another version was shared meanwhile: this run goes on with whom it has
        with self._lock:
            self._standing = found
        for one in found.asked:
            if one.decision is not None and one.decision != before.get(one.email):
                choice = "approved" if one.decision.choice == "approve" else "rejected"
                self._emit(DecisionReceived(one.email, offer.project, choice, one.decision.message))

    def wait(self, rule: StartRule) -> None:
        """Wait until a run may start: all who were asked have decided, or enough have approved.

        Raises
        ------
        NobodyApprovedError
            If nobody is left who could take part.
        """
        restore_tree(self._federation, self._project, self.standing)
        said: tuple[str, ...] = ()
        while True:
            token = self._federation.token()
            self.refresh()
            found = self.standing
            if rule.enough(len(found.approved), len(found.asked)) or not found.undecided:
                break
            if said != (said := tuple(found.undecided)):  # each look would fill the log of a run that waits
                self._emit(DecisionsAwaited(said, found.offer.project))
            self._federation.wait(token, _WAIT)
        if not self.members():
            raise NobodyApprovedError(
                f"Nobody has approved {found.offer.project} {found.offer.version} "
                f"(digest {found.offer.digest[:16]}…): {', '.join(found.declined)} declined.",
                hint="See what they say: syft-flwr projects show "
                f"{found.offer.project}; change the project and share it again: syft-flwr share",
            )

    def watch(self) -> None:
        """Keep `members` current until `close`."""
        self._thread = threading.Thread(target=self._watch, name="syft-flwr-decisions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread and let go of everything."""
        self._closing.set()
        if self._thread is not None:
            self._federation.session.channel.transport.wake()
            self._thread.join(timeout=10)
        self._federation.close()

    def _watch(self) -> None:
        while not self._closing.is_set():
            token = self._federation.token()
            try:
                self.refresh()
            except SyftFlwrError as error:
                # A run does not end over a decision that cannot be read at the moment.
                self._emit(StoreFailed(error.what, error.hint))
            if not self._closing.is_set():
                self._federation.wait(token, _WAIT)


def participation_of(federation: Federation, project: Project, emit: Emit = nobody) -> Participation | None:
    """The participation in a project that was offered; None if nobody was asked.

    Raises
    ------
    UsageError
        If the files are not those that were offered.
    """
    app = project.app_name or ""
    found = standing(federation.store, app, federation.session.channel.clock())
    if found is None:
        return None
    digest = make_manifest(project.path).digest
    if digest != found.offer.digest:
        raise UsageError(
            f"The files of {project.name} changed since they were shared (digest {digest[:16]}…, shared was "
            f"{found.offer.digest[:16]}…), so no data owner would run them.",
            hint=f"Share the new version: syft-flwr share {project.path}; or take back what changed.",
        )
    return Participation(federation, project, found, emit)


def begin(
    session: Session,
    home: Path,
    project: Project,
    rule: StartRule,
    *,
    fresh: bool = False,
    run: str | None = None,
) -> Participation | None:
    """Wait until a run of a project may start, and keep watching who takes part; None if it was never offered.

    A run that was begun before goes on at once: it has started already.

    Parameters
    ----------
    session : Session
        The aggregator's, in the project's app.
    home, project, rule
        Where the aggregator's things are, what is run, and when it may start.
    fresh : bool
        Whether an unfinished run is withdrawn.
    run : str, optional
        The id of the run that is meant, where it is known.

    Raises
    ------
    UsageError
        If the files are not those that were offered.
    NobodyApprovedError
        If nobody is left who could take part.
    """
    store = record_store(home, session.settings.email)
    if standing(store, project.app_name or "", time.time()) is None:
        return None
    emit = session.channel.emit
    federation = open_federation(
        session.settings,
        home,
        emit=emit,
        fingerprints=project.fingerprints,
        require_verified=session.channel.account.roster.require_verified,
    )
    try:
        found = participation_of(federation, project, emit)
        if found is None:
            federation.close()
            return None
        journal = session.journal
        begun = journal.unfinished_run("aggregator") if run is None else journal.run(run)
        if fresh or begun is None:
            # A service manager ends a run that waits as Ctrl-C does: it says how to go on.
            with on_interrupt(federation.session.channel.transport.wake, raises=True):
                found.wait(rule)
        found.watch()
    except BaseException:
        federation.close()
        raise
    return found
