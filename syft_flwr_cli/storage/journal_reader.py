"""A journal looked at from outside, while a run goes on or after it: how far it is, and what was refused.

Opens the file for reading only: takes no lock that a run could wait for, makes no file, and changes
nothing, so that looking is always allowed. What it tells is a moment's state. It knows no more of
messages than the journal's tables say, and never reads their contents.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.storage.journal import SCHEMA_VERSION

__all__ = ["Awaited", "JournalView", "Refusal", "RunView", "look_at_journal"]


@dataclass(frozen=True, slots=True)
class Awaited:
    """A data owner that has not answered: how many requests, since when, and whether its key is missing."""

    email: str
    since: float
    requests: int
    no_key: bool


@dataclass(frozen=True, slots=True)
class RunView:
    """How far a run is.

    Parameters
    ----------
    run, role, state : str
        The run's id; ``aggregator`` or ``data owner``; ``running``, ``finished``, ``failed``, ``stopped``.
    began, ended : float
        Seconds since 1970; ``ended`` is None while it goes on.
    reason : str, optional
        Why it ended.
    round : int, optional
        The highest round that was asked for, where messages tell it (aggregator only).
    messages : dict
        How many requests are in which state: of an aggregator ``waiting``, ``sealed``, ``answered``,
        ``absent``, ``withdrawn``; of a data owner ``claimed``, ``done``, ``acknowledged``, ``withdrawn``.
    awaited : tuple
        Who has not answered (aggregator only).
    """

    run: str
    role: str
    state: str
    began: float
    ended: float | None
    reason: str | None
    round: int | None
    messages: dict[str, int]
    awaited: tuple[Awaited, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not taken: whose, which, why; when it was first seen and how often."""

    owner: str
    path: str
    reason: str
    sentence: str
    seen: float
    times: int


@dataclass(frozen=True, slots=True)
class JournalView:
    """What a journal said when it was looked at; runs and refusals with the newest first."""

    runs: tuple[RunView, ...]
    refused: tuple[Refusal, ...]


def look_at_journal(path: Path) -> JournalView:
    """Read a journal as it is now; an absent one says nothing.

    Raises
    ------
    SyftFlwrError
        If it cannot be read.
    """
    if not path.exists():
        return JournalView((), ())
    try:
        with _opened(path) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:  # it is being made at this moment
                return JournalView((), ())
            if version > SCHEMA_VERSION:
                raise SyftFlwrError(
                    f"The journal {path} was written by a newer version of syft-flwr.",
                    hint="Upgrade syft-flwr on this machine.",
                )
            db.execute("BEGIN")
            runs = db.execute(
                "SELECT run, role, state, created, ended, reason FROM runs ORDER BY created DESC"
            ).fetchall()
            refused = db.execute(
                "SELECT owner, path, reason, sentence, seen, times FROM quarantine ORDER BY seen DESC"
            ).fetchall()
            return JournalView(
                runs=tuple(_run(db, row) for row in runs),
                refused=tuple(Refusal(*row) for row in refused),
            )
    except sqlite3.Error as error:
        raise SyftFlwrError(
            f"The journal {path} cannot be read ({error}).",
            hint="Look again in a moment; if it stays so, restore it from a backup.",
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    # While somebody has it open, or after a kill, its write-ahead log lies beside it and belongs to it. Where
    # there is none nobody writes, and only "immutable" keeps SQLite from making files of its own.
    alone = not path.with_name(path.name + "-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)
    try:
        yield db
    finally:
        db.close()


def _run(db: sqlite3.Connection, row: tuple[Any, ...]) -> RunView:
    run, role, state, began, ended, reason = row
    if role != "aggregator":
        counts = db.execute("SELECT state, COUNT(*) FROM requests WHERE run=? GROUP BY state", (run,))
        return RunView(run, role, state, began, ended, reason, None, _in_order(dict(counts.fetchall())), ())
    # The stop signal stands outside the sequence, before 0, and is never answered.
    rows = db.execute(
        "SELECT recipient, state, created, meta FROM sent WHERE run=? AND ordinal>=0", (run,)
    ).fetchall()
    messages: dict[str, int] = {}
    rounds = [json.loads(meta).get("round") for _, _, _, meta in rows]
    for _, kind, _, _ in rows:
        messages[kind] = messages.get(kind, 0) + 1
    waited = sorted({recipient for recipient, kind, _, _ in rows if kind in ("waiting", "sealed")})
    return RunView(
        run=run,
        role=role,
        state=state,
        began=began,
        ended=ended,
        reason=reason,
        round=max((number for number in rounds if isinstance(number, int)), default=None),
        messages=_in_order(messages),
        awaited=tuple(_awaited(email, rows) for email in waited),
    )


def _in_order(counts: dict[str, int]) -> dict[str, int]:
    """What is done first, then what is under way, then what came to nothing."""
    done = ("answered", "acknowledged", "done", "sealed", "waiting", "claimed")
    rest = sorted(state for state in counts if state not in done)
    return {state: counts[state] for state in (*done, *rest) if state in counts}


def _awaited(email: str, rows: list[tuple[str, str, float, str]]) -> Awaited:
    mine = [(state, created) for recipient, state, created, _ in rows if recipient == email]
    open_ = [(state, created) for state, created in mine if state in ("waiting", "sealed")]
    return Awaited(
        email,
        since=min(created for _, created in open_),
        requests=len(open_),
        no_key=any(state == "waiting" for state, _ in open_),
    )
