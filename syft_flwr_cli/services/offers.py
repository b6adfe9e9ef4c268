"""The data scientist's side of project offers: share a project, see who has decided what, withdraw it.

A project is offered as the tree whose digest data owners approve. Sharing the same files again sends nothing new; other
files are a new version, which takes the place of the one before. Prints nothing and asks nobody.
"""

import shlex
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syft_flwr_cli.catalogue.bundle import pack
from syft_flwr_cli.catalogue.mailbox import payload_for
from syft_flwr_cli.catalogue.payload import Payload
from syft_flwr_cli.catalogue.projects import (
    MAX_MESSAGE,
    Offer,
    ProjectDecision,
    offer_document,
    read_decision,
    read_offer,
)
from syft_flwr_cli.catalogue.record_store import RecordStore, Sent
from syft_flwr_cli.catalogue.records import APP
from syft_flwr_cli.catalogue.rules import leads
from syft_flwr_cli.consent.manifest import Manifest, make_manifest
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.protocol.names import check_email, check_plain_name, payload_folder
from syft_flwr_cli.services.federation import Federation

__all__ = ["Asked", "Shared", "Standing", "offered", "restore_tree", "share", "standing", "withdraw"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A data owner who was asked, and what it has decided about the version offered last; None: nothing yet.

    ``decided`` is when the decision arrived here, ``sent`` whether the offer has gone out; seconds since 1970.
    """

    email: str
    sent: bool
    decision: ProjectDecision | None
    decided: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an offered project stands: its newest offer, who was asked, and what came back."""

    offer: Offer
    asked: tuple[Asked, ...]
    now: float

    @property
    def approved(self) -> list[str]:
        """Who has approved, with an approval that has not ended."""
        return [one.email for one in self.asked if one.decision is not None and one.decision.holds(self.now)]

    @property
    def declined(self) -> list[str]:
        """Who has rejected, or whose approval has ended."""
        return [
            one.email for one in self.asked if one.decision is not None and not one.decision.holds(self.now)
        ]

    @property
    def undecided(self) -> list[str]:
        """Whose decision is not here yet."""
        return [one.email for one in self.asked if one.decision is None]


@dataclass(frozen=True, slots=True)
class Shared:
    """What `share` did: the offer, whether it is a new version, what it holds, and to whom it has gone."""

    offer: Offer
    new: bool
    manifest: Manifest
    sent: tuple[str, ...]
    waiting: tuple[str, ...]
    """Owners who have published no key yet; the offer goes out when they have."""
    standing: Standing


def share(federation: Federation, project: Project, to: Collection[str] | None, message: str) -> Shared:
    """Offer a project, as its files are now, to data owners.

    Parameters
    ----------
    federation : Federation
        The aggregator's.
    project : Project
        A federated one.
    to : collection of str, optional
        The data owners to ask; all of the project's if None.
    message : str
        What they read with it.

    Raises
    ------
    UsageError
        If somebody is asked who is no data owner of the project, or the message is too long.
    NotAProjectError
        If the files cannot be offered.
    """
    app = _app_of(project, federation.email)
    check_plain_name(project.name)
    asked = _whom(project, to)
    if len(message) > MAX_MESSAGE:
        raise UsageError(
            f"The message has {len(message):,} characters.", hint=f"At most {MAX_MESSAGE:,} are sent."
        )
    manifest = make_manifest(project.path)
    before = _offers(federation.store, app)
    same = next((offer for _, offer in before if offer.digest == manifest.digest and offer.tree), None)
    readers = {sent.recipient for sent, offer in before if same is not None and offer.id == same.id} | {
        *asked
    }
    content = pack(manifest, project.path)
    tree = payload_for(content, None if same is None else same.tree)
    if same is None:
        revision = 1 + max((offer.revision for _, offer in before), default=0)
        offer = Offer(
            id=str(uuid.uuid4()),
            app_name=app,
            project=project.name,
            version=project.version,
            revision=revision,
            digest=manifest.digest,
            message=message,
            datasites=project.datasites,
            tree=tree,
        )
    else:
        offer = replace(same, message=message or same.message, tree=tree)
    for owner in asked:
        federation.mailbox.put(owner, "offer", app, offer_document(offer))
    federation.mailbox.publish_payload(content, tree, sorted(readers))
    posted = federation.mailbox.post()
    _remove_unused(federation)
    found = standing(federation.store, app, federation.session.channel.clock())
    assert found is not None
    return Shared(
        offer=offer,
        new=same is None,
        manifest=manifest,
        sent=_of(posted.sent, app),
        waiting=_of(posted.waiting, app),
        standing=found,
    )


def standing(store: RecordStore, app: str, now: float) -> Standing | None:
    """How the app's newest offer stands; None if it was never offered, or was withdrawn."""
    offers = [(sent, offer) for sent, offer in _offers(store, app) if not offer.withdrawn]
    if not offers:
        return None
    newest = max((offer for _, offer in offers), key=lambda offer: offer.revision)
    asked = [_asked(store, sent, newest) for sent, offer in offers if offer.id == newest.id]
    order = {email: place for place, email in enumerate(newest.datasites)}
    asked.sort(key=lambda one: order.get(one.email, len(order)))
    return Standing(newest, tuple(asked), now)


def offered(store: RecordStore, now: float) -> list[Standing]:
    """Every project that is offered, by app name."""
    apps = sorted({sent.record.key for sent in store.sent("offer")})
    return [found for app in apps if (found := standing(store, app, now)) is not None]


def withdraw(federation: Federation, app: str) -> tuple[str, ...]:
    """Take an offer back from everybody who was asked; who they are.

    Raises
    ------
    UsageError
        If the app is not offered.
    """
    offers = [(sent, offer) for sent, offer in _offers(federation.store, app) if not offer.withdrawn]
    if not offers:
        raise UsageError(f"{app} is not offered to anybody.", hint="See what is: syft-flwr projects list")
    for sent, offer in offers:
        content = offer_document(replace(offer, tree=None, withdrawn=True))
        federation.mailbox.put(sent.recipient, "offer", app, content)
    federation.mailbox.post()
    _remove_unused(federation)
    return tuple(sent.recipient for sent, _ in offers)


def restore_tree(federation: Federation, project: Project, found: Standing) -> None:
    """Publish the tree of an offer again if the store has lost it."""
    if found.offer.tree is None:
        return
    place = payload_folder(federation.email, APP)
    name = f"{place}/{found.offer.tree.id}.payload"
    if all(path != name for path, _ in federation.session.channel.transport.list_own(place)):
        content = pack(make_manifest(project.path), project.path)
        federation.mailbox.publish_payload(content, found.offer.tree, [one.email for one in found.asked])


def _app_of(project: Project, me: str) -> str:
    app = project.app_name or ""
    if project.aggregator != me or not leads(me, app):
        raise UsageError(
            f"The app name {app!r} of {project.name} does not begin with the e-mail of its aggregator, {me}.",
            hint=f"Type: syft-flwr bootstrap {shlex.quote(str(project.path))} --force, and share it again.",
        )
    return app


def _whom(project: Project, to: Collection[str] | None) -> list[str]:
    if to is None:
        return list(project.datasites)
    asked = list(dict.fromkeys(check_email(email) for email in to))
    strangers = [email for email in asked if email not in project.datasites]
    if strangers or not asked:
        raise UsageError(
            f"{', '.join(strangers) or 'Nobody'} is no data owner of {project.name}.",
            hint=f"Its data owners are {', '.join(project.datasites)}; others are added with syft-flwr bootstrap.",
        )
    return asked


def _offers(store: RecordStore, app: str) -> list[tuple[Sent, Offer]]:
    return [(sent, read_offer(sent.record.content)) for sent in store.sent("offer") if sent.record.key == app]


def _asked(store: RecordStore, sent: Sent, offer: Offer) -> Asked:
    received = store.received_from(sent.recipient, "decision", offer.app_name)
    decision = None if received is None else read_decision(received.record.content)
    if decision is not None and (decision.offer, decision.digest) != (offer.id, offer.digest):
        decision = None  # about an earlier version
    return Asked(
        email=sent.recipient,
        sent=sent.sealed_to is not None,
        decision=decision,
        decided=None if received is None or decision is None else received.seen,
    )


def _of(sent: Sequence[Sent], app: str) -> tuple[str, ...]:
    return tuple(one.recipient for one in sent if one.record.kind == "offer" and one.record.key == app)


def _remove_unused(federation: Federation) -> None:
    """Remove the trees and mock data of ours that no record names any more."""
    used = set(_payloads(federation.store))
    place = payload_folder(federation.email, APP)
    for path, entry in federation.session.channel.transport.list_own(place):
        if entry.name.removesuffix(".payload") not in used:
            federation.session.channel.transport.remove(path)


def _payloads(store: RecordStore) -> Iterator[str]:
    for sent in store.sent():
        for name in ("tree", "mock"):
            payload: Mapping[str, object] | Payload | None = sent.record.content.get(name)
            if isinstance(payload, Mapping):
                yield str(payload["id"])
