"""Spans of time as people write them: ``90s``, ``15m``, ``24h``, ``2d``, or a plain number of seconds.

Pure; the one place where such a text becomes seconds, for flags, environment and TOML alike.
"""

import math
import re
from datetime import UTC, datetime, timedelta

from syft_flwr_cli.errors import UsageError

__all__ = ["parse_duration", "parse_end"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\Z")
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: str | int | float, what: str = "duration") -> float:
    """Return ``value`` in seconds, always above zero.

    Parameters
    ----------
    value : str | int | float
        ``"24h"``, ``"90s"``, ``"15m"``, ``"2d"``, ``"1.5h"``, or a number of seconds.
    what : str
        What the value is for, as the error names it (a flag, a variable, a key).

    Raises
    ------
    UsageError
        If it is none of these, or not above zero and finite.
    """
    seconds = math.nan
    if isinstance(value, str):
        match = _DURATION.match(value.strip().lower())
        if match and match[2] in _SECONDS:
            seconds = float(match[1]) * _SECONDS[match[2]]
    elif not isinstance(value, bool):
        seconds = float(value)
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(
            f"{what}: {str(value)[:40]!r} is no span of time.",
            hint="Write a number of seconds above zero, or one with a unit: 90s, 15m, 24h, 2d.",
        )
    return seconds


def parse_end(text: str, now: float, what: str = "--until") -> float:
    """When something ends, in seconds since 1970: the end of a day (``2026-12-31``, UTC), or a span from ``now`` on.

    Raises
    ------
    UsageError
        If it is neither, or lies in the past.
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()) is None:
        return now + parse_duration(text, what)
    try:
        day = datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise UsageError(f"{what}: {text[:40]!r} is no day.", hint="Write it as 2026-12-31.") from error
    end = (day + timedelta(days=1)).timestamp()
    if end <= now:
        raise UsageError(f"{what}: {text} is over.", hint="Name a day that is to come.")
    return end
