"""How an audit log is told: one line per entry, oldest first. It does not read files and checks nothing."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.ui import output

__all__ = ["show_timeline", "when"]

_NOT_SHOWN = frozenset({"seq", "time", "event", "peer", "salt", "prev", "hash", "sig", "eid", "identity"})
_DIGEST = re.compile(r"[0-9a-f]{32,}\Z")
_DIGITS = 12


def when(time: float) -> str:
    """A time (seconds since 1970) for people, in UTC."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{time} s"


def show_timeline(entries: Iterable[Mapping[str, Any]]) -> None:
    """Print entries: number, time, what happened, with whom, and the rest as ``name=value``."""
    console = output.out()
    for entry in entries:
        console.print(Text(visible(_told(entry))))


def _told(entry: Mapping[str, Any]) -> str:
    if "withheld" in entry:
        return f"{entry['seq']:>6}  (withheld)"
    rest = "  ".join(f"{name}={_short(value)}" for name, value in entry.items() if name not in _NOT_SHOWN)
    peer = str(entry.get("peer", ""))
    line = f"{entry['seq']:>6}  {when(entry['time'])}  {entry['event']:<12}  {peer:<24}  {rest}"
    return line.rstrip()


def _short(value: Any) -> str:
    if isinstance(value, str) and _DIGEST.match(value):
        return value[:_DIGITS]
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
