"""A data owner's answer to a run with another run config than was approved, from the command line or the desk."""

from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.catalogue.run_asks import RunAsk
from syft_flwr_cli.consent.manifest import make_manifest
from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.events import Emit
from syft_flwr_cli.services import asked_runs, joining
from syft_flwr_cli.services.current_participant import current_participant
from syft_flwr_cli.storage.paths import home, participant_dir

__all__ = ["Answered", "answer_asked_run"]


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered, to whom, and whether it has gone out."""

    ask: RunAsk
    aggregator: str
    sent: bool


def answer_asked_run(path: Path, email: str | None, run: str, allowed: bool, emit: Emit) -> Answered:
    """Allow or refuse a run of an offered project.

    Parameters
    ----------
    path : Path
        The project's folder, or its name.
    email : str, optional
        Whose answer; the one participant of this machine if None.
    run : str
        The run's id, or the digits that it begins with.
    allowed : bool
        The answer.
    emit : callable
        Hears what happens.

    Raises
    ------
    UsageError
        If the project is not offered, or asks for no such run.
    """
    here = home()
    me = current_participant(here, email)
    store = RecordStore(participant_dir(here, me) / "federation", me)
    offer = None
    if path.is_dir():
        offer = joining.offer_of_files(here, me, make_manifest(path).digest)
    if offer is None:
        offer = joining.find_offered(store, here, me, str(path))
    ask = asked_runs.answer_run(store, offer, run, allowed)
    fresh = joining.find_offered(store, here, me, offer.offer.app_name)
    if fresh.decision is None:
        raise UsageError(f"{offer.name} is not approved here.", hint="Approve it first.")
    try:
        sent = joining.answer_now(
            here, me, fresh, "approve", emit, until=fresh.decision.until, reviewers=fresh.decision.reviewers
        )
    except SyftFlwrError:
        sent = False
    return Answered(ask, offer.aggregator, sent)
