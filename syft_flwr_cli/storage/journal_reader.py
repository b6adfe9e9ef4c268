"""A journal looked at from outside, while a run goes on or after it: how far it is, and what was refused.

Opens the file for reading only: takes no lock that a run could wait for, makes no file, and changes
nothing, so that looking is always allowed. What it tells is a moment's state. It knows no more of
messages than the journal's tables say, and hands their contents out unread.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.storage.journal.runs import Run, run_of
from syft_flwr_cli.storage.journal.schema import EGRESS_SINCE, MIGRATIONS
from syft_flwr_cli.storage.sqlite import read_only, schema_of

__all__ = [
    "Awaited",
    "JournalView",
    "Refusal",
    "RunView",
    "StoredMessage",
    "find_messages",
    "look_at_journal",
    "read_egress",
    "read_runs",
]


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


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of one's own that the journal has: its envelope, and its body where that is kept unsealed, too."""

    id: str
    kind: str
    envelope: bytes
    body: bytes | None


@contextmanager
def _opened(path: Path, since: int = 1) -> Iterator[sqlite3.Connection | None]:
    """A journal for reading; None if it is absent, is being made, or has not the tables of the schema ``since`` yet.

    Raises
    ------
    SyftFlwrError
        If it cannot be read.
    """
    if not path.exists():
        yield None
        return
    try:
        with read_only(path) as db:
            yield db if schema_of(db, path, MIGRATIONS, "journal") >= since else None
    except sqlite3.Error as error:
        raise SyftFlwrError(
            f"The journal {path} cannot be read ({error}).",
            hint="Look again in a moment; if it stays so, restore it from a backup.",
        ) from error


def look_at_journal(path: Path) -> JournalView:
    """Read a journal as it is now; an absent one says nothing.

    Raises
    ------
    SyftFlwrError
        If it cannot be read.
    """
    with _opened(path) as db:
        if db is None:
            return JournalView((), ())
        db.execute("BEGIN")
        runs = db.execute("SELECT * FROM runs ORDER BY created DESC").fetchall()
        refused = db.execute("SELECT * FROM quarantine ORDER BY seen DESC").fetchall()
        return JournalView(
            runs=tuple(_run(db, row) for row in runs),
            refused=tuple(_refusal(row) for row in refused),
        )


def read_runs(path: Path) -> list[Run]:
    """The runs of a journal with their facts and results, the newest first; none if there is no journal.

    Raises
    ------
    SyftFlwrError
        If it cannot be read.
    """
    with _opened(path) as db:
        if db is None:
            return []
        return [run_of(row) for row in db.execute("SELECT * FROM runs ORDER BY rowid DESC").fetchall()]


def read_egress(path: Path, run: str) -> list[dict[str, Any]]:
    """What left in a run, or was withheld, one record a reply; none where no journal kept any.

    Raises
    ------
    SyftFlwrError
        If it cannot be read.
    """
    with _opened(path, EGRESS_SINCE) as db:
        if db is None:
            return []
        rows = db.execute("SELECT * FROM egress WHERE run=? ORDER BY time, rowid", (run,)).fetchall()
        return [{"message": row["message"], "time": row["time"], **json.loads(row["record"])} for row in rows]


def find_messages(path: Path, begins: str) -> list[StoredMessage]:
    """The messages of one's own whose ids begin so (hexadecimal and dashes), as far as the journal has their envelopes.

    Raises
    ------
    SyftFlwrError
        If it cannot be read.
    """
    with _opened(path) as db:
        if db is None:
            return []
        like = f"{begins}%"
        sent = db.execute(
            "SELECT id, envelope, body FROM sent WHERE id LIKE ? AND envelope IS NOT NULL", (like,)
        ).fetchall()
        answers = db.execute(
            "SELECT id, response FROM requests WHERE id LIKE ? AND response IS NOT NULL", (like,)
        ).fetchall()
        return [StoredMessage(row["id"], "request", row["envelope"], row["body"]) for row in sent] + [
            StoredMessage(row["id"], "response", row["response"], None) for row in answers
        ]


def _refusal(row: sqlite3.Row) -> Refusal:
    return Refusal(
        owner=row["owner"],
        path=row["path"],
        reason=row["reason"],
        sentence=row["sentence"],
        seen=row["seen"],
        times=row["times"],
    )


def _run(db: sqlite3.Connection, row: sqlite3.Row) -> RunView:
    counts: dict[str, int]
    if aggregates := row["role"] == "aggregator":
        # The stop signal stands outside the sequence, before 0, and is never answered.
        query = "SELECT recipient, state, created, meta FROM sent WHERE run=? AND ordinal>=0"
        asked = db.execute(query, (row["run"],)).fetchall()
        counts = Counter(one["state"] for one in asked)
    else:
        query = "SELECT state, COUNT(*) AS number FROM requests WHERE run=? GROUP BY state"
        counts = {one["state"]: one["number"] for one in db.execute(query, (row["run"],))}
        asked = []
    rounds = [json.loads(one["meta"]).get("round") for one in asked]
    return RunView(
        run=row["run"],
        role=row["role"],
        state=row["state"],
        began=row["created"],
        ended=row["ended"],
        reason=row["reason"],
        round=max((number for number in rounds if isinstance(number, int)), default=None),
        messages=_in_order(counts),
        awaited=_awaited(asked) if aggregates else (),
    )


def _in_order(counts: dict[str, int]) -> dict[str, int]:
    """What is done first, then what is under way, then what came to nothing."""
    done = ("answered", "acknowledged", "done", "sealed", "waiting", "claimed")
    rest = sorted(state for state in counts if state not in done)
    return {state: counts[state] for state in (*done, *rest) if state in counts}


def _awaited(asked: Sequence[sqlite3.Row]) -> tuple[Awaited, ...]:
    unanswered = [one for one in asked if one["state"] in ("waiting", "sealed")]
    by_recipient = {
        email: [one for one in unanswered if one["recipient"] == email]
        for email in sorted({one["recipient"] for one in unanswered})
    }
    return tuple(
        Awaited(
            email,
            since=min(one["created"] for one in theirs),
            requests=len(theirs),
            no_key=any(one["state"] == "waiting" for one in theirs),
        )
        for email, theirs in by_recipient.items()
    )
