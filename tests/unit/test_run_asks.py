"""Runs with a run config that was not approved: what is asked, what is answered, and what is taken of strangers."""

from dataclasses import replace
from typing import Any

import pytest

from syft_flwr_cli.catalogue.projects import (
    Offer,
    ProjectDecision,
    decision_document,
    offer_document,
    read_decision,
    read_offer,
)
from syft_flwr_cli.catalogue.run_asks import MAX_ASKS, RunAnswer, RunAsk
from syft_flwr_cli.protocol.rejection import RefusedError

APP = "ds@lab.example_study_1"
ASK = RunAsk("42", {"rounds": 7, "rate": 0.5}, "ada")
OFFER = Offer(
    id="6ba7b810-9dad-41d1-80b4-00c04fd430c8",
    app_name=APP,
    project="study",
    version="1",
    revision=1,
    digest="ab" * 32,
    message="",
    datasites=("do1@a.example",),
    tree=None,
    withdrawn=True,
)
DECISION = ProjectDecision(OFFER.id, APP, OFFER.digest, "approve")


def test_asks_and_answers_travel_within_offers_and_decisions() -> None:
    asking = replace(OFFER, runs=(ASK,))
    assert read_offer(offer_document(asking)) == asking
    answering = replace(DECISION, runs=(RunAnswer("42", {"rounds": 7, "rate": 0.5}, True),))
    assert read_decision(decision_document(answering)) == answering
    found = answering.answer_to(ASK)
    assert found is not None
    assert found.allowed


def test_where_nothing_is_asked_the_documents_are_those_of_before() -> None:
    assert "runs" not in offer_document(OFFER)
    assert "runs" not in decision_document(DECISION)


@pytest.mark.parametrize(
    "changed",
    [
        RunAsk("43", ASK.values, "ada"),
        RunAsk("42", {"rounds": 8, "rate": 0.5}, "ada"),
        RunAsk("42", {"rounds": True, "rate": 0.5}, "ada"),
        RunAsk("42", {"rounds": 7}, "ada"),
    ],
)
def test_an_answer_is_about_one_run_and_its_very_values(changed: RunAsk) -> None:
    answered = replace(DECISION, runs=(RunAnswer("42", {"rounds": 7, "rate": 0.5}, True),))
    assert answered.answer_to(changed) is None


@pytest.mark.parametrize(
    "asks",
    [
        "all",
        [7],
        [{"run": "42"}],
        [{"run": "-1", "values": {"rounds": 1}, "submitter": ""}],
        [{"run": "42", "values": {}, "submitter": ""}],
        [{"run": "42", "values": {"rounds": [1]}, "submitter": ""}],
        [{"run": "42", "values": {"text": "x" * 5000}, "submitter": ""}],
        [{"run": "42", "values": {"rounds": 1}, "submitter": ""}] * (MAX_ASKS + 1),
    ],
)
def test_asks_that_are_none_are_refused(asks: Any) -> None:
    with pytest.raises(RefusedError):
        read_offer({**offer_document(OFFER), "runs": asks})
    with pytest.raises(RefusedError):
        read_decision({**decision_document(DECISION), "runs": asks})
