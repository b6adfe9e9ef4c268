"""How offered projects and decisions about them are told: as documents for programs, as tables for people.

Text of peers is made visible first. It decides nothing.
"""

from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.services.asked_runs import unanswered
from syft_flwr_cli.services.joining import Offered
from syft_flwr_cli.services.offers import Asked, Standing
from syft_flwr_cli.ui import output

__all__ = ["offered_facts", "show_offered", "show_standing", "standing_facts", "when"]


def standing_facts(standing: Standing) -> dict[str, Any]:
    """An offered project in the types of JSON."""
    offer = standing.offer
    return {
        "project": offer.project,
        "app_name": offer.app_name,
        "version": offer.version,
        "revision": offer.revision,
        "digest": offer.digest,
        "message": offer.message,
        "asked": [
            {
                "email": one.email,
                "sent": one.sent,
                "decision": None if one.decision is None else one.decision.choice,
                "decided": one.decided,
                "until": None if one.decision is None else one.decision.until,
                "message": "" if one.decision is None else one.decision.message,
                "reviewers": [] if one.decision is None else list(one.decision.reviewers),
            }
            for one in standing.asked
        ],
    }


def offered_facts(one: Offered) -> dict[str, Any]:
    """A project that is offered to a data owner, in the types of JSON."""
    offer, decision = one.offer, one.decision
    return {
        "project": offer.project,
        "aggregator": one.aggregator,
        "app_name": offer.app_name,
        "version": offer.version,
        "revision": offer.revision,
        "digest": offer.digest,
        "message": offer.message,
        "received": one.seen,
        "folder": str(one.folder) if one.here else None,
        "decision": None if decision is None else decision.choice,
        "until": None if decision is None else decision.until,
        "runs_asked_for": [{"run_id": ask.run, "values": dict(ask.values)} for ask in unanswered(one)],
        "reviewers": [] if decision is None else list(decision.reviewers),
    }


def show_standing(standing: Standing) -> None:
    """Print who was asked and who has decided what."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    for head in ("data owner", "decision", "when", "on digest", "message"):
        table.add_column(head, overflow="fold")
    for one in standing.asked:
        table.add_row(
            one.email,
            Text(_decision(one, standing.now)),
            "" if one.decided is None else when(one.decided),
            "" if one.decision is None else one.decision.digest[:16],
            Text("" if one.decision is None else visible(one.decision.message)),
        )
    output.out().print(table)


def show_offered(offers: list[Offered]) -> None:
    """Print the projects that are offered to a data owner."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    for head in ("project", "aggregator", "version", "digest", "received", "your decision"):
        table.add_column(head, overflow="fold")
    for one in offers:
        table.add_row(
            Text(visible(one.offer.project)),
            one.aggregator,
            Text(f"{one.offer.revision} ({visible(one.offer.version)})"),
            one.offer.digest[:16],
            when(one.seen),
            "none yet" if one.decision is None else _PAST[one.decision.choice] + _by(one.decision.reviewers),
        )
    output.out().print(table)
    for one in offers:
        for ask in unanswered(one):
            output.out().print(
                f"{visible(one.name)}: run {ask.run} asks for {visible(ask.sentence())} (submitted by "
                f"{visible(ask.submitter)}). Decide: syft-flwr review {visible(one.name)} --allow-run {ask.run}, or "
                "--refuse-run",
                markup=False,
            )


def when(seconds: float) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


_PAST = {"approve": "approved", "reject": "rejected"}


def _decision(one: Asked, now: float) -> str:
    if one.decision is None:
        return "none yet" if one.sent else "none yet, not sent"
    if one.decision.choice == "approve" and not one.decision.holds(now):
        return f"approved until {when(one.decision.until or 0)}, which is over"
    until = "" if one.decision.until is None else f" until {when(one.decision.until)}"
    return f"{_PAST[one.decision.choice]}{until}{_by(one.decision.reviewers)}"


def _by(reviewers: tuple[str, ...]) -> str:
    return f" (reviewed by {', '.join(reviewers)})" if reviewers else ""
