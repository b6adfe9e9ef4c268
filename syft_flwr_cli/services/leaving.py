"""A data owner leaves an aggregator's federation: no approval of its projects counts any more, and it is told so.

Data sets are described to it no longer. The owner's keys, records and data stay. Prints nothing and asks nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.catalogue.datasets import DataSet, data_set_document, read_data_set
from syft_flwr_cli.catalogue.projects import MAX_MESSAGE
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.services import joining
from syft_flwr_cli.services.federation import Federation
from syft_flwr_cli.services.revoking import revoke, standing

__all__ = ["Left", "leave"]


@dataclass(frozen=True, slots=True)
class Left:
    """What was taken back: projects by name and digest, data sets by name; and whether the aggregator was told."""

    projects: tuple[tuple[str, str], ...]
    data_sets: tuple[str, ...]
    told: bool


def leave(
    federation: Federation, home: Path, aggregator: str, reason: str, passphrase: Callable[[], bytes]
) -> Left:
    """Take everything back from ``aggregator``.

    Parameters
    ----------
    federation : Federation
        The data owner's.
    home : Path
        ``SYFT_FLWR_HOME``.
    aggregator : str
        Whom to leave.
    reason : str
        What it reads.
    passphrase : callable
        For the owner's keys.

    Raises
    ------
    UsageError
        If the reason is too long.
    """
    if len(reason) > MAX_MESSAGE:
        raise UsageError(f"The reason has {len(reason):,} characters.", hint=f"{MAX_MESSAGE:,} are the most.")
    now = federation.session.channel.clock()
    store, mailbox = federation.store, federation.mailbox
    taken = _reject_all(federation, aggregator, now, passphrase)
    for one in joining.offered_to(store, home, federation.email, aggregator):
        joining.answer(store, one, "reject", now, message=f"left: {reason}" if reason else "left")
    names = []
    for sent in list(store.sent("dataset", aggregator)):
        known = read_data_set(sent.record.content)
        if not known.withdrawn:
            names.append(known.name)
            gone = DataSet(known.name, "", (), 0, 0, withdrawn=True)
            mailbox.put(aggregator, "dataset", known.name, data_set_document(gone))
    mailbox.put(aggregator, "leave", "", {"reason": reason, "left": True})
    waiting = {sent.recipient for sent in mailbox.post().waiting}
    return Left(tuple(taken), tuple(names), aggregator not in waiting)


def _reject_all(
    federation: Federation, aggregator: str, now: float, passphrase: Callable[[], bytes]
) -> list[tuple[str, str]]:
    directory, me = federation.directory, federation.email
    theirs = [one for one in standing(directory, me, now) if one.aggregator == aggregator]
    for one in theirs:
        revoke(directory, me, one.digest, now, passphrase)
    return [(one.project, one.digest) for one in theirs]
