"""What the desk's service is told and tells: which data are meant, how a rehearsal stands, what an offer is."""

from dataclasses import dataclass

from syft_flwr_cli.consent.approvals import Approval
from syft_flwr_cli.security.roster import Entry
from syft_flwr_cli.services import joining, review
from syft_flwr_cli.services.data_choice import DataChoice
from syft_flwr_cli.services.own_data import OwnDataSet
from syft_flwr_cli.services.rehearsal import Rehearsal

__all__ = ["DataWish", "RehearsalState", "Seen"]


@dataclass(frozen=True, slots=True)
class DataWish:
    """What a person says about the data: ``use`` is ``folder``, ``dataset``, ``mock``, ``none`` or ``keep``."""

    use: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class RehearsalState:
    """A rehearsal of the files with one digest, on the data of ``wish``: going on, done, or failed with a sentence."""

    begun: float
    wish: DataWish
    result: Rehearsal | None = None
    problem: str = ""

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.result is None and not self.problem


@dataclass(frozen=True, slots=True)
class Seen:
    """An offer with what would run (None while its files have not arrived) and what is known of who asks.

    ``others`` are the approvals of other versions of the same project that stand: they go on to run.
    """

    offer: joining.Offered
    reviewed: review.Reviewed | None
    asker: Entry | None
    data: DataChoice | None
    data_problem: str
    data_sets: tuple[OwnDataSet, ...]
    others: tuple[Approval, ...]
