"""How fast and how patient the Google Drive transport is: numbers, and what they are right for."""

from dataclasses import dataclass

__all__ = ["EMULATED", "GOOGLE", "Tuning"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """How fast, how patient.

    Parameters
    ----------
    writes_per_second : float
        What Drive bears of one account for long; ``inf`` for no limit.
    burst : int
        How many writes may go at once after a rest.
    backoff, backoff_cap : float
        The first and the longest pause between two tries, in seconds (before jitter).
    patience : float
        Seconds for which a call is tried again before its caller hears of it (who tries again, and says so).
    timeout : float
        Seconds to wait for an answer.
    """

    writes_per_second: float = 2.0
    burst: int = 6
    backoff: float = 1.0
    backoff_cap: float = 64.0
    patience: float = 40.0
    timeout: float = 60.0


GOOGLE = Tuning()
"""What Google Drive bears."""

EMULATED = Tuning(writes_per_second=1e6, backoff=0.05)
"""For the emulator, which has no other customers."""
