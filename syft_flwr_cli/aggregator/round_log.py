"""What happened in each round: who was asked, who answered, how long it took, and the metrics that came back.

Fed by the Grid with every request and every reply, in any order; gives the ``rounds`` of ``--json``. Knows
Flower's messages only through `codec`.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RoundLog"]

PHASES = {"train": "train", "evaluate": "evaluate", "query": "query"}


@dataclass(slots=True)
class _Phase:
    begun: float
    ended: float
    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


class RoundLog:
    """Thread-safe record of rounds.

    Parameters
    ----------
    spent : callable
        What this side has spent so far: ``bytes_written`` into the store and, on a remote service,
        ``api_calls`` and ``quota_units``.
    """

    def __init__(self, spent: Callable[[], Mapping[str, int]] = dict) -> None:
        self._spent = spent
        self._lock = threading.Lock()
        self._rounds: dict[tuple[int, str], _Phase] = {}
        self._last = 0
        self._final: dict[str, bool] = {}

    def asked(self, who: str, message_type: str, number: int | None) -> tuple[int, str]:
        """Note a request; the key to give back with its reply."""
        phase = PHASES.get(message_type.split(".")[0], "query")
        with self._lock:
            if number is None:
                number = self._last or 1
            self._last = max(self._last, number)
            key = (number, phase)
            now = time.monotonic()
            entry = self._rounds.get(key)
            if entry is None:
                spent = dict(self._spent())
                entry = self._rounds[key] = _Phase(now, now, before=spent, after=spent)
            entry.asked.append(who)
            entry.ended = now
            self._final[who] = False
            return key

    def published(self, key: tuple[int, str]) -> None:
        """Note that the requests of a phase lie in the store."""
        with self._lock:
            self._rounds[key].after = dict(self._spent())

    def answered(self, key: tuple[int, str], who: str, metrics: dict[str, Any], error: str | None) -> None:
        """Note a reply, with its metrics or the first line of its error."""
        with self._lock:
            entry = self._rounds[key]
            entry.ended = time.monotonic()
            entry.after = dict(self._spent())
            entry.answered.append(who)
            self._final[who] = True
            if error is not None:
                entry.failed[who] = error.splitlines()[0][:500] if error else "error"
            else:
                known = entry.metrics.get(who, {})
                entry.metrics[who] = {**known, **metrics}

    def absent(self, who: str) -> None:
        """Note that somebody did not answer in time."""
        with self._lock:
            self._final[who] = False

    def missing(self) -> list[str]:
        """Who did not answer the last request it was sent."""
        with self._lock:
            return sorted(who for who, ok in self._final.items() if not ok)

    def report(self) -> list[dict[str, Any]]:
        """The rounds, as ``--json`` shows them."""
        with self._lock:
            numbers = sorted({number for number, _ in self._rounds})
            return [{"round": number, "phases": self._phases(number)} for number in numbers]

    def _phases(self, number: int) -> dict[str, Any]:
        found = {}
        for phase in ("query", "train", "evaluate"):
            entry = self._rounds.get((number, phase))
            if entry is None:
                continue
            found[phase] = {
                "asked": len(set(entry.asked)),
                "answered": len(set(entry.answered) - set(entry.failed)),
                "failed": entry.failed,
                "seconds": round(entry.ended - entry.begun, 4),
                "bytes_written": 0,
                **{name: count - entry.before.get(name, 0) for name, count in entry.after.items()},
                "metrics": {
                    "aggregated": aggregate(entry.metrics),
                    "datasites": {who: _plain(m) for who, m in sorted(entry.metrics.items())},
                },
            }
        return found


def _plain(metrics: dict[str, Any]) -> dict[str, Any]:
    return {key: _finite(value) for key, value in metrics.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(item) for item in value]
    # JSON has no NaN: a metric that is none is null.
    return value if not isinstance(value, float) or (value == value and abs(value) != float("inf")) else None


def aggregate(by_owner: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Mean of each metric over the data owners, weighted by ``num-examples`` where all tell it."""
    if not by_owner:
        return {}
    weights = {who: metrics.get("num-examples") for who, metrics in by_owner.items()}
    weighted = all(isinstance(w, int | float) and w > 0 for w in weights.values())
    total = sum(float(w or 0) for w in weights.values())
    result: dict[str, Any] = {"num-examples": int(total)} if weighted else {}
    names = {
        name for metrics in by_owner.values() for name, v in metrics.items() if isinstance(v, int | float)
    }
    for name in sorted(names - {"num-examples"}):
        pairs = [
            (float(metrics[name]), float(weights[who] or 0) if weighted else 1.0)
            for who, metrics in by_owner.items()
            if isinstance(metrics.get(name), int | float)
        ]
        mass = sum(weight for _, weight in pairs)
        result[name] = _finite(sum(value * weight for value, weight in pairs) / mass) if mass else None
    return result
