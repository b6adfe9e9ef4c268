"""The data owner's side of project offers: receive them, look at what would run, decide, and tell the aggregator.

The tree of an offer is unpacked into ``projects/{digest}`` in the participant's directory, read-only, and reviewed and
run there like any other project's folder. A decision is an approval of one's own (see `consent.approvals`) and a
record that tells the aggregator of it, bound to the offer and its digest. Prints nothing and asks nobody.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.catalogue.bundle import unpack
from syft_flwr_cli.catalogue.projects import (
    Choice,
    Offer,
    ProjectDecision,
    decision_document,
    read_decision,
    read_offer,
)
from syft_flwr_cli.catalogue.record_store import Received, RecordStore
from syft_flwr_cli.catalogue.records import APP
from syft_flwr_cli.catalogue.run_asks import MAX_ASKS, RunAnswer
from syft_flwr_cli.consent.manifest import make_manifest, remove_copy
from syft_flwr_cli.errors import NotAProjectError, TransportError, UsageError
from syft_flwr_cli.events import Emit, OfferAwaited
from syft_flwr_cli.project.config import Project, load_project, require_federated
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.services.federation import Federation, open_federation
from syft_flwr_cli.storage.paths import participant_dir

__all__ = [
    "Offered",
    "answer",
    "answer_now",
    "await_offers",
    "find_offered",
    "is_received",
    "joined",
    "locate",
    "offer_of_files",
    "offered_to",
    "receiver_of",
    "rejoin",
    "unpack_offer",
]

_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Offered:
    """A project that somebody offers; ``decision`` is what was answered to this very offer.

    ``folder`` is where its tree lies, or is to lie, and ``seen`` when it came, in seconds since 1970.
    """

    aggregator: str
    offer: Offer
    seen: float
    folder: Path
    decision: ProjectDecision | None

    @property
    def name(self) -> str:
        """How commands call it where no other aggregator offers one of this name."""
        return self.offer.project

    @property
    def here(self) -> bool:
        """Whether its tree has been unpacked."""
        return self.folder.is_dir()


def offered_to(store: RecordStore, home: Path, email: str, aggregator: str | None = None) -> list[Offered]:
    """Every project that is offered to ``email`` now, the oldest offer first."""
    found = [
        _offered(store, participant_dir(home, email), received)
        for received in store.received("offer", aggregator)
    ]
    return sorted((one for one in found if not one.offer.withdrawn), key=lambda one: one.seen)


def find_offered(store: RecordStore, home: Path, email: str, name: str) -> Offered:
    """The offered project that is called ``name``: its name, ``AGGREGATOR/NAME``, its app name, or its digest's start.

    Raises
    ------
    UsageError
        If there is none, or several.
    """
    everything = offered_to(store, home, email)
    aggregator, _, project = name.rpartition("/")
    found = [
        one
        for one in everything
        if one.offer.app_name == name
        or (one.name == project and aggregator in ("", one.aggregator))
        or (len(name) >= 8 and one.offer.digest.startswith(name))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(f"{one.aggregator}/{one.name}" for one in found))
        raise UsageError(f"Several projects are called {name!r}.", hint=f"Name one of them: {names}.")
    known = ", ".join(sorted({one.name for one in everything}))
    raise UsageError(
        f"No project called {name[:80]!r} is offered to {email}.",
        hint=f"Offered are: {known}."
        if known
        else "Receive offers with: syft-flwr join AGGREGATOR --root DIR",
    )


def await_offers(
    federation: Federation, aggregator: str, name: str | None, wait: float | None
) -> list[tuple[Offered, Project]]:
    """The projects that ``aggregator`` offers, unpacked and checked, the oldest offer first; at least one.

    Parameters
    ----------
    federation : Federation
        The data owner's.
    aggregator : str
        Whose offers.
    name : str, optional
        Only the project that is called so.
    wait : float, optional
        Seconds to wait for the first one; without limit if None.

    Raises
    ------
    TransportError
        If there is none in time.
    RefusedError
        If what is offered is not what it says it is.
    """
    home, begun = federation.directory.parents[1], time.monotonic()
    while True:
        token = federation.token()
        federation.mailbox.post()
        federation.mailbox.collect([aggregator])
        offers = [
            one
            for one in offered_to(federation.store, home, federation.email, aggregator)
            if name in (None, one.name, one.offer.app_name)
        ]
        found = [(one, project) for one in offers if (project := unpack_offer(federation, one)) is not None]
        if found and len(found) == len(offers):
            return found
        left = math.inf if wait is None else begun + wait - time.monotonic()
        if left <= 0:
            if found:
                return found
            raise TransportError(
                f"{aggregator} has not offered {name or 'a project'} to {federation.email} within {wait:g} s.",
                hint="Is the shared folder the same for both, and your e-mail as the project has it? "
                f"{aggregator} sends offers with share and run-server; wait longer with --wait 1h.",
            )
        federation.session.channel.emit(
            OfferAwaited(aggregator, federation.session.channel.account.roster.get(aggregator) is not None)
        )
        federation.wait(token, min(left, _WAIT))


def unpack_offer(federation: Federation, one: Offered) -> Project | None:
    """The project of an offer, unpacked and checked; None while its tree has not arrived.

    Raises
    ------
    RefusedError
        If the tree is not what the offer says. Nothing is left of it, and it is in the audit log.
    """
    offer = one.offer
    try:
        if not one.here:
            if offer.tree is None:
                return None
            data = federation.mailbox.read_payload(one.aggregator, offer.tree)
            if data is None:
                return None
            unpack(data, offer.digest, one.folder)
        elif make_manifest(one.folder).digest != offer.digest:
            remove_copy(one.folder)
            return unpack_offer(federation, one)
        return _checked(one, federation.email)
    except RefusedError as error:
        remove_copy(one.folder)
        path = f"offers/{offer.id}"
        federation.session.channel.quarantine.refuse(one.aggregator, path, offer.digest.encode(), error)
        raise


def answer(
    store: RecordStore,
    one: Offered,
    choice: Choice,
    now: float,
    *,
    until: float | None = None,
    message: str = "",
    runs: tuple[RunAnswer, ...] = (),
    reviewers: tuple[str, ...] = (),
) -> None:
    """Note what the aggregator is to be told about its offer; `Federation.mailbox` posts it.

    What was answered to runs that the offer asks for stays as it was, except for what ``runs`` answer anew.
    ``reviewers`` are those on whose word it was approved, where it was not the owner's own.
    """
    anew = {answered.run for answered in runs}
    before = () if one.decision is None else one.decision.runs
    decision = ProjectDecision(
        one.offer.id,
        one.offer.app_name,
        one.offer.digest,
        choice,
        until=until,
        message=message,
        runs=(*(kept for kept in before if kept.run not in anew), *runs)[-MAX_ASKS:],
        reviewers=reviewers,
    )
    store.put(one.aggregator, "decision", one.offer.app_name, decision_document(decision), now)


def answer_now(
    home: Path,
    email: str,
    one: Offered,
    choice: Choice,
    emit: Emit,
    *,
    until: float | None = None,
    reviewers: tuple[str, ...] = (),
) -> bool:
    """Tell the aggregator through the store that was joined with; whether it has gone out.

    Raises
    ------
    SyftFlwrError
        If the store is not known or cannot be reached; the answer is kept and goes out later.
    """
    store = RecordStore(participant_dir(home, email) / "federation", email)
    answer(store, one, choice, time.time(), until=until, reviewers=reviewers)
    settings = resolve(
        None, home=home, role="data owner", email=email, app_name=APP, aggregator=one.aggregator
    )
    federation = open_federation(settings, home, emit=emit)
    try:
        return all(sent.recipient != one.aggregator for sent in federation.mailbox.post().waiting)
    finally:
        federation.close()


def is_received(home: Path, named: Path, email: str | None) -> bool:
    """Whether what was typed is the name of a project that was received on this machine, and no folder."""
    try:
        return locate(home, named, email) != named
    except UsageError:
        return False


def locate(home: Path, named: Path, email: str | None) -> Path:
    """The folder that is meant by what was typed.

    A folder that is there is meant itself; otherwise it is the name of an offered project. In a folder without a
    project, whoever has received some is told their names.

    Raises
    ------
    UsageError
        If there is neither, or several participants of this machine are offered a project of this name.
    """
    if named.is_dir() and not (named / "pyproject.toml").exists():
        _name_received(home, named, email)
    if named.exists() or (len(named.parts) != 1 and "@" not in named.parts[0]):
        return named
    me = [email] if email else _participants(home)
    found = []
    failure: UsageError | None = None
    for one in me:
        store = RecordStore(participant_dir(home, one) / "federation", one)
        try:
            found.append(find_offered(store, home, one, str(named)))
        except UsageError as error:
            failure = error
    if len(found) == 1:
        if not found[0].here:
            raise UsageError(
                f"The files of {found[0].name} have not been received yet.",
                hint=f"Receive them with: syft-flwr join {found[0].aggregator}",
            )
        return found[0].folder
    if found:
        raise UsageError(
            f"Several participants here are offered {named}.", hint="Say who you are with --email."
        )
    if failure is not None and email:
        raise failure
    return named  # whoever loads it says what is wrong with it


def receiver_of(home: Path, folder: Path) -> str | None:
    """Who received the project in ``folder``; None if it lies anywhere else than where received projects are kept."""
    place, everybody = folder.absolute(), home.absolute() / "participants"
    if place.parent.name != "projects" or not place.is_relative_to(everybody):
        return None
    return place.relative_to(everybody).parts[0]


def _name_received(home: Path, named: Path, email: str | None) -> None:
    """Refuse a folder without a project by naming the projects that were received, if there are any."""
    received = [
        (one.name, who)
        for who in ([email] if email else _participants(home))
        for one in offered_to(RecordStore(participant_dir(home, who) / "federation", who), home, who)
    ]
    if received:
        names = ", ".join(dict.fromkeys(name for name, _ in received))
        raise NotAProjectError(
            f"{named.absolute()} has no pyproject.toml.",
            hint=f"Name a project that you have received ({names}), or the folder of one; see: syft-flwr projects list",
        )


def offer_of_files(home: Path, email: str, digest: str) -> Offered | None:
    """The offer, made to ``email``, of exactly the files with this digest."""
    store = RecordStore(participant_dir(home, email) / "federation", email)
    return next((one for one in offered_to(store, home, email) if one.offer.digest == digest), None)


def _offered(store: RecordStore, directory: Path, received: Received) -> Offered:
    offer = read_offer(received.record.content)
    sent = store.sent_to(received.sender, "decision", offer.app_name)
    decision = None if sent is None else read_decision(sent.record.content)
    if decision is not None and decision.offer != offer.id:
        decision = None
    return Offered(
        aggregator=received.sender,
        offer=offer,
        seen=received.seen,
        folder=directory / "projects" / offer.digest,
        decision=decision,
    )


def _checked(one: Offered, me: str) -> Project:
    """The project, if it is the one that was offered, by the one who offers it, to us."""
    try:
        project = require_federated(load_project(one.folder))
    except NotAProjectError as error:
        raise RefusedError("garbage", f"The offer of {one.aggregator} is no project: {error.what}") from error
    problem = next(_differences(one, project, me), None)
    if problem is not None:
        raise RefusedError("unexpected", f"The offer of {one.aggregator} is refused: {problem}.")
    return project


def _differences(one: Offered, project: Project, me: str) -> Iterator[str]:
    offer = one.offer
    if project.aggregator != one.aggregator:
        yield f"its files name {project.aggregator} as the aggregator"
    if project.app_name != offer.app_name:
        yield f"its files belong to the app {project.app_name}, not {offer.app_name}"
    if project.name != offer.project:
        yield f"its files call it {project.name!r}, not {offer.project!r}"
    if me not in project.datasites:
        yield f"its files do not name {me} as a data owner"


def _participants(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "participants").glob("*@*") if path.is_dir())


def joined(home: Path, email: str) -> list[str]:
    """The aggregators who have offered a project to ``email`` so far, and whom it has not left."""
    store = RecordStore(participant_dir(home, email) / "federation", email)
    left = {sent.recipient for sent in store.sent("leave") if sent.record.content.get("left")}
    return sorted({received.sender for received in store.received("offer")} - left)


def rejoin(store: RecordStore, aggregator: str, now: float) -> None:
    """Note that an aggregator that was left is joined again; nothing if it was not left."""
    before = store.sent_to(aggregator, "leave", "")
    if before is not None and before.record.content.get("left"):
        store.put(aggregator, "leave", "", {"reason": "", "left": False}, now)
