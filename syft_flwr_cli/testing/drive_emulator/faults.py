"""What goes wrong, and when: scripted faults first, then a seeded share of all calls.

A fault happens before the call does anything, or after all of it has been done and only the answer
is lost. The kinds are the reasons of Drive's 403, the statuses 429, 500, 502 and 503, ``drop`` (the
connection is cut; of an upload after part of the body, of a download after part of the answer) and
``slow``. Everything is drawn from one seeded generator.
"""

import random
from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["KINDS", "Fault", "Faults"]

KINDS = (
    "userRateLimitExceeded",
    "rateLimitExceeded",
    "sharingRateLimitExceeded",
    "storageQuotaExceeded",
    "429",
    "500",
    "502",
    "503",
    "drop",
)

_ONLY = {"sharingRateLimitExceeded": "permissions.*", "storageQuotaExceeded": "files.[cu]*"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure.

    Parameters
    ----------
    kind : str
        One of `KINDS`, ``slow``, ``session`` (a resumable session is forgotten), or any reason of a 403.
    after : bool
        Whether the call has been carried out all the same.
    bytes : int | None
        For ``drop``: how many bytes of the body pass first; None for a random part.
    seconds : float
        For ``slow``: how long the answer takes.
    """

    kind: str
    after: bool = False
    bytes: int | None = None
    seconds: float = 0.0


@dataclass(slots=True)
class _Rule:
    call: str
    who: str
    fault: Fault
    skip: int
    times: int


class Faults:
    """Decides for each call whether and how it fails. Not thread-safe.

    Parameters
    ----------
    seed : int
        Of the generator.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._rules: list[_Rule] = []
        self.rate = 0.0
        self.kinds: tuple[str, ...] = KINDS
        self.after = 0.5
        self.latency: tuple[float, float] = (0.0, 0.0)

    def chaos(self, rate: float, kinds: tuple[str, ...] = KINDS, after: float = 0.5) -> None:
        """Let a share ``rate`` of all calls fail, ``after`` of those once the work is done."""
        self.rate, self.kinds, self.after = rate, kinds, after

    def script(self, call: str, fault: Fault, *, times: int = 1, skip: int = 0, who: str = "*") -> None:
        """Let ``times`` calls that match ``call`` (``files.*``) fail, once ``skip`` of them have passed."""
        self._rules.append(_Rule(call, who, fault, skip, times))

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._rules.clear()
        self.rate = 0.0
        self.latency = (0.0, 0.0)

    def draw(self, call: str, who: str) -> Fault | None:
        """The fault of this call, if it has one."""
        for rule in self._rules:
            if rule.times > 0 and fnmatchcase(call, rule.call) and fnmatchcase(who, rule.who):
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                rule.times -= 1
                return rule.fault
        if self.rate and self._random.random() < self.rate:
            kinds = [kind for kind in self.kinds if fnmatchcase(call, _ONLY.get(kind, "*"))]
            return (
                Fault(self._random.choice(kinds), after=self._random.random() < self.after) if kinds else None
            )
        return None

    def delay(self) -> float:
        """Seconds that this call takes longer."""
        low, high = self.latency
        return self._random.uniform(low, high) if high else 0.0

    def part(self, size: int) -> int:
        """How many of ``size`` bytes pass before a cut."""
        return self._random.randrange(size) if size > 0 else 0
