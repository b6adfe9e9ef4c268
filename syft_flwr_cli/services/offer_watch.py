"""A node's eye on what is offered to its owner: new offers are received and announced, answers that wait go out.

It decides nothing: of an offer of files about which the owner has decided before, wherever those came from, the
aggregator is told that decision; of any other one an event says with which command to decide.
"""

from pathlib import Path
from shlex import quote
from typing import Any

from syft_flwr_cli.consent.approvals import Approval, read_decision, reviewers_of
from syft_flwr_cli.errors import NotApprovedError, SyftFlwrError
from syft_flwr_cli.events import DecisionAwaited, Emit, OfferReceived, StoreFailed
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.services import asked_runs, joining
from syft_flwr_cli.services.federation import Federation, open_for_peers
from syft_flwr_cli.services.own_data import announce
from syft_flwr_cli.services.superseded import remove_superseded

__all__ = ["OfferWatch"]


class OfferWatch:
    """Looks for offers of the aggregators whom the owner has joined.

    Parameters
    ----------
    home, email : Path, str
        The owner's.
    emit : callable
        Hears of offers, and of a store that fails.
    places
        ``transport``, ``root`` and ``syftbox_config`` as they were typed; what is remembered otherwise.
    """

    def __init__(self, home: Path, email: str, emit: Emit, **places: Any) -> None:
        self._home = home
        self._email = email
        self._emit = emit
        self._places = places
        self._federation: Federation | None = None
        self._peers: list[str] = []
        self._announced: set[str] = set()
        self.waiting: tuple[DecisionAwaited, ...] = ()
        """What waits for a decision, as of the last look."""

    def look(self) -> None:
        """Look once; a store that fails is announced and tried again at the next look."""
        try:
            federation = self._opened()
            if federation is None:
                return
            if federation.mailbox.collect(self._peers):
                remove_superseded(federation)
            offers = joining.offered_to(federation.store, self._home, self._email)
            self.waiting = tuple(
                event for one in offers if (event := self._awaited(federation, one)) is not None
            )
            federation.mailbox.post()
        except SyftFlwrError as error:
            self._emit(StoreFailed(error.what, error.hint))

    def close(self) -> None:
        """Let go of everything."""
        if self._federation is not None:
            self._federation.close()
            self._federation = None

    def _opened(self) -> Federation | None:
        peers = joining.joined(self._home, self._email)
        if peers != self._peers:
            self.close()
        if self._federation is None and peers:
            self._federation = open_for_peers(self._home, self._email, peers, emit=self._emit, **self._places)
            self._peers = peers
            announce(self._federation, self._home)
        return self._federation

    def _awaited(self, federation: Federation, one: joining.Offered) -> DecisionAwaited | None:
        if one.decision is not None:
            return self._asked_run(federation, one)
        if (known := self._decided(federation, one)) is not None:
            joining.answer(
                federation.store,
                one,
                known.decision,
                federation.session.channel.clock(),
                until=known.until,
                reviewers=reviewers_of(known),
            )
            return None
        try:
            if joining.unpack_offer(federation, one) is None:
                return None
        except RefusedError:
            return None  # it was announced as refused, once
        if one.offer.id not in self._announced:
            self._announced.add(one.offer.id)
            self._emit(OfferReceived(one.aggregator, one.name, one.offer.revision))
        words = f"syft-flwr join {one.aggregator} --project {quote(one.name)} --email {self._email}"
        event = DecisionAwaited(
            self._email, f"{one.aggregator} offers {one.name}, version {one.offer.revision}", words
        )
        self._emit(event)
        return event

    def _asked_run(self, federation: Federation, one: joining.Offered) -> DecisionAwaited | None:
        """Answer the runs that the policy allows; the first of the others waits for the owner."""
        asks = asked_runs.unanswered(one)
        if not asks or one.decision is None:
            return None
        project = joining.unpack_offer(federation, one)
        if project is None:
            return None
        answers = asked_runs.answers_by_policy(self._home, self._email, project, asks)
        if answers:
            joining.answer(
                federation.store,
                one,
                one.decision.choice,
                federation.session.channel.clock(),
                until=one.decision.until,
                message=one.decision.message,
                runs=tuple(answers),
                reviewers=one.decision.reviewers,
            )
        left = [ask for ask in asks if all(not answer.is_about(ask) for answer in answers)]
        if not left:
            return None
        event = DecisionAwaited(
            self._email,
            f"{one.aggregator} asks for a run of {one.name} (submitted by {visible(left[0].submitter)}) with "
            f"{visible(left[0].sentence())}, which your policy does not allow",
            f"syft-flwr review {quote(one.name)} --email {self._email} --allow-run {left[0].run}   "
            "(or --refuse-run)",
        )
        self._emit(event)
        return event

    def _decided(self, federation: Federation, one: joining.Offered) -> Approval | None:
        public = federation.session.channel.account.identity.public
        try:
            return read_decision(federation.directory, one.offer.digest, public)
        except NotApprovedError:
            return None
