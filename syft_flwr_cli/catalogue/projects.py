"""Project offers and the decisions about them, as typed values and as the contents of records.

An offer names the app, the digest of the tree and the payload that holds it; everything else that a data owner
looks at is read from the tree itself, so that there are no two truths. A decision is bound to one offer and one
digest. Nothing here asks, sends or runs anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from syft_flwr_cli.catalogue.payload import Payload, payload_document, read_payload
from syft_flwr_cli.catalogue.records import Fields
from syft_flwr_cli.catalogue.run_asks import (
    MAX_ASKS,
    RunAnswer,
    RunAsk,
    answers_document,
    asks_document,
    read_answers,
    read_asks,
)
from syft_flwr_cli.protocol.names import check_app_name, check_component, check_email, check_message_id

__all__ = [
    "MAX_MESSAGE",
    "Choice",
    "Offer",
    "ProjectDecision",
    "decision_document",
    "offer_document",
    "read_decision",
    "read_offer",
]

MAX_MESSAGE = 4000
"""Characters that an offer's or a decision's message may have."""

MAX_OWNERS = 5000
MAX_REVIEWERS = 100

Choice = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A version of a project that a data owner is asked to run.

    Parameters
    ----------
    id : str
        A UUID; each version of a project is an offer of its own, the same for all who are asked.
    app_name, project, version : str
        As the tree's ``pyproject.toml`` has them.
    revision : int
        How many versions were offered, this one included.
    digest : str
        Of the tree (hexadecimal).
    message : str
        What the data scientist says about it.
    datasites : tuple of str
        Who is asked.
    tree : Payload, optional
        The bundle; None in an offer that was withdrawn.
    withdrawn : bool
        Nobody is asked any more.
    runs : tuple of RunAsk
        Runs that wait for the owners' answers: their run config is another than the approved one.
    """

    id: str
    app_name: str
    project: str
    version: str
    revision: int
    digest: str
    message: str
    datasites: tuple[str, ...]
    tree: Payload | None
    withdrawn: bool = False
    runs: tuple[RunAsk, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectDecision:
    """What a data owner decided about one offer; ``until`` in seconds since 1970, None for without end.

    ``runs`` are its answers to the runs that the offer asks for.
    """

    offer: str
    app_name: str
    digest: str
    choice: Choice
    until: float | None = None
    message: str = ""
    runs: tuple[RunAnswer, ...] = ()
    reviewers: tuple[str, ...] = ()
    """On whose word the data owner approved, where its policy lets others approve."""

    def answer_to(self, ask: RunAsk) -> RunAnswer | None:
        """What it says to an ask; None if nothing."""
        return next((one for one in self.runs if one.is_about(ask)), None)

    def holds(self, now: float) -> bool:
        """Whether this is an approval that has not ended."""
        return self.choice == "approve" and (self.until is None or now < self.until)


def offer_document(offer: Offer) -> dict[str, Any]:
    """The content of the record that carries an offer."""
    asks = {"runs": asks_document(offer.runs)} if offer.runs else {}
    return asks | {
        "id": offer.id,
        "app_name": offer.app_name,
        "project": offer.project,
        "version": offer.version,
        "revision": offer.revision,
        "digest": offer.digest,
        "message": offer.message,
        "datasites": list(offer.datasites),
        "tree": None if offer.tree is None else payload_document(offer.tree),
        "withdrawn": offer.withdrawn,
    }


def read_offer(content: Mapping[str, Any]) -> Offer:
    """The offer in a record's content; `RefusedError` if it is none."""
    fields = Fields(content, "The offer")
    withdrawn = fields.flag("withdrawn")
    owners = fields.items("datasites", MAX_OWNERS)
    return Offer(
        id=fields.named("id", check_message_id),
        app_name=fields.named("app_name", check_app_name),
        project=fields.named("project", check_component),
        version=fields.text("version", 100),
        revision=fields.count("revision"),
        digest=fields.digest("digest"),
        message=fields.text("message", MAX_MESSAGE),
        datasites=tuple(
            Fields({"e-mail": owner}, "The offer's list of data owners").named("e-mail", check_email)
            for owner in owners
        ),
        tree=None if withdrawn else read_payload(fields.get("tree"), "The offer"),
        withdrawn=withdrawn,
        runs=read_asks(fields.items("runs", MAX_ASKS)),
    )


def decision_document(decision: ProjectDecision) -> dict[str, Any]:
    """The content of the record that carries a decision."""
    # Without them it reads as it did before there were any: an answer that stands is not sent anew.
    answers: dict[str, Any] = {"runs": answers_document(decision.runs)} if decision.runs else {}
    if decision.reviewers:
        answers["reviewers"] = list(decision.reviewers)
    return answers | {
        "offer": decision.offer,
        "app_name": decision.app_name,
        "digest": decision.digest,
        "decision": decision.choice,
        "until": decision.until,
        "message": decision.message,
    }


def read_decision(content: Mapping[str, Any]) -> ProjectDecision:
    """The decision in a record's content; `RefusedError` if it is none."""
    fields = Fields(content, "The decision")
    choices: tuple[Choice, ...] = get_args(Choice)
    return ProjectDecision(
        offer=fields.named("offer", check_message_id),
        app_name=fields.named("app_name", check_app_name),
        digest=fields.digest("digest"),
        choice=fields.choice("decision", choices),
        until=fields.optional("until", fields.seconds),
        message=fields.text("message", MAX_MESSAGE),
        runs=read_answers(fields.items("runs", MAX_ASKS)),
        reviewers=tuple(
            Fields({"e-mail": one}, "The decision's list of reviewers").named("e-mail", check_email)
            for one in fields.items("reviewers", MAX_REVIEWERS)
        ),
    )
