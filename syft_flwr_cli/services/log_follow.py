"""Logs of a run read along: what the app printed, and what was noted of the run, from now back and from now on.

Takes no lock. A log that is begun anew (it is bounded) is read on from its beginning.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.services.run_follow import JsonTail
from syft_flwr_cli.services.run_log import read_log
from syft_flwr_cli.services.runs import LocalRun
from syft_flwr_cli.storage.paths import app_dir

__all__ = ["app_log", "app_text", "events_of", "follow_app", "follow_events"]

MOST_READ: Final = 1 << 20
"""Bytes of an app's log that are shown, the newest."""


def app_log(home: Path, one: LocalRun) -> Path:
    """Where what the app printed lies; all runs of the app at this participant share it."""
    return app_dir(home, one.email, one.app_name) / "logs" / "app.log"


def app_text(home: Path, one: LocalRun, last: int | None = None) -> tuple[list[str], int]:
    """The newest lines that the app printed, and up to which byte of the log they go."""
    try:
        with app_log(home, one).open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, end - MOST_READ))
            block = stream.read(min(end, MOST_READ))
    except FileNotFoundError:
        return [], 0
    lines = block.decode(errors="replace").splitlines()
    return lines if last is None else lines[-last:], end


def events_of(home: Path, one: LocalRun, *, node: bool = False) -> list[Mapping[str, Any]]:
    """What was noted of a run; with ``node`` what its process noted at all in this app."""
    entries = list(read_log(app_dir(home, one.email, one.app_name)))
    return entries if node else [entry for entry in entries if entry.get("run") in (one.view.run, None)]


def follow_app(home: Path, one: LocalRun, position: int, wait: Callable[[], bool]) -> Iterator[str]:
    """The lines that the app prints after ``position``, until ``wait``, asked between two looks, says it is over."""
    path = app_log(home, one)
    held = b""
    over = False
    while True:
        if path.exists():
            size = path.stat().st_size
            position = 0 if size < position else position
            with path.open("rb") as stream:
                stream.seek(position)
                block = stream.read(MOST_READ)
            position += len(block)
            *whole, held = (held + block).split(b"\n")
            held = held[-MOST_READ:]
            yield from (line.decode(errors="replace") for line in whole)
            if len(block) == MOST_READ:
                continue
        if over:
            break
        over = wait()
    if held:
        yield held.decode(errors="replace")


def follow_events(
    home: Path,
    one: LocalRun,
    known: Sequence[Mapping[str, Any]],
    wait: Callable[[], bool],
    *,
    node: bool = False,
) -> Iterator[Mapping[str, Any]]:
    """What is noted after ``known``, what is noted so far, until ``wait`` says that it is over."""
    tail = JsonTail(app_dir(home, one.email, one.app_name) / "logs" / "events.jsonl")
    shown = [dict(entry) for entry in known]
    over, first = False, True
    while True:
        for entry in tail.lines():
            if first and entry in shown:
                continue
            if node or entry.get("run") in (one.view.run, None):
                yield entry
        first = False
        if over:
            return
        over = wait()
