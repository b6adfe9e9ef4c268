"""How things stand, for people: one block per participant and app. It reads nothing and decides nothing."""

from collections.abc import Iterator

from rich.text import Text

from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.security.roster import Entry
from syft_flwr_cli.services.status import AppStatus
from syft_flwr_cli.storage.journal_reader import RunView
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.rounds import size_text
from syft_flwr_cli.ui.timeline import when

__all__ = ["show_status"]

SHOWN = 10
"""How many runs, and how many refusals, are shown to people."""

_STATES = {
    "waiting": "waiting for a key",
    "sealed": "awaited",
    "claimed": "in work",
    "done": "answered",
    "acknowledged": "answered and taken",
}


def show_status(status: AppStatus) -> None:
    """Print one block."""
    console = output.out()
    before = ""
    for label, line in _lines(status):
        told = visible(f"{'' if label == before else label:<12} {line}")
        console.print(Text(output.folded(console, told, 13)))
        before = label


def _lines(status: AppStatus) -> Iterator[tuple[str, str]]:
    yield "participant", status.email + (f", {status.role}" if status.role else "")
    yield "app", status.app_name
    if status.process is None:
        yield "process", "none; nothing is sent or answered at the moment"
    else:
        yield "process", f"{status.process.pid}, since {when(status.process.since)}"
    for run in status.runs[:SHOWN]:
        yield from (("run", line) for line in _run_lines(run, paused=status.process is None))
    yield from _more("run", len(status.runs), "runs")
    for refusal in status.refused[:SHOWN]:
        yield "refused", f"{refusal.times}x {refusal.reason}: {refusal.sentence}"
        yield "refused", f"   {refusal.path} of {refusal.owner}, first {when(refusal.seen)}"
    yield from _more("refused", len(status.refused), "refused files")
    width = max((len(entry.email) for entry in status.peers), default=0)
    for entry in status.peers:
        yield "keys", f"{entry.email:<{width}}  {entry.identity.words}  {_key_state(entry)}"
    for email, moment in status.at_work.items():
        yield "at work", f"{email:<{width}}  {when(moment)}"
    shared = "" if status.shared is None else f", {size_text(status.shared)} in the shared folder"
    if status.drive:
        calls, units = (
            sum(getattr(one, what) for one in status.drive.values()) for what in ("count", "units")
        )
        yield "drive", f"{calls} calls for {units} quota units so far, in all apps"
    remote = "".join(f", {size_text(size)} in {name} (all apps)" for name, size in status.stores.items())
    yield "space", f"{size_text(status.kept)} at home{shared}{remote}"


def _run_lines(run: RunView, *, paused: bool) -> Iterator[str]:
    if run.ended is not None:
        parts = [f"{run.run} {run.state} {when(run.ended)}"]
    elif paused:
        parts = [f"{run.run} paused, begun {when(run.began)}"]
    else:
        parts = [f"{run.run} {run.state} since {when(run.began)}"]
    if run.round is not None:
        parts.append(f"round {run.round}")
    parts += [f"{count} {_STATES.get(state, state)}" for state, count in run.messages.items()]
    yield ", ".join(parts) + (f": {run.reason}" if run.reason else "")
    for awaited in run.awaited:
        why = "it has published no key yet" if awaited.no_key else "it has not answered"
        number = "" if awaited.requests == 1 else f" ({awaited.requests} requests)"
        yield f"   waiting for {awaited.email} since {when(awaited.since)}: {why}{number}"


def _key_state(entry: Entry) -> str:
    if entry.revoked:
        state = "revoked"
    elif entry.verified is not None:
        state = f"verified {when(entry.verified)}"
    else:
        state = f"pinned {when(entry.pinned)}, never compared"
    if entry.offered is not None:
        state += f"; it now shows {entry.offered.words}, which is refused"
    return state


def _more(label: str, count: int, what: str) -> Iterator[tuple[str, str]]:
    if count > SHOWN:
        yield label, f"and {count - SHOWN} more {what}; --json shows them all"
