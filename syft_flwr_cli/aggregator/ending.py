"""How a run ends: what is open is withdrawn, the data owners are told, and the journal and the audit log hear of it.

The end is noted before the first data owner is told, so that a process that dies in between is followed by one that
ends the run too.
"""

from collections.abc import Mapping
from typing import Any

from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import RunEnded
from syft_flwr_cli.session.session import Session

__all__ = ["close_run", "end_run"]


def end_run(session: Session, run: str, reason: str, state: str) -> list[str]:
    """End a run from outside: withdraw what is open, tell the data owners; to whom the signal went."""
    known = session.journal.run(run)
    if known is None or known.ended is not None:
        raise UsageError(f"Run {run} is not open.", hint="See the open runs with: syft-flwr status")
    datasites = known.facts.get("datasites") or session.settings.datasites
    grid = SyftGrid(session.settings.app_name, datasites, session.channel)
    try:
        grid.set_run(int(run))
        return close_run(session, grid, run, reason, state)
    finally:
        grid.close()


def close_run(
    session: Session,
    grid: SyftGrid,
    run: str,
    reason: str,
    state: str,
    result: Mapping[str, Any] | None = None,
) -> list[str]:
    """End a run of the grid's: ``finished`` with its result, ``failed`` or ``stopped``; to whom the signal went."""
    journal = session.journal
    known = journal.run(run)
    if known is not None and state != "finished" and "ending" not in known.facts:
        # Once the first owner may have been told, the run must not go on: the next process ends it too.
        journal.set_run_facts(run, {**known.facts, "ending": [state, reason]})
    grid.outbox.withdraw()
    told = grid.send_stop_signal(group_id="final", reason=reason, state=state)
    now = session.channel.clock()
    event = "run-finished" if state == "finished" else "stopped"
    entry = {"event": event, "time": now, "run": run, "why": reason}
    journal.end_run(run, state, now, reason, entry, result)
    session.channel.audit.flush()
    grid.outbox.clear()
    session.channel.emit(RunEnded(run, state, reason))
    return told
