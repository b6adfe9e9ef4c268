"""Runs that are asked for with another run config than was approved: the aggregator asks, the data owner answers.

What the owner's policy allows its node answers by itself; of the rest the owner is told, and answers with ``review``.
What was allowed holds for that run and those values. Prints nothing and asks nobody.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from syft_flwr_cli.catalogue.projects import offer_document, read_decision, read_offer
from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.catalogue.run_asks import MAX_ASKS, RunAnswer, RunAsk
from syft_flwr_cli.consent.policy import read_policy
from syft_flwr_cli.consent.run_config import approved_config, differences, refuse_config
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.services import joining
from syft_flwr_cli.services.federation import Federation
from syft_flwr_cli.storage.paths import participant_dir

__all__ = [
    "allowed_values",
    "answer_run",
    "answers_by_policy",
    "ask_for_runs",
    "unanswered",
    "values_beyond",
]


# The aggregator's side


def ask_for_runs(federation: Federation, app: str, digest: str, asks: Sequence[RunAsk]) -> bool:
    """Have the offers of a project's version ask for these runs, and no others; whether that changes anything."""
    changed = False
    for sent in federation.store.sent("offer"):
        if sent.record.key != app:
            continue
        offer = read_offer(sent.record.content)
        if offer.withdrawn or offer.digest != digest or offer.runs == tuple(asks[-MAX_ASKS:]):
            continue
        fresh = replace(offer, runs=tuple(asks[-MAX_ASKS:]))
        federation.mailbox.put(sent.recipient, "offer", app, offer_document(fresh))
        changed = True
    return changed


def values_beyond(project: Project, run_config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run config that differ from what a project says, and data owners have approved."""
    return dict(differences(approved_config(project.raw), run_config))


# The data owner's side


def unanswered(one: joining.Offered) -> list[RunAsk]:
    """The runs that an approved offer asks for and that were not answered."""
    decision = one.decision
    if decision is None or decision.choice != "approve":
        return []
    return [ask for ask in one.offer.runs if decision.answer_to(ask) is None]


def answers_by_policy(home: Path, email: str, project: Project, asks: Sequence[RunAsk]) -> list[RunAnswer]:
    """The answers to those asks that the owner's policy allows."""
    rules = read_policy(home, participant_dir(home, email)).run_config
    approved = approved_config(project.raw)
    return [
        RunAnswer(ask.run, ask.values, True)
        for ask in asks
        if refuse_config(rules, approved, differences(approved, ask.values)) is None
    ]


def answer_run(store: RecordStore, one: joining.Offered, run: str, allowed: bool) -> RunAsk:
    """Answer a run that an offer asks for; the mailbox posts it.

    Parameters
    ----------
    store : RecordStore
        The owner's.
    one : Offered
        An approved offer.
    run : str
        The run's id, or the digits that it begins with.
    allowed : bool
        The answer.

    Raises
    ------
    UsageError
        If the offer asks for no such run, or is not approved.
    """
    found = [ask for ask in one.offer.runs if ask.run.startswith(run)]
    if one.decision is None or one.decision.choice != "approve":
        raise UsageError(
            f"{one.name} is not approved here, so no run of it is.",
            hint=f"Approve it first: syft-flwr review {one.name} --approve",
        )
    if len(found) != 1:
        known = ", ".join(f"{ask.run} ({ask.sentence()})" for ask in one.offer.runs) or "none"
        raise UsageError(f"{one.name} asks for no run {run[:40]!r}.", hint=f"Asked for are: {known}.")
    answers = (RunAnswer(found[0].run, found[0].values, allowed),)
    decision = one.decision
    joining.answer(
        store,
        one,
        "approve",
        time.time(),
        until=decision.until,
        message=decision.message,
        runs=answers,
        reviewers=decision.reviewers,
    )
    return found[0]


def allowed_values(home: Path, email: str, aggregator: str, app: str, run: str) -> Mapping[str, Any]:
    """The values of a run's config that the owner has allowed for it, beyond the policy."""
    sent = RecordStore(participant_dir(home, email) / "federation", email).sent_to(
        aggregator, "decision", app
    )
    if sent is None:
        return {}
    decision = read_decision(sent.record.content)
    return next((one.values for one in decision.runs if one.run == run and one.allowed), {})
