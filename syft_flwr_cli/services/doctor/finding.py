"""Finding of a check: what was looked at, how it is, what to do, and a repair where one is safe to do unasked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "State", "failed", "fine", "noticed"]

State = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """See the module's first paragraph. ``repair`` mends it without losing anything; ``--fix`` calls it."""

    check: str
    state: State
    sentence: str
    remedy: str = ""
    repair: Callable[[], None] | None = None


def fine(check: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", sentence)


def noticed(check: str, sentence: str, remedy: str, repair: Callable[[], None] | None = None) -> Finding:
    """It works, but not as it could."""
    return Finding(check, "warning", sentence, remedy, repair)


def failed(check: str, sentence: str, remedy: str, repair: Callable[[], None] | None = None) -> Finding:
    """It cannot work so."""
    return Finding(check, "failure", sentence, remedy, repair)
