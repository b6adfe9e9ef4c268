"""What a data owner allows whatever the aggregator asks and the app does.

A policy stands in the table ``[tool.syft_flwr.policy]`` of the owner's own files, never of the project's:
``settings.toml`` in the home for everybody on this machine, ``policy.toml`` in the participant's directory
above it, key by key. A key that is not understood is an error: a typing mistake must not switch a rule
off. The checks are pure; whoever calls them counts rounds by its own journal, not by what a message says.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.own_settings import FILE_NAME

__all__ = ["POLICY_FILE", "Policy", "check_request", "parse_policy", "read_policy"]

POLICY_FILE = "policy.toml"
"""The participant's own policy, in its directory."""

_TABLE = "[tool.syft_flwr.policy]"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_MESSAGE_TYPE = re.compile(rf"{_NAME}(\.({_NAME}|\*))?\Z")
_MOD = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}\Z")


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a data owner; the default allows everything.

    Parameters
    ----------
    message_types : tuple[str, ...] | None
        What may be asked for: ``train``, ``evaluate``, ``query``, an action such as ``query.mean``, or all
        actions of a type (``query.*``). None: anything.
    max_rounds : int | None
        How many requests of one type are executed in one run, at most.
    min_participants : int
        How many data owners a run must have, at least.
    required_mods : tuple[str, ...]
        ``module:attribute`` of mods put around the app, the first outermost.
    """

    message_types: tuple[str, ...] | None = None
    max_rounds: int | None = None
    min_participants: int = 1
    required_mods: tuple[str, ...] = ()

    def rules(self) -> list[str]:
        """Each rule in force as a sentence for people; empty if there is none."""
        rules = []
        if self.message_types is not None:
            rules.append(f"Only these message types are executed: {', '.join(self.message_types) or 'none'}.")
        if self.max_rounds is not None:
            rules.append(f"At most {self.max_rounds} requests of each type are executed in a run.")
        if self.min_participants > 1:
            rules.append(f"A run must have at least {self.min_participants} data owners.")
        if self.required_mods:
            rules.append(f"These mods are put around the app: {', '.join(self.required_mods)}.")
        return rules


def read_policy(home: Path, participant: Path) -> Policy:
    """The policy in force for one participant.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    participant : Path
        The participant's directory.

    Raises
    ------
    UsageError
        If a file is no TOML, or a key or value of the policy is not understood.
    """
    table: dict[str, Any] = {}
    where = home / FILE_NAME
    for file in (home / FILE_NAME, participant / POLICY_FILE):
        found = _table(file)
        parse_policy(found, str(file))  # so that a mistake is reported where it stands
        table |= found
        where = file if found else where
    return parse_policy(table, str(where))


def parse_policy(table: Mapping[str, Any], where: str) -> Policy:
    """The policy in a table; ``where`` it stands is for the error.

    Raises
    ------
    UsageError
        If a key or value is not understood.
    """
    known = {"message_types", "max_rounds", "min_participants", "required_mods"}
    if unknown := sorted(set(table) - known):
        raise _mistake(where, unknown[0], f"is not known (known are {', '.join(sorted(known))})")
    types = table.get("message_types")
    if types is not None:
        types = _texts(where, "message_types", types, _MESSAGE_TYPE, "train, evaluate, query or query.action")
    return Policy(
        message_types=types,
        max_rounds=_count(where, "max_rounds", table.get("max_rounds"), at_least=0),
        min_participants=_count(where, "min_participants", table.get("min_participants"), at_least=1) or 1,
        required_mods=_texts(
            where, "required_mods", table.get("required_mods", []), _MOD, "module:attribute"
        ),
    )


def check_request(policy: Policy, message_type: str, round_number: int, participants: int) -> str | None:
    """Why the policy refuses a request, in one sentence; None if it does not.

    Parameters
    ----------
    policy : Policy
        The owner's.
    message_type : str
        Flower's, such as ``train`` or ``query.mean``.
    round_number : int
        Which request of this type it is in this run, from 1, as counted by the data owner.
    participants : int
        How many data owners the approved project names.
    """
    kind, _, action = message_type.partition(".")
    allowed = policy.message_types
    if allowed is not None and not {message_type, f"{kind}.*"} & {*allowed}:
        plain = kind in allowed and action == "default"
        if not plain:
            return f"The data owner's policy does not allow messages of type {message_type[:40]!r}."
    if policy.max_rounds is not None and round_number > policy.max_rounds:
        return (
            f"The data owner's policy allows {policy.max_rounds} requests of type {message_type[:40]!r} "
            f"in a run; this is number {round_number}."
        )
    if participants < policy.min_participants:
        return (
            f"The data owner's policy asks for at least {policy.min_participants} data owners in a run; "
            f"this project names {participants}."
        )
    return None


def _table(file: Path) -> dict[str, Any]:
    try:
        found: Any = tomllib.loads(file.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", hint="Correct the file.") from error
    for key in ("tool", "syft_flwr", "policy"):
        found = found.get(key, {}) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise UsageError(f"{file}: {_TABLE} is no table.", hint=f"Write {_TABLE} on a line of its own.")
    if file.name == POLICY_FILE and not found:
        raise UsageError(f"{file} has no {_TABLE}.", hint=f"Put the rules below a line {_TABLE}.")
    return found


def _texts(where: str, key: str, value: Any, form: re.Pattern[str], example: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and form.match(text) for text in value):
        raise _mistake(where, key, f"is no list of the form [{example!r}]")
    return tuple(value)


def _count(where: str, key: str, value: Any, *, at_least: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise _mistake(where, key, f"is no whole number of at least {at_least}")
    return value


def _mistake(where: str, key: str, what: str) -> UsageError:
    return UsageError(f"{where}: {key!r} under {_TABLE} {what}.", hint="Correct it; nothing runs until then.")
