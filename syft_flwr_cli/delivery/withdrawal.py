"""Withdrawal: messages of ours that are proven delivered leave the store while the run goes on, but for the newest.

However long a run is, the store then holds a bounded number of its messages. A request is delivered when its
answer is journaled, a response when its receipt was acknowledged; of a withdrawn response a tombstone stays. What
is delivered is removed in batches, each after the store has taken the new messages, so that nobody waits for it.
A removal that fails is tried again with the next batch; a process that dies leaves files that the next one finds
by a listing.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from syft_flwr_cli.delivery.tombstones import Tombstones
from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Incoming, Outgoing
from syft_flwr_cli.security.envelope import MAX_FILE, read_envelope
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Journal, Request, RequestRow
from syft_flwr_cli.transports.base import Transport

__all__ = ["KEPT", "RequestWithdrawal", "ResponseWithdrawal", "Withdrawal"]

KEPT: Final = 8
"""How many of the newest delivered messages to each peer stay."""

KEPT_IN_ALL: Final = 24
"""To many peers fewer stay for each, but at least `KEPT_AT_LEAST`: this many in all."""

KEPT_AT_LEAST: Final = 2


def _nothing(ids: Sequence[str]) -> None:
    """Nothing has to be noted."""


class Withdrawal:
    """The delivered messages to one peer that still lie in the store. Used from one thread.

    Parameters
    ----------
    remove : callable
        Removes the file of a message, given by its id; may fail, and may be repeated.
    before : callable
        Hears of the ids of a batch before the first of its files is removed; if it raises, none is.
    kept : int
        How many of the newest stay. They are removed so many at a time, so up to twice as many lie there.
    """

    def __init__(
        self,
        remove: Callable[[str], None],
        before: Callable[[Sequence[str]], None] = _nothing,
        kept: int = KEPT,
    ) -> None:
        self._remove = remove
        self._before = before
        self._kept = kept
        self._delivered: dict[str, None] = {}

    def delivered(self, ids: Iterable[str]) -> None:
        """These are proven delivered, in this order; naming one again changes nothing."""
        for mid in ids:
            self._delivered.setdefault(mid)

    def leave(self) -> None:
        """The run is over: what is left of it is removed with it."""
        self._delivered.clear()

    def keep(self, kept: int) -> None:
        """From now on, so many of the newest stay."""
        self._kept = kept

    def carry_out(self) -> int:
        """Withdraw a batch if there are enough; how many were removed.

        Raises
        ------
        TransportError
            If the store fails; what is left of the batch is tried again with the next call.
        """
        surplus = len(self._delivered) - self._kept
        if surplus < self._kept:
            return 0
        batch = list(self._delivered)[:surplus]
        self._before(batch)
        for mid in batch:
            crash_points.point("withdrawal.before-remove")
            self._remove(mid)
            crash_points.point("withdrawal.after-remove")
            del self._delivered[mid]
        return len(batch)


class RequestWithdrawal:
    """An aggregator's answered requests of one run. Used from one thread.

    Parameters
    ----------
    email, app, run : str
        Whose requests, in which app and run.
    journal : Journal
        Knows what was answered.
    transport : Transport
        Where they lie; a failure is raised.
    """

    def __init__(self, email: str, app: str, run: str, journal: Journal, transport: Transport) -> None:
        self._email, self._app, self._run = email, app, run
        self._journal = journal
        self._transport = transport
        self._of: dict[str, Withdrawal] = {}
        self._due: dict[str, None] = {}
        self._kept = KEPT

    def recover(self, recipients: Collection[str]) -> None:
        """Find what earlier processes of this run have left; ``recipients`` are all that are ever asked."""
        self._kept = min(KEPT, max(KEPT_AT_LEAST, KEPT_IN_ALL // max(1, len(recipients))))
        positions = self._journal.positions(self._run)
        for recipient in sorted({place.recipient for place in positions} & set(recipients)):
            folder = names.rpc_folder(self._email, recipient, self._app)
            there = {entry.name for _, entry in self._transport.list_own(folder)}
            left = [
                row
                for place in positions
                if place.recipient == recipient and f"{place.id}.request" in there
                if (row := self._journal.sent(place.id)) is not None and row.state is Outgoing.ANSWERED
            ]
            self.answered(left)

    def answered(self, rows: Iterable[RequestRow]) -> None:
        """The answers to these are in the journal."""
        for row in rows:
            if row.recipient not in self._of:
                self._of[row.recipient] = Withdrawal(self._remover(row.recipient))
            self._of[row.recipient].delivered([row.id])
            self._due[row.recipient] = None

    def _remover(self, recipient: str) -> Callable[[str], None]:
        def remove(mid: str) -> None:
            self._transport.remove(names.request_path(self._email, recipient, self._app, mid))

        return remove

    def carry_out(self) -> None:
        """Withdraw what there are enough of. Errors as for `Withdrawal.carry_out`."""
        for recipient in list(self._due):
            self._of[recipient].keep(self._kept)
            self._of[recipient].carry_out()
            del self._due[recipient]


class ResponseWithdrawal:
    """A data owner's acknowledged responses to one aggregator. Used from one thread.

    Parameters
    ----------
    email, app, aggregator : str
        Whose responses, in which app, to whom.
    journal : Journal
        Knows what was acknowledged.
    transport : Transport
        Where they lie; a failure is raised.
    tombstones : Tombstones
        What stays of them.
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self,
        email: str,
        app: str,
        aggregator: str,
        journal: Journal,
        transport: Transport,
        tombstones: Tombstones,
        clock: Callable[[], float],
    ) -> None:
        self._email, self._app, self._aggregator = email, app, aggregator
        self._journal = journal
        self._transport = transport
        self._tombstones = tombstones
        self._clock = clock
        self._digests: dict[str, str] = {}
        self._withdrawal = Withdrawal(self._remove, self._bury)

    def recover(self, there: Collection[str]) -> None:
        """Find what earlier processes have left: ``there`` are the paths of our files."""
        for run in reversed(self._journal.runs()):
            if run.ended is None:
                acknowledged = self._journal.requests(run.run, Incoming.ACKNOWLEDGED)
                self._withdrawal.delivered(one.id for one in acknowledged if self._path(one.id) in there)

    def consumed(self, requests: Iterable[Request]) -> None:
        """The receipt of the responses to these was acknowledged; they still have their responses."""
        for request in requests:
            if request.response is not None:
                self._digests[request.id] = read_envelope(request.response).digest
            self._withdrawal.delivered([request.id])

    def leave(self) -> None:
        """The run is over: what is left of it is removed with it, after the retention time."""
        self._withdrawal.leave()
        self._digests.clear()

    def carry_out(self) -> None:
        """Withdraw what there are enough of. Errors as for `Withdrawal.carry_out`, and if the disk fails."""
        self._withdrawal.carry_out()

    def _bury(self, ids: Sequence[str]) -> None:
        rows = {mid: self._journal.request(mid) for mid in ids}
        withdrawn = [(mid, row.run, self._digest(mid)) for mid, row in rows.items() if row is not None]
        self._tombstones.add(withdrawn, self._clock())

    def _digest(self, mid: str) -> str:
        """Of a response that an earlier process wrote the file is left, until it is withdrawn."""
        if mid not in self._digests:
            try:
                with self._transport.open(self._email, self._path(mid)) as stream:
                    return read_envelope(stream.read(MAX_FILE + 1)).digest
            except (NotThereError, RefusedError):
                return ""
        return self._digests[mid]

    def _remove(self, mid: str) -> None:
        self._transport.remove(self._path(mid))
        self._digests.pop(mid, None)

    def _path(self, mid: str) -> str:
        return names.response_path(self._email, self._aggregator, self._app, mid)
