"""State of the live view: what is known of a run at this moment, fed with the facts of events.

The same facts come from the events of this process and from the files in which another process keeps them
(`RunRecorder`, `RunLog`), so a run looks alike from either side. Pure and bounded: time is passed in, an app may
report whatever it likes, and text is kept as it was written (whoever draws it escapes it).
"""

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FIRST", "LiveState", "Means", "OwnerRow", "PhaseRow", "RoundRow", "WorkRow"]

MAX_METRICS = 40
MAX_NAME = 60
MAX_ROUNDS = 200
MAX_RECENT = 100
MAX_TEXT = 300
SAID_AGAIN = 8
_LARGEST = 1e300
FIRST = ("loss", "accuracy")
"""Metrics that are shown before others."""

_FLOWER_ROUND = re.compile(r"\[ROUND (\d+)(?:/(\d+))?\]")


@dataclass(slots=True)
class Means:
    """Mean of each metric over the data owners, weighted by ``num-examples`` where all tell it."""

    weighted: bool = True
    names: dict[str, tuple[float, float, float, int]] = field(default_factory=dict)
    more: int = 0

    def add(self, metrics: Mapping[str, Any]) -> None:
        """Take in what one data owner reports."""
        weight = _finite(metrics.get("num-examples"))
        self.weighted = self.weighted and weight is not None and weight > 0
        left = 0
        for name, value in metrics.items():
            number = _finite(value)
            if number is None or name == "num-examples":
                continue
            key = str(name)[:MAX_NAME]
            if key not in self.names and len(self.names) >= MAX_METRICS:
                left += 1
                continue
            total, mass, plain, count = self.names.get(key, (0.0, 0.0, 0.0, 0))
            share = weight or 0.0
            self.names[key] = (total + number * share, mass + share, plain + number, count + 1)
        self.more = max(self.more, left)

    def values(self) -> dict[str, float]:
        """The means by name; one that is no finite number is left out."""
        found = {}
        for name, (total, mass, plain, count) in self.names.items():
            mean = total / mass if self.weighted and mass else plain / count
            if math.isfinite(mean):
                found[name] = mean
        return found


@dataclass(slots=True)
class PhaseRow:
    """One phase of a round: who was asked, who answered, when (seconds since 1970), and the means.

    ``came`` are those whose answers are here, and wait until the app gets all of them.
    """

    began: float
    last: float
    asked: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    came: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    published: bool = False
    means: Means = field(default_factory=Means)


@dataclass(slots=True)
class RoundRow:
    """A round that really ran, with the number that the app gave it."""

    number: int
    phases: dict[str, PhaseRow] = field(default_factory=dict)


@dataclass(slots=True)
class OwnerRow:
    """A data owner: ``status`` is one of idle, key, asked, sent, answered, error, refused, absent."""

    status: str = "idle"
    since: float = 0.0
    detail: str = ""
    data: str = ""


@dataclass(slots=True)
class WorkRow:
    """A run at a data owner: what is worked on since when (None: nothing), and how much was answered."""

    run: str
    began: float
    what: str = ""
    round: int | None = None
    since: float | None = None
    answered: int = 0
    errors: int = 0
    ended: str = ""
    seen: float = 0.0


class LiveState:
    """See the module's first paragraph.

    Parameters
    ----------
    title : str
        What runs here, as a person calls it.
    email : str
        The participant.
    planned : int, optional
        How many rounds are planned, where that is known.
    """

    def __init__(self, title: str, email: str, planned: int | None = None) -> None:
        self.title, self.email, self.planned = title, email, planned
        self.run = ""
        self.state = ""
        self.reason = ""
        self.began: float | None = None
        self.ended: float | None = None
        self.rounds: deque[RoundRow] = deque(maxlen=MAX_ROUNDS)
        self.counted = 0
        self.series: dict[str, deque[float]] = {}
        self.owners: dict[str, OwnerRow] = {}
        self.work: dict[str, WorkRow] = {}
        self.apps: dict[str, str] = {}
        self.recent: deque[tuple[float, str]] = deque(maxlen=MAX_RECENT)
        self.spent: Mapping[str, int] = {}
        self.app_round = 0
        self._messages: dict[str, str] = {}
        self._place: dict[tuple[int, str], RoundRow] = {}

    def hear(self, facts: Mapping[str, Any], moment: float) -> None:
        """Take in the facts of an event that happened at ``moment`` (seconds since 1970)."""
        kind = facts.get("event")
        if not isinstance(kind, str):
            return
        act = getattr(self, "_on_" + kind.replace("-", "_"), None)
        if act is not None:
            act(facts, moment)

    def say(self, sentence: str, moment: float) -> None:
        """Take in a line for the list of what happened last; what is said again and again stands there once."""
        text = sentence[:MAX_TEXT]
        if text and all(text != said for _, said in list(self.recent)[-SAID_AGAIN:]):
            self.recent.append((moment, text))

    def flower_line(self, line: str) -> None:
        """Learn from a line of Flower's own log which round of how many the app is in."""
        found = _FLOWER_ROUND.search(line)
        if found is not None and len(found[1]) < 9 and len(found[2] or "") < 9:
            self.app_round = int(found[1])
            self.planned = int(found[2]) if found[2] else self.planned

    def settle(self, state: str, reason: str, ended: float | None) -> None:
        """What a journal says of the run: it is more than what events say."""
        self.state, self.reason, self.ended = state, reason[:MAX_TEXT], ended

    # A run at the aggregator

    def _on_run(self, facts: Mapping[str, Any], moment: float) -> None:
        # A run that is taken up again repeats itself from the top: every round is heard of anew.
        self.run, self.state, self.reason, self.ended = _text(facts.get("run")), "running", "", None
        self.began = moment if self.began is None else self.began
        self.rounds.clear()
        self.series.clear()
        self._place.clear()
        self.counted = 0
        for email in _texts(facts.get("datasites")):
            self.owners.setdefault(email, OwnerRow(since=moment))

    def _on_run_ended(self, facts: Mapping[str, Any], moment: float) -> None:
        self.settle(_text(facts.get("state")), _text(facts.get("reason")), moment)

    def _on_asked(self, facts: Mapping[str, Any], moment: float) -> None:
        number, phase = _round(facts), _phase(facts)
        row = self._place.get((number, phase))
        who = _text(facts.get("peer"))
        # Not every push is a phase: the legacy API pushes each message by itself.
        if row is None or (
            row.phases[phase].published and (who in row.phases[phase].asked or row is not self.rounds[-1])
        ):
            row = self._row_for(number, phase)
            row.phases[phase] = row.phases.get(phase) or PhaseRow(moment, moment)
            self._place[number, phase] = row
        row.phases[phase].asked.add(who)
        self._owner(who, "asked", moment)

    def _row_for(self, number: int, phase: str) -> RoundRow:
        """The round in which a phase begins: the latest, unless it has another number or had this phase."""
        last = self.rounds[-1] if self.rounds else None
        if last is not None and last.number == number and phase not in last.phases:
            return last
        if last is not None:
            self._measure(last)
        row = RoundRow(number)
        self.rounds.append(row)
        self.counted += 1
        for key in list(self._place)[:-8]:
            del self._place[key]
        return row

    def _measure(self, row: RoundRow) -> None:
        """Keep the means of a round that is over for the curves."""
        for name, value in self.means(row).items():
            known = self.series.get(name)
            # Of ten thousand metrics the ones that everybody looks for are not left out.
            room = 2 * MAX_METRICS if any(word in name for word in FIRST) else MAX_METRICS
            if known is None and len(self.series) < room:
                known = self.series[name] = deque(maxlen=MAX_ROUNDS)
            if known is not None:
                known.append(value)

    def means(self, row: RoundRow) -> dict[str, float]:
        """The means of a round; where two phases tell the same metric, the evaluation's."""
        found: dict[str, float] = {}
        for phase in ("query", "train", "evaluate"):
            if phase in row.phases:
                found.update(row.phases[phase].means.values())
        return found

    def curves(self) -> dict[str, list[float]]:
        """The means over the rounds so far, with the one that goes on."""
        found = {name: list(values) for name, values in self.series.items()}
        if self.rounds:
            for name, value in self.means(self.rounds[-1]).items():
                found.setdefault(name, []).append(value)
        return found

    def _on_requests_published(self, facts: Mapping[str, Any], moment: float) -> None:
        row = self._place.get((_round(facts), _phase(facts)))
        if row is None:
            return
        phase = row.phases[_phase(facts)]
        phase.published = True
        for who in phase.asked - phase.answered - phase.failed:
            if self.owners[who].status in ("asked", "idle"):
                self._owner(who, "sent", moment)

    def _on_sent(self, facts: Mapping[str, Any], moment: float) -> None:
        row = self.owners.get(_text(facts.get("peer")))
        if row is not None and row.status in ("asked", "key"):  # not the signal that ends the run
            row.status, row.since, row.detail = "sent", moment, ""

    def _on_no_key(self, facts: Mapping[str, Any], moment: float) -> None:
        row = self.owners.get(_text(facts.get("peer")))
        if row is None or row.status != "key":  # it is said with each look; it is awaited since the first
            self._owner(_text(facts.get("peer")), "key", moment)

    def _on_received(self, facts: Mapping[str, Any], moment: float) -> None:
        error, who = facts.get("error"), _text(facts.get("peer"))
        if error is None and self.rounds:
            latest = list(self.rounds[-1].phases.values())[-1]
            latest.came |= {who} & latest.asked
        self._owner(
            _text(facts.get("peer")), "answered" if error is None else "error", moment, _text(error or "")
        )

    def _on_reply(self, facts: Mapping[str, Any], moment: float) -> None:
        who, error = _text(facts.get("peer")), facts.get("error")
        status = "answered" if error is None else "error" if facts.get("partakes", True) else "refused"
        self._owner(who, status, moment, _text(error or ""))
        if facts.get("data"):
            self.owners[who].data = _text(facts["data"])
        row = self._place.get((_round(facts), _phase(facts)))
        if row is None:
            return
        phase = row.phases[_phase(facts)]
        phase.last = moment
        if error is not None:
            phase.failed.add(who)
            return
        phase.answered.add(who)
        metrics = facts.get("metrics")
        if isinstance(metrics, Mapping):
            phase.means.add(metrics)

    def _on_reply_missing(self, facts: Mapping[str, Any], moment: float) -> None:
        self._owner(_text(facts.get("peer")), "absent", moment)

    def _on_absent(self, facts: Mapping[str, Any], moment: float) -> None:
        since = _finite(facts.get("since"))
        self._owner(_text(facts.get("peer")), "absent", moment if since is None else since)

    def _owner(self, who: str, status: str, moment: float, detail: str = "") -> None:
        row = self.owners.setdefault(who, OwnerRow())
        if status == "absent" and row.status == "absent":
            return
        row.status, row.since, row.detail = status, moment, detail.split("\n", 1)[0]

    # A run at a data owner

    def _on_app_served(self, facts: Mapping[str, Any], moment: float) -> None:
        self.apps[_text(facts.get("app_name"))] = _text(facts.get("aggregator"))

    def _on_app_let_go(self, facts: Mapping[str, Any], moment: float) -> None:
        self.apps.pop(_text(facts.get("app_name")), None)

    def _on_node_ready(self, facts: Mapping[str, Any], moment: float) -> None:
        self.state = "waiting" if not self.work else self.state
        self.began = moment if self.began is None else self.began

    def _on_run_started(self, facts: Mapping[str, Any], moment: float) -> None:
        self._working(facts, moment)

    def _on_executing(self, facts: Mapping[str, Any], moment: float) -> None:
        row = self._working(facts, moment)
        row.what, row.since = _text(facts.get("type")), moment
        number = facts.get("round")
        row.round = number if isinstance(number, int) else row.round
        self._messages[_text(facts.get("message"))] = row.run
        for old in list(self._messages)[:-256]:
            del self._messages[old]

    def _on_answered(self, facts: Mapping[str, Any], moment: float) -> None:
        row = self.work.get(self._messages.pop(_text(facts.get("message")), ""))
        if row is None:
            return
        row.since, row.seen = None, moment
        row.answered += 1
        row.errors += facts.get("error") is not None

    def _on_stopped(self, facts: Mapping[str, Any], moment: float) -> None:
        row = self._working(facts, moment)
        row.since, row.ended = None, _text(facts.get("reason")) or "over"

    def _working(self, facts: Mapping[str, Any], moment: float) -> WorkRow:
        run = _text(facts.get("run"))
        row = self.work.setdefault(run, WorkRow(run, moment))
        row.seen = moment
        for old in [one for one in self.work.values() if one.ended and one.run != run][: len(self.work) - 50]:
            del self.work[old.run]
        self.state = "running"
        return row


def _finite(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return None
    return float(value)


def _text(value: Any) -> str:
    return str(value)[:MAX_TEXT] if value is not None else ""


def _texts(value: Any) -> Iterable[str]:
    return [_text(one) for one in value] if isinstance(value, list | tuple) else []


def _round(facts: Mapping[str, Any]) -> int:
    number = facts.get("round")
    return number if isinstance(number, int) else 0


def _phase(facts: Mapping[str, Any]) -> str:
    kind = _text(facts.get("type")).split(".")[0]
    return kind if kind in ("train", "evaluate") else "query"
