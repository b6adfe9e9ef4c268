"""What a data owner allows whatever the aggregator asks and the app does.

A policy stands in the table ``[tool.syft_flwr.policy]`` of the owner's own files, never of the project's:
``settings.toml`` in the home for everybody on this machine, ``policy.toml`` in the participant's directory
above it, key by key. A key that is not understood is an error: a typing mistake must not switch a rule
off. The checks are pure; whoever calls them counts rounds by its own journal, not by what a message says.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from syft_flwr_cli.consent.egress import EgressRules, rules_from_table
from syft_flwr_cli.consent.reviewers import Reviewers, parse_reviewers
from syft_flwr_cli.consent.run_config import ANY_KEY, Allowance, parse_allowances
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.own_settings import FILE_NAME
from syft_flwr_cli.storage.paths import create_private, refuse_if_shared

__all__ = [
    "POLICY_FILE",
    "Policy",
    "Request",
    "check_request",
    "parse_policy",
    "parse_policy_text",
    "plain_type",
    "policy_files",
    "read_policy",
    "write_open_policy",
]

POLICY_FILE = "policy.toml"
"""The participant's own policy, in its directory."""

_TABLE = "[tool.syft_flwr.policy]"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_MESSAGE_TYPE = re.compile(rf"{_NAME}(\.({_NAME}|\*))?\Z")
_ASPECT = re.compile(r"[a-z][a-z-]*\Z")
_MOD = re.compile(rf"{_NAME}(\.{_NAME})*:{_NAME}\Z")


@dataclass(frozen=True, slots=True)
class Request:
    """What the rules are applied to, as the data owner knows it, whatever the message says of itself.

    Parameters
    ----------
    message_type : str
        Flower's, such as ``train`` or ``query.mean``.
    round_number : int
        Which request of this type it is in this run, from 1, as counted by the data owner.
    participants : int
        How many data owners the approved project names.
    stated : int, optional
        How many data owners the signed request says that the run has; None where it does not say.
    run_number : int
        Which run of this app it belongs to, from 1, as counted by the data owner.
    """

    message_type: str
    round_number: int = 1
    participants: int = 1
    stated: int | None = None
    run_number: int = 1


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
    max_runs : int | None
        How many runs of one app are executed, at most.
    run_config : tuple[Allowance, ...]
        What the aggregator may set of the run config otherwise than it was approved; by default nothing.
    error_texts : bool
        Whether what the app says of its errors goes to the aggregator; by default only the class of an exception.
    egress : EgressRules | None
        What may leave with a reply.
    sandbox : tuple[str, ...] | None
        A sandbox is demanded, and that it keeps these aspects (as ``syft-flwr doctor`` names them).
    memory : int | None
        Bytes of memory of all processes of an app together, at most.
    seconds : int | None
        Seconds of one request, at most.
    network : bool
        Whether an app may be granted any of the network.
    reviewers : Reviewers | None
        Whose signed approvals count as the owner's own.
    """

    message_types: tuple[str, ...] | None = None
    max_rounds: int | None = None
    min_participants: int = 1
    required_mods: tuple[str, ...] = ()
    max_runs: int | None = None
    run_config: tuple[Allowance, ...] = ()
    error_texts: bool = False
    egress: EgressRules | None = None
    sandbox: tuple[str, ...] | None = None
    memory: int | None = None
    seconds: int | None = None
    network: bool = True
    reviewers: Reviewers | None = None

    def rules(self) -> list[str]:
        """Each rule in force as a sentence for people; empty if there is none."""
        rules = []
        if self.message_types is not None:
            rules.append(f"Only these message types are executed: {', '.join(self.message_types) or 'none'}.")
        if self.max_rounds is not None:
            rules.append(f"At most {self.max_rounds} requests of each type are executed in a run.")
        if self.max_runs is not None:
            rules.append(f"At most {self.max_runs} runs of an app are executed.")
        if self.run_config:
            rules.append(f"The aggregator may set of the run config: {', '.join(map(str, self.run_config))}.")
        if self.error_texts:
            rules.append("What an app says of its errors goes to the aggregator.")
        if self.egress is not None:
            rules += self.egress.sentences()
        if self.sandbox is not None:
            aspects = f" that keeps {', '.join(self.sandbox)}" if self.sandbox else ""
            rules.append(f"An app runs only in a sandbox{aspects}.")
        if self.memory is not None:
            rules.append(f"An app uses at most {self.memory:,} bytes of memory.")
        if self.seconds is not None:
            rules.append(f"A request takes at most {self.seconds} seconds.")
        if not self.network:
            rules.append("An app has no network, whatever else was allowed.")
        if self.min_participants > 1:
            rules.append(f"A run must have at least {self.min_participants} data owners.")
        if self.required_mods:
            rules.append(f"These mods are put around the app: {', '.join(self.required_mods)}.")
        if self.reviewers is not None:
            rules.append(self.reviewers.sentence())
        return rules


def policy_files(home: Path, participant: Path) -> tuple[Path, Path]:
    """Where the policy of a participant stands, the narrower last."""
    return home / FILE_NAME, participant / POLICY_FILE


def write_open_policy(participant: Path) -> None:
    """Let the aggregator set any run config and read all errors, where the participant has no policy of its own yet.

    For simulations and tests, whose data owners and aggregator are one person.
    """
    rules = f'{_TABLE}\nerror_texts = true\nrun_config = {{ "{ANY_KEY}" = true }}\n'
    create_private(participant / POLICY_FILE, rules.encode())


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
    TrustError
        If others can write to one.
    """
    table: dict[str, Any] = {}
    where = home / FILE_NAME
    for file in policy_files(home, participant):
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
    known = {field.name for field in fields(Policy)}
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
        max_runs=_count(where, "max_runs", table.get("max_runs"), at_least=0),
        run_config=_allowances(where, table.get("run_config", {})),
        error_texts=_flag(where, "error_texts", table.get("error_texts", False)),
        egress=_egress(where, table.get("egress")),
        sandbox=_sandbox(where, table.get("sandbox", False)),
        memory=_count(where, "memory", table.get("memory"), at_least=1 << 20),
        seconds=_count(where, "seconds", table.get("seconds"), at_least=1),
        network=_flag(where, "network", table.get("network", True)),
        reviewers=_reviewers(where, table.get("reviewers")),
    )


def parse_policy_text(text: str, where: str) -> Policy:
    """The policy in a TOML text that stands beside another one; `UsageError` if it is none, or is not understood.

    What it says nothing of it leaves to the other one, also where a policy alone would allow nothing.
    """
    try:
        found: Any = tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"{where} is no TOML: {error}.", hint="Correct the file.") from error
    for key in ("tool", "syft_flwr", "policy"):
        found = found.get(key, {}) if isinstance(found, dict) else None
    if not isinstance(found, dict) or not found:
        raise UsageError(f"{where} has no {_TABLE}.", hint=f"Put the rules below a line {_TABLE}.")
    return parse_policy({"run_config": {ANY_KEY: True}, "error_texts": True} | found, where)


def plain_type(message_type: str) -> str:
    """The one name of a message type: ``train.default`` and ``train`` are the same to Flower."""
    kind, _, action = message_type.partition(".")
    return kind if action == "default" else message_type


def check_request(policy: Policy, request: Request) -> str | None:
    """Why the policy refuses a request, in one sentence; None if it does not."""
    message_type = plain_type(request.message_type)
    kind = message_type.partition(".")[0]
    allowed = policy.message_types
    if allowed is not None and not {message_type, f"{kind}.*"} & {plain_type(name) for name in allowed}:
        return f"The data owner's policy does not allow messages of type {request.message_type[:40]!r}."
    if policy.max_rounds is not None and request.round_number > policy.max_rounds:
        return (
            f"The data owner's policy allows {policy.max_rounds} requests of type {message_type[:40]!r} "
            f"in a run; this is number {request.round_number}."
        )
    if policy.max_runs is not None and request.run_number > policy.max_runs:
        return (
            f"The data owner's policy allows {policy.max_runs} runs of this app; this is number "
            f"{request.run_number}."
        )
    return _too_few(policy.min_participants, request)


def _too_few(least: int, request: Request) -> str | None:
    if least <= 1:
        return None
    rule = f"The data owner's policy asks for at least {least} data owners in a run; "
    if request.participants < least:
        return f"{rule}this project names {request.participants}."
    if request.stated is None:
        return f"{rule}this request does not say how many there are, as a later syft-flwr of the aggregator does."
    if request.stated < least:
        return f"{rule}this request says that there are {request.stated}."
    return None


def _table(file: Path) -> dict[str, Any]:
    try:
        refuse_if_shared(file)
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


def _flag(where: str, key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _mistake(where, key, "is neither true nor false")
    return value


def _allowances(where: str, value: Any) -> tuple[Allowance, ...]:
    try:
        return parse_allowances(value)
    except ValueError as error:
        raise _mistake(where, "run_config", str(error)) from error


def _reviewers(where: str, value: Any) -> Reviewers | None:
    try:
        return parse_reviewers(value)
    except ValueError as error:
        raise _mistake(where, "reviewers", str(error)) from error


def _egress(where: str, value: Any) -> EgressRules | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _mistake(where, "egress", "is no table")
    try:
        return rules_from_table(value)
    except ValueError as error:
        raise _mistake(where, "egress", f"cannot be used: {error}") from error


def _sandbox(where: str, value: Any) -> tuple[str, ...] | None:
    if isinstance(value, bool):
        return () if value else None
    return _texts(where, "sandbox", value, _ASPECT, "tcp")


def _mistake(where: str, key: str, what: str) -> UsageError:
    return UsageError(f"{where}: {key!r} under {_TABLE} {what}.", hint="Correct it; nothing runs until then.")
