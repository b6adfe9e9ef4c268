"""Runs with another run config than the approved one: what an aggregator asks for, and what a data owner answers.

Both travel inside what is there already: an ask in the offer of its project, an answer in the decision about it. An
answer repeats the values that it is about, so that an ask that is changed afterwards is another one. Versions before
this one read neither, and answer nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.catalogue.records import Fields
from syft_flwr_cli.protocol.rejection import RefusedError

__all__ = [
    "MAX_ASKS",
    "RunAnswer",
    "RunAsk",
    "answers_document",
    "asks_document",
    "read_answers",
    "read_asks",
]

MAX_ASKS = 64
"""Asks, or answers, that one offer or decision holds at most: the newest."""

MAX_VALUES = 200
MAX_TEXT = 4000

_RUN = re.compile(r"[1-9][0-9]{0,19}\Z")

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class RunAsk:
    """A run that is asked for: its id, the values that differ from what was approved, who submitted it."""

    run: str
    values: Mapping[str, Value]
    submitter: str

    def sentence(self) -> str:
        """The values in words."""
        return ", ".join(f"{key} = {value!r:.80}" for key, value in sorted(self.values.items()))


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What a data owner says to an ask with exactly these values."""

    run: str
    values: Mapping[str, Value]
    allowed: bool

    def is_about(self, ask: RunAsk) -> bool:
        """Whether this is the answer to that ask."""
        return self.run == ask.run and _exact(self.values) == _exact(ask.values)


def asks_document(asks: Sequence[RunAsk]) -> list[dict[str, Any]]:
    """Asks as they stand in an offer."""
    return [
        {"run": one.run, "values": dict(one.values), "submitter": one.submitter} for one in asks[-MAX_ASKS:]
    ]


def read_asks(found: Sequence[Any]) -> tuple[RunAsk, ...]:
    """Asks in an offer; `RefusedError` if they are none."""
    asks = []
    for one in found:
        fields = Fields(one, "A run in the offer")
        asks.append(RunAsk(_run(fields), _values(fields), fields.text("submitter", 200)))
    return tuple(asks)


def answers_document(answers: Sequence[RunAnswer]) -> list[dict[str, Any]]:
    """Answers as they stand in a decision."""
    return [
        {"run": one.run, "values": dict(one.values), "allowed": one.allowed} for one in answers[-MAX_ASKS:]
    ]


def read_answers(found: Sequence[Any]) -> tuple[RunAnswer, ...]:
    """Answers in a decision; `RefusedError` if they are none."""
    answers = []
    for one in found:
        fields = Fields(one, "An answer in the decision")
        answers.append(RunAnswer(_run(fields), _values(fields), fields.flag("allowed")))
    return tuple(answers)


def _run(fields: Fields) -> str:
    run = fields.text("run", 20)
    if not _RUN.match(run):
        raise RefusedError("garbage", f"{fields.what} has no proper id.")
    return run


def _values(fields: Fields) -> dict[str, Value]:
    values = fields.get("values")
    if not isinstance(values, Mapping) or not 0 < len(values) <= MAX_VALUES:
        raise RefusedError("garbage", f"{fields.what} has no proper values.")
    for key, value in values.items():
        if len(key) > 200 or not isinstance(value, str | int | float | bool):
            raise RefusedError("garbage", f"{fields.what} has a value that a run config cannot have.")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise RefusedError("oversized", f"{fields.what} has a text of more than {MAX_TEXT:,} characters.")
    return dict(values)


def _exact(values: Mapping[str, Value]) -> dict[str, tuple[str, Value]]:
    """Values that are equal only if they are of one kind."""
    return {key: (type(value).__name__, value) for key, value in values.items()}
