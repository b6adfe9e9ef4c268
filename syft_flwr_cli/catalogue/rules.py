"""Which records are accepted from whom, before they are kept: the rules of each kind.

A project's app name begins with the e-mail of its aggregator, so that nobody can offer a project under another's
name, and nobody decides about projects of somebody else. Pure.
"""

from syft_flwr_cli.catalogue.datasets import read_data_set
from syft_flwr_cli.catalogue.projects import MAX_MESSAGE, read_decision, read_offer
from syft_flwr_cli.catalogue.records import Fields, Record
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import check_plain_name
from syft_flwr_cli.protocol.rejection import RefusedError

__all__ = ["check_record", "leads"]


def leads(aggregator: str, app_name: str) -> bool:
    """Whether an app's name says that ``aggregator`` is the one who runs it."""
    return app_name.startswith(f"{aggregator}_")


def check_record(me: str, sender: str, record: Record) -> None:
    """`RefusedError` if ``record`` of ``sender`` is nothing that ``me`` takes."""
    if record.kind == "offer":
        offer = read_offer(record.content)
        _must(record.key == offer.app_name, "the offer is filed under another app than its own")
        _must(leads(sender, offer.app_name), f"{offer.app_name} is no project of {sender}")
        # With an @ it could be taken for somebody else's app, with a blank for more than one word of a command.
        for name in (offer.project, offer.app_name.removeprefix(f"{sender}_")):
            _must(_is_plain(name), f"a project cannot be called {name}")
        _must(me in offer.datasites, f"the offer is not meant for {me}")
    elif record.kind == "decision":
        decision = read_decision(record.content)
        _must(record.key == decision.app_name, "the decision is filed under another app than its own")
        _must(leads(me, decision.app_name), f"{decision.app_name} is no project of {me}")
    elif record.kind == "dataset":
        _must(record.key == read_data_set(record.content).name, "the data set is filed under another name")
    else:
        _must(record.key == "", "a notice of leaving has no key")
        Fields(record.content, "The notice").text("reason", MAX_MESSAGE)


def _is_plain(name: str) -> bool:
    try:
        return bool(check_plain_name(name))
    except UsageError:
        return False


def _must(so: bool, otherwise: str) -> None:
    if not so:
        raise RefusedError("unexpected", otherwise)
