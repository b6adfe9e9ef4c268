"""``"k=v k2='s'"`` on the command line as a mapping, read as TOML values; no flwr is needed for it."""

import re
import tomllib
from typing import Any

from syft_flwr_cli.errors import UsageError

__all__ = ["parse_values"]

_PAIR = re.compile(r"""\s*([A-Za-z0-9_.-]+)\s*=\s*('[^']*'|"[^"]*"|\S+)""")


def parse_values(text: str | None, flag: str) -> dict[str, Any]:
    """Parse ``text``.

    Raises
    ------
    UsageError
        If it is not of that form; names ``flag``.
    """
    values: dict[str, Any] = {}
    rest = text or ""
    while rest.strip():
        match = _PAIR.match(rest)
        try:
            if match is None:
                raise ValueError(rest.strip())
            values[match[1]] = tomllib.loads(f"v = {match[2]}")["v"]
        except ValueError:
            raise UsageError(
                f"{flag} {text!r} cannot be read.", hint="Write it as \"key1=1 key2=0.5 key3='text'\"."
            ) from None
        rest = rest[match.end() :]
    return values
