"""How many answers are enough for a round: a number of data owners, or a share of those that were asked.

Nobody has to say it: by default a round goes on with whoever has answered when its time is up, as in Flower. Pure.
"""

import math
import re
from dataclasses import dataclass

from syft_flwr_cli.errors import UsageError

__all__ = ["Enough", "parse_enough"]

_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%\Z")


@dataclass(frozen=True, slots=True)
class Enough:
    """A number of answers (``count``), or a share of those asked (``share``, above 0, at most 1)."""

    count: int = 0
    share: float = 0.0

    def of(self, asked: int) -> int:
        """How many answers ``asked`` data owners have to give."""
        return min(asked, max(self.count, math.ceil(self.share * asked - 1e-9)))

    def __str__(self) -> str:
        return f"{self.share * 100:g}%" if self.share else str(self.count)


def parse_enough(value: str | int, what: str = "enough") -> Enough:
    """Read ``3``, ``"3"`` or ``"60%"``.

    Raises
    ------
    UsageError
        If it is neither a whole number of at least 1 nor a share above 0% and at most 100%.
    """
    text = str(value).strip()
    share = _SHARE.match(text)
    if share and 0 < float(share[1]) <= 100:
        return Enough(share=float(share[1]) / 100)
    if not isinstance(value, bool) and text.isdecimal() and int(text) >= 1:
        return Enough(count=int(text))
    raise UsageError(
        f"{what}: {text[:40]!r} is no number of answers.",
        hint="Write how many data owners have to answer (2), or which share of them (60%).",
    )
