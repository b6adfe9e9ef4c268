"""Two policies at once: what both allow, as one policy.

For the data of a data set that brings rules of its own beside the owner's. Where two patterns overlap without one
holding the other, what remains is less than both allow, never more. Pure.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeVar

from syft_flwr_cli.consent.egress import EgressRules
from syft_flwr_cli.consent.policy import Policy, plain_type
from syft_flwr_cli.consent.run_config import ANY_KEY, Allowance

__all__ = ["strictest"]

T = TypeVar("T", int, float)


def strictest(one: Policy, other: Policy) -> Policy:
    """The policy under which is allowed what both allow; whose approvals count is the first one's alone."""
    return Policy(
        message_types=_within(one.message_types, other.message_types, _type_within),
        max_rounds=_least(one.max_rounds, other.max_rounds),
        min_participants=max(one.min_participants, other.min_participants),
        required_mods=tuple(dict.fromkeys((*one.required_mods, *other.required_mods))),
        max_runs=_least(one.max_runs, other.max_runs),
        run_config=tuple(
            both for mine in one.run_config for theirs in other.run_config if (both := _both(mine, theirs))
        ),
        error_texts=one.error_texts and other.error_texts,
        egress=_egress(one.egress, other.egress),
        sandbox=one.sandbox
        if other.sandbox is None
        else other.sandbox
        if one.sandbox is None
        else tuple(dict.fromkeys((*one.sandbox, *other.sandbox))),
        memory=_least(one.memory, other.memory),
        seconds=_least(one.seconds, other.seconds),
        network=one.network and other.network,
        reviewers=one.reviewers,
    )


def _least(one: T | None, other: T | None) -> T | None:
    return min((value for value in (one, other) if value is not None), default=None)


def _most(one: T | None, other: T | None) -> T | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _within(
    one: tuple[str, ...] | None, other: tuple[str, ...] | None, inside: Callable[[str, str], bool]
) -> tuple[str, ...] | None:
    """The patterns of either that lie within one of the other's; all of the only one that bounds."""
    if one is None or other is None:
        return other if one is None else one
    kept = [name for name in one if any(inside(name, wide) for wide in other)]
    kept += [name for name in other if any(inside(name, wide) for wide in one)]
    return tuple(dict.fromkeys(kept))


def _type_within(name: str, wide: str) -> bool:
    kind = plain_type(name).partition(".")[0]
    return plain_type(wide) in (plain_type(name), f"{kind}.*")


def _pattern_within(name: str, wide: str) -> bool:
    # A pattern lies within another only where that is certain.
    return wide in (name, "*") or (not set(name) & set("*?[") and fnmatchcase(name, wide))


def _egress(one: EgressRules | None, other: EgressRules | None) -> EgressRules | None:
    if one is None or other is None:
        return other if one is None else one
    return EgressRules(
        records=_within(one.records, other.records, _pattern_within),
        metrics=_within(one.metrics, other.metrics, _pattern_within),
        round_bytes=_least(one.round_bytes, other.round_bytes),
        run_bytes=_least(one.run_bytes, other.run_bytes),
        min_examples=_most(one.min_examples, other.min_examples),
    )


def _both(one: Allowance, other: Allowance) -> Allowance | None:
    """What two allowances both allow; None where that is nothing."""
    if one.key != other.key and ANY_KEY not in (one.key, other.key):
        return None
    key = other.key if one.key == ANY_KEY else one.key
    for first, second in ((one, other), (other, one)):
        if first.values is not None:
            listed = tuple(value for value in first.values if second.allows(_named(second.key, key), value))
            return Allowance(key, values=listed) if listed else None
    return Allowance(key, least=_most(one.least, other.least), most=_least(one.most, other.most))


def _named(key: str, asked: str) -> str:
    return asked if key == ANY_KEY else key
