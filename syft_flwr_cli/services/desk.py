"""What a data owner does at the desk: receive offers, look, compare keys, rehearse, decide, pause, revoke, export.

Each is what a command does too, with the same services; here they are gathered for a caller that has no terminal and
answers many requests. Every method opens what it needs and closes it. Prints and asks nothing.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.catalogue.records import APP
from syft_flwr_cli.consent.approvals import Approval
from syft_flwr_cli.errors import AuditError, SyftFlwrError, TransportError, TrustError, UsageError
from syft_flwr_cli.events import nobody
from syft_flwr_cli.project.config import Project, load_project, require_federated
from syft_flwr_cli.project.settings import remember, resolve
from syft_flwr_cli.protocol.grants import Grants
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.security.identity import FILE_NAME as KEYS
from syft_flwr_cli.security.identity import load_or_create, read_public
from syft_flwr_cli.security.passphrase import passphrase_source
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.security.roster import FILE_NAME as ROSTER
from syft_flwr_cli.security.roster import Entry, Roster
from syft_flwr_cli.services import joining, peer_keys, review, revoking
from syft_flwr_cli.services.crate import export_crate
from syft_flwr_cli.services.data_choice import DataChoice, choose_data, remember_data
from syft_flwr_cli.services.desk_values import DataWish, RehearsalState, Seen
from syft_flwr_cli.services.federation import open_federation, record_store
from syft_flwr_cli.services.own_data import announce, own_data_sets
from syft_flwr_cli.services.rehearsal import RehearsalSetup, rehearse
from syft_flwr_cli.services.status import AppStatus, apps_of, look
from syft_flwr_cli.storage.journal_reader import read_egress
from syft_flwr_cli.storage.paths import app_dir, participant_dir

__all__ = ["Desk"]

FIRST_LOOK = 8.0
"""Seconds for which a person waits for an offer at the page; they may look again."""


@dataclass(slots=True)
class Desk:
    """One participant's desk.

    Parameters
    ----------
    home, email : Path, str
        Whose.
    root : Path, optional
        The shared folder, if it was given.
    sandbox : str
        The kind of sandbox of rehearsals.
    """

    home: Path
    email: str
    root: Path | None = None
    sandbox: str = "auto"
    _rehearsals: dict[str, RehearsalState] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def directory(self) -> Path:
        """The participant's own."""
        return participant_dir(self.home, self.email)

    def offers(self) -> list[joining.Offered]:
        """What is offered to this participant, the oldest first."""
        return joining.offered_to(self._store(), self.home, self.email)

    def joined(self) -> list[str]:
        """The aggregators whose offers have been received."""
        return joining.joined(self.home, self.email)

    def own_words(self) -> PublicIdentity | None:
        """One's own public key; None before there is one."""
        if not (self.directory / KEYS).exists():
            return None
        return read_public(self.directory, self.email)[0]

    def peers(self) -> list[Entry]:
        """Everybody whose key is known."""
        found = Roster(self.directory / ROSTER).entries()
        return [entry for entry in found if entry.email != self.email]

    def receive(self, aggregator: str, root: Path | None = None, wait: float = FIRST_LOOK) -> int:
        """Look for what ``aggregator`` offers, as ``join`` does; how many projects.

        Raises
        ------
        SyftFlwrError
            If the store is not known or cannot be reached, or nothing is offered yet.
        """
        settings = resolve(
            None,
            home=self.home,
            role="data owner",
            email=self.email,
            app_name=APP,
            aggregator=check_email(aggregator),
            root=root or self.root,
        )
        if settings.root is not None and not settings.root.is_dir():
            raise TransportError(
                f"There is no folder {settings.root}.",
                hint="Give the folder that you share with the aggregator; make it first if it is to be a new one.",
            )
        federation = open_federation(settings, self.home)
        try:
            remember(
                self.home,
                settings.app_name,
                email=self.email,
                root=settings.root,
                transport=settings.transport,
            )
            joining.rejoin(federation.store, settings.aggregator, time.time())
            found = joining.await_offers(federation, settings.aggregator, None, wait)
            announce(federation, self.home)
            return len(found)
        finally:
            federation.close()

    def see(self, digest: str) -> Seen:
        """What would run of the offer with this digest; looking runs nothing.

        Raises
        ------
        UsageError
            If there is no such offer.
        """
        offer = self._offer(digest)
        reviewed = None
        data, problem = None, ""
        if offer.here:
            project = require_federated(load_project(offer.folder))
            reviewed = review.review_project(
                self.home, self.email, project, place=offer.name, diff=True, with_environment=False
            )
            try:
                data = self._data(offer, project, DataWish("keep"))
            except SyftFlwrError as error:
                problem = error.what
        return Seen(
            offer,
            reviewed,
            Roster(self.directory / ROSTER).get(offer.aggregator),
            data,
            problem,
            tuple(own_data_sets(self.home, self.email)),
            tuple(
                one
                for one in self.approved()
                if one.app_name == offer.offer.app_name and one.digest != digest
            ),
        )

    def approved(self) -> list[Approval]:
        """Every approval that stands, the newest first, also of versions that are not offered any more."""
        return revoking.standing(self.directory, self.email, time.time())

    def revoke(self, digest: str) -> str:
        """Take back the approval of files, whether they are still offered or not; what else there is to say."""
        if any(one.offer.digest == digest for one in self.offers()):
            return self.reject(digest)
        before = revoking.revoke(
            self.directory, self.email, digest, time.time(), passphrase_source(self.email)
        )
        return f"{before.aggregator} reads that it is not approved when it asks for it next."

    def approve(self, digest: str, wish: DataWish, until: float | None) -> str:
        """Approve exactly the files of ``digest``, on the data that are meant; what else there is to say.

        Raises
        ------
        SyftFlwrError
            If the files changed, or the data are not there or do not fit: then nothing is decided.
        """
        offer = self._offer(digest)
        project = require_federated(load_project(offer.folder))
        settings = self._settings(offer, project)
        choice = self._data(offer, project, wish)
        said = self._decide(offer, project, "approve", until)
        remember(self.home, settings.app_name, email=self.email, root=settings.root)
        remember_data(self.home, settings, choice)
        return said

    def reject(self, digest: str) -> str:
        """Reject them, also after an approval: they do not run here any more; what else there is to say."""
        offer = self._offer(digest)
        return self._decide(offer, require_federated(load_project(offer.folder)), "reject", None)

    def compare(self, peer: str, words: str, *, new_key: bool = False) -> None:
        """Note that a person compared the six words with ``peer``; of the key it shows newly if ``new_key``.

        Raises
        ------
        TrustError
            If the words are others.
        """
        if not words.strip():
            raise TrustError("No words were given.", hint="Type the six words as you heard them.")
        act = peer_keys.trust if new_key else peer_keys.verify
        act(self.directory, self._identity, peer, words, _nobody_asks)

    def start_rehearsal(self, digest: str, wish: DataWish) -> None:
        """Begin to run the files on the data with nothing sent, in a thread; see `rehearsal`."""
        offer = self._offer(digest)
        project = require_federated(load_project(offer.folder))
        choice = self._data(offer, project, wish)
        known = review.review_project(
            self.home, self.email, project, place=offer.name, digest=digest, with_environment=False
        ).shown.decided
        setup = RehearsalSetup(
            home=self.home,
            email=self.email,
            project=project,
            data=choice.path,
            grants=Grants() if known is None else known.grants,
            sandbox=self.sandbox,
        )
        with self._lock:
            if any(state.running for state in self._rehearsals.values()):
                raise UsageError("A rehearsal goes on already.", hint="Wait until it is over.")
            self._rehearsals[digest] = RehearsalState(time.time(), wish)
        threading.Thread(target=self._rehearse, args=(digest, setup, wish), daemon=True).start()

    def rehearsal(self, digest: str) -> RehearsalState | None:
        """How the rehearsal of these files stands; None if there was none since the desk was opened."""
        with self._lock:
            return self._rehearsals.get(digest)

    def stands(self) -> list[AppStatus]:
        """How things stand in every app of this participant."""
        return [look(self.home, self.email, app) for app in apps_of(self.home, self.email) if app != APP]

    def left(self, app: str, run: str) -> list[dict[str, Any]]:
        """What left in a run of this participant, one record a reply."""
        if app not in apps_of(self.home, self.email):
            raise UsageError(f"There is no app {app[:80]!r} here.", hint="Choose one of the page of runs.")
        return read_egress(app_dir(self.home, self.email, app) / "journal.sqlite3", run)

    def evidence(self, app: str | None) -> bytes:
        """The evidence as one file (see `crate.export_crate`), of one app or of all.

        Raises
        ------
        AuditError
            If there is no record yet, or it does not verify.
        """
        if not (self.directory / "audit.jsonl").exists():
            raise AuditError(
                "There is no record yet.", hint="One is made with the first decision or the first run."
            )
        with tempfile.TemporaryDirectory() as scratch:
            target = Path(scratch) / "evidence.zip"
            export_crate(self.directory, self._identity(), app, target)
            return target.read_bytes()

    def apps(self) -> Sequence[str]:
        """The apps in which this participant took part."""
        return [app for app in apps_of(self.home, self.email) if app != APP]

    def _store(self) -> RecordStore:
        return record_store(self.home, self.email)

    def _offer(self, digest: str) -> joining.Offered:
        for one in self.offers():
            if one.offer.digest == digest:
                return one
        raise UsageError(
            "This is not offered any more: there may be a newer version.", hint="Go back to the projects."
        )

    def _identity(self) -> Any:
        return load_or_create(self.directory, self.email, time.time(), passphrase_source(self.email))[0]

    def _settings(self, offer: joining.Offered, project: Project) -> Any:
        store = resolve(
            None,
            home=self.home,
            role="data owner",
            email=self.email,
            app_name=APP,
            aggregator=offer.aggregator,
            root=self.root,
        )
        return resolve(
            project,
            home=self.home,
            role="data owner",
            email=self.email,
            transport=store.transport,
            root=store.transport_options.get("root"),
            syftbox_config=store.transport_options.get("syftbox_config"),
        )

    def _data(self, offer: joining.Offered, project: Project, wish: DataWish) -> DataChoice:
        settings = self._settings(offer, project)
        if wish.use == "folder":
            if not wish.value.strip():
                raise UsageError("No folder was given.", hint="Type the path of the folder with your data.")
            folder = Path(wish.value.strip()).expanduser().absolute()
            if not folder.exists():
                raise UsageError(
                    f"There is no {folder} on this machine.",
                    hint="Go back and type the whole path of the folder with your data, as your file manager shows it.",
                )
            return choose_data(
                replace(settings, data=folder), self.home, data=folder, project=project, environ={}
            )
        if wish.use == "dataset":
            return choose_data(settings, self.home, dataset=wish.value, project=project, environ={})
        return choose_data(
            settings,
            self.home,
            mock=wish.use == "mock",
            no_data=wish.use == "none",
            project=project,
        )

    def _decide(
        self, offer: joining.Offered, project: Project, decision: review.Decision, until: float | None
    ) -> str:
        reviewed = review.review_project(
            self.home,
            self.email,
            project,
            place=offer.name,
            digest=offer.offer.digest,
            with_environment=False,
        )
        before = reviewed.shown.decided
        review.decide(
            reviewed,
            decision,
            passphrase_source(self.email),
            with_environment=False,
            grants=None if before is None or decision == "reject" else before.grants,
            until=until,
        )
        try:
            sent = joining.answer_now(self.home, self.email, offer, decision, nobody, until=until)
        except SyftFlwrError as error:
            return f"{offer.aggregator} cannot be told at the moment: {error.what} It is told later."
        return f"{offer.aggregator} is told so." if sent else f"{offer.aggregator} is told later."

    def _rehearse(self, digest: str, setup: RehearsalSetup, wish: DataWish) -> None:
        begun = time.time()
        try:
            state = RehearsalState(begun, wish, rehearse(setup))
        except SyftFlwrError as error:
            state = RehearsalState(begun, wish, None, f"{error.what} {error.hint}")
        except Exception as error:  # the thread's end must be seen at the page, whatever it was
            state = RehearsalState(begun, wish, None, f"{type(error).__name__}: {error}")
        with self._lock:
            self._rehearsals[digest] = state


def _nobody_asks(question: str) -> None:
    raise UsageError("The words are missing.", hint="Type the six words as you heard them.")
