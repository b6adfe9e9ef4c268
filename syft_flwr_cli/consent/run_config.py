"""What an aggregator may set of a run config otherwise than the data owner has approved it.

The approved values stand in the project's ``[tool.flwr.app.config]`` and are part of its digest; those that an
aggregator chooses for a run come with each request. They are the same as the approved ones, or within what the
owner's policy allows key by key, or the request is not executed. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ANY_KEY",
    "Allowance",
    "approved_config",
    "differences",
    "is_config_refusal",
    "parse_allowances",
    "refuse_config",
]

_REFUSED = "The run config has "

ANY_KEY = "*"

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Allowance:
    """A key of the run config (``*``: any) and what it may be: one of ``values``, or a number from ``least`` to
    ``most``; anything, where neither is said."""

    key: str
    values: tuple[Value, ...] | None = None
    least: float | None = None
    most: float | None = None

    def allows(self, key: str, value: Value) -> bool:
        """Whether the aggregator may set ``key`` to ``value``."""
        if self.key not in (key, ANY_KEY):
            return False
        if self.values is not None:
            return any(_same(value, other) for other in self.values)
        if self.least is None and self.most is None:
            return True
        if isinstance(value, bool | str):
            return False
        # Written so that NaN is within no bounds.
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        if self.values is not None:
            return f"{self.key} (one of {', '.join(map(repr, self.values))})"
        if self.least is None and self.most is None:
            return f"{self.key} (anything)"
        least = "" if self.least is None else f" from {self.least:g}"
        most = "" if self.most is None else f" up to {self.most:g}"
        return f"{self.key} ({(least + most).strip()})"


def parse_allowances(table: Any) -> tuple[Allowance, ...]:
    """The table ``run_config`` of a policy.

    A key stands for a key of the run config, quoted if it has dots, or for any (``"*"``); its value is ``true``
    (anything), a list of values, or a table of ``min`` and ``max``.

    Raises
    ------
    ValueError
        If it is not of this form; the text goes on from the name of the table.
    """
    if not isinstance(table, Mapping):
        raise ValueError("is no table of keys, such as num-server-rounds = { max = 10 }")
    return tuple(_allowance(str(key), value) for key, value in table.items())


def _allowance(key: str, value: Any) -> Allowance:
    if value is True:
        return Allowance(key)
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return Allowance(key, values=tuple(value))
    if isinstance(value, Mapping) and value and set(value) <= {"min", "max"}:
        bounds = [value.get(name) for name in ("min", "max")]
        if all(
            bound is None or (isinstance(bound, int | float) and not isinstance(bound, bool))
            for bound in bounds
        ):
            return Allowance(key, least=bounds[0], most=bounds[1])
    raise ValueError(f"says of {key!r} neither true, nor a list of values, nor {{ min = …, max = … }}")


def approved_config(raw: Mapping[str, Any]) -> dict[str, Value]:
    """The run config of a parsed ``pyproject.toml``, with the keys of nested tables joined by dots, as Flower does."""
    here: Any = raw
    for name in ("tool", "flwr", "app", "config"):
        here = here.get(name) if isinstance(here, Mapping) else None
    return dict(_flat(here, "")) if isinstance(here, Mapping) else {}


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Value]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(approved: Mapping[str, Value], asked: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """What is asked for and was approved otherwise, or not at all, by key."""
    return [
        (key, value)
        for key, value in sorted(asked.items())
        if key not in approved or not _same(value, approved[key])
    ]


def is_config_refusal(sentence: str) -> bool:
    """Whether a data owner's refusal is one of `refuse_config`."""
    return sentence.startswith(_REFUSED)


def refuse_config(
    allowances: Iterable[Allowance], approved: Mapping[str, Value], different: Iterable[tuple[str, Value]]
) -> str | None:
    """Why a run config is not accepted, in one sentence; None if it is."""
    rules = tuple(allowances)
    for key, value in different:
        if not any(rule.allows(key, value) for rule in rules):
            was = f"{approved[key]!r:.80}" if key in approved else "not there"
            return (
                f"{_REFUSED}{key[:80]} = {value!r:.80}; in what the data owner has approved it is {was}, and "
                "the owner's policy does not allow another value."
            )
    return None


def _same(one: Value, other: Value) -> bool:
    """Equal and of one kind: 1 is not true, and a whole number is the same with a point."""
    if isinstance(one, bool | str) or isinstance(other, bool | str):
        return type(one) is type(other) and one == other
    return one == other
