"""Round log: who was asked in each round, who answered, how long it took, and the metrics that came back.

A sink of the run's events, which may come in any order; gives the ``rounds`` of ``--json``. It knows no message
and no store.
"""

import json
import math
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from syft_flwr_cli.events import (
    Event,
    ReplyDelivered,
    ReplyLate,
    ReplyMissing,
    RequestPrepared,
    RequestsPublished,
)

__all__ = ["RoundLog"]

LATEST = 4
"""How many phases are held as they are."""

PHASES = {"train": "train", "evaluate": "evaluate", "query": "query"}


@dataclass(slots=True)
class _Phase:
    begun: float
    ended: float
    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    good: int = 0
    late: list[str] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


_LARGEST = 1e300
"""Numbers beyond this are left out of means, which would overflow."""


class _Phases:
    """Phases by round and kind, in the order of their beginning; all but the latest are packed: a run may have many."""

    def __init__(self) -> None:
        self._latest: dict[tuple[int, str], _Phase] = {}
        self._packed: dict[tuple[int, str], bytes] = {}

    def open(self, key: tuple[int, str]) -> _Phase | None:
        """A phase, to be changed; None if there is none of this key."""
        if (packed := self._packed.pop(key, None)) is not None:
            self.add(key, _Phase(**json.loads(zlib.decompress(packed))))
        return self._latest.get(key)

    def add(self, key: tuple[int, str], phase: _Phase) -> None:
        """A phase that has begun, or is changed again."""
        self._latest[key] = phase
        for old in list(self._latest)[:-LATEST]:
            self._packed[old] = zlib.compress(json.dumps(asdict(self._latest.pop(old))).encode(), 1)

    def get(self, key: tuple[int, str]) -> _Phase | None:
        """A phase, to be looked at."""
        packed = self._packed.get(key)
        return self._latest.get(key) if packed is None else _Phase(**json.loads(zlib.decompress(packed)))

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """All keys, sorted."""
        return iter(sorted((*self._packed, *self._latest)))

    def all(self) -> Iterator[tuple[tuple[int, str], _Phase]]:
        """All phases, sorted by their keys."""
        return ((key, phase) for key in self if (phase := self.get(key)) is not None)


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
        self._rounds = _Phases()
        self._numbers: dict[tuple[int, str], int] = {}
        self._published: set[tuple[int, str]] = set()
        self._latest = 0
        self._before = 0
        self._final: dict[str, bool] = {}
        self._data: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Hear of an event."""
        with self._lock:
            match event:
                case RequestPrepared():
                    self._begin(event)
                    self._asked(event)
                case RequestsPublished():
                    self._phase(event.round, event.type).after = dict(self._spent())
                    self._published.add(self._key(event.round, event.type))
                case ReplyDelivered():
                    self._answered(event)
                case ReplyLate():
                    self._phase(event.round, event.type).late.append(event.peer)
                case ReplyMissing():
                    self._final[event.peer] = False

    def _key(self, number: int, message_type: str) -> tuple[int, str]:
        """Where a phase is kept: an app that numbers its rounds anew goes on with the next number."""
        name = PHASES.get(message_type.split(".")[0], "query")
        return self._numbers.get((number, name), number + self._before), name

    def _begin(self, event: RequestPrepared) -> None:
        """Note whether a request begins a round whose number has been there before."""
        number, name = key = self._key(event.round, event.type)
        entry = self._rounds.get(key) if key in self._published and name != "query" else None
        # Not every push is a phase: the legacy API pushes each message by itself.
        if entry is not None and (event.peer in entry.asked or number < self._latest):
            number = event.round + self._before
            if number < self._latest or self._rounds.get((number, name)) is not None:
                self._before = self._latest + 1 - event.round
                number = self._latest + 1
        self._numbers[event.round, name] = number
        self._latest = max(self._latest, number)

    def _phase(self, number: int, message_type: str) -> _Phase:
        key = self._key(number, message_type)
        phase = self._rounds.open(key)
        if phase is None:
            now, spent = time.monotonic(), dict(self._spent())
            phase = _Phase(now, now, before=spent, after=spent)
            self._rounds.add(key, phase)
        return phase

    def _asked(self, event: RequestPrepared) -> None:
        entry = self._phase(event.round, event.type)
        entry.asked.append(event.peer)
        entry.ended = time.monotonic()

    def _answered(self, event: ReplyDelivered) -> None:
        entry, who = self._phase(event.round, event.type), event.peer
        entry.ended = time.monotonic()
        entry.after = dict(self._spent())
        entry.answered.append(who)
        self._final[who] = event.partakes
        if event.data is not None:
            self._data[who] = event.data
        if event.error is not None:
            entry.failed[who] = event.error.splitlines()[0][:500] if event.error else "error"
        else:
            entry.good += 1
            entry.metrics[who] = {**entry.metrics.get(who, {}), **event.metrics}

    def missing(self) -> list[str]:
        """Of whom the last answer that the ServerApp waited for did not come, or was a refusal to take part."""
        with self._lock:
            return sorted(who for who, ok in self._final.items() if not ok)

    def heard(self) -> bool:
        """Whether the ServerApp got any reply at all."""
        with self._lock:
            return any(entry.answered for _, entry in self._rounds.all())

    def all_refused(self) -> tuple[str, str] | None:
        """If everybody refused to take part in the last round: whose refusal was the first, and its first line."""
        with self._lock:
            last = max((number for number, _ in self._rounds), default=0)
            ended = [entry for (number, _), entry in self._rounds.all() if number == last]
            failed = {who: why for entry in ended for who, why in entry.failed.items()}
            answered = {who for entry in ended for who in entry.answered}
            if not failed or answered - set(failed) or any(self._final.get(who, True) for who in failed):
                return None
            return next(iter(failed.items()))

    def only_errors(self) -> tuple[str, str] | None:
        """If every reply in the last round was an error: whose was the first of the run, and its first line."""
        with self._lock:
            last = max((number for number, _ in self._rounds), default=0)
            ended = [entry for (number, _), entry in self._rounds.all() if number == last]
            if any(entry.good for entry in ended):
                return None
            if not any(entry.failed for entry in ended):
                return None
            first = next(entry.failed for _, entry in self._rounds.all() if entry.failed)
            return next(iter(first.items()))

    def data(self) -> dict[str, str]:
        """What each data owner says its app was given, of those that say it: ``private``, ``mock`` or ``none``."""
        with self._lock:
            return dict(sorted(self._data.items()))

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
                "late": sorted(set(entry.late)),
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
    """Mean of each metric over the data owners, weighted by ``num-examples`` where all tell it.

    What is no finite number counts for nothing: one data owner's does not take the others' from the table.
    """
    if not by_owner:
        return {}
    weights = {who: _number(metrics.get("num-examples")) for who, metrics in by_owner.items()}
    total = math.fsum(weight or 0.0 for weight in weights.values())
    weighted = all(weight is not None and weight > 0 for weight in weights.values()) and math.isfinite(total)
    result: dict[str, Any] = {"num-examples": int(total)} if weighted else {}
    names = {name for metrics in by_owner.values() for name, value in metrics.items() if _is_number(value)}
    for name in sorted(names - {"num-examples"}):
        pairs = [
            (value, float(weights[who] or 0) if weighted else 1.0)
            for who, metrics in by_owner.items()
            if (value := _number(metrics.get(name))) is not None
        ]
        mass = sum(weight for _, weight in pairs)
        result[name] = _finite(sum(value * weight for value, weight in pairs) / mass) if mass else None
    return result


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _number(value: Any) -> float | None:
    """A finite number as such; None for everything else that a data owner may write."""
    if not _is_number(value) or not abs(value) <= _LARGEST:
        return None
    return float(value)
