"""Drawing of the live view: a state as lines of text for a terminal of so many columns and rows.

Pure: nothing is written and no clock is asked. Every line fits the width (what is longer is cut with an ellipsis, so
nothing wraps), all together fit the height, and whatever somebody else named is escaped.
"""

from collections.abc import Sequence
from time import localtime, strftime

from rich.cells import set_cell_size
from rich.text import Text

from syft_flwr_cli.events.base import lasting
from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.ui.live.state import FIRST, LiveState, OwnerRow, RoundRow, WorkRow
from syft_flwr_cli.ui.rounds import size_text

__all__ = ["draw", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_STYLES = {
    "answered": "green",
    "error": "red",
    "refused": "red",
    "absent": "yellow",
    "key": "yellow",
    "failed": "bold red",
    "finished": "bold green",
    "paused": "bold yellow",
    "stopped": "yellow",
}
_PATIENT = 120.0
"""Seconds after which a data owner that has not answered is called away."""
_DIGITS = 8
"""Of a run's id; every command takes its beginning for the whole."""


def draw(state: LiveState, now: float, width: int, height: int) -> list[Text]:
    """The view at the moment ``now`` (seconds since 1970), at most ``height`` lines of ``width`` columns."""
    width, height = max(20, width), max(4, height)
    lines = [_head(state, now)]
    if state.reason and state.state in ("failed", "stopped", "paused"):
        lines.append(Text(f"  {state.reason}", _STYLES.get(state.state, "")))
    curves = _curves(state, width)
    work = [_work(row, now) for row in list(state.work.values())[-max(1, height // 3) :]]
    if state.owners:
        room = max(1, min(len(state.owners), (height - len(lines) - len(curves)) // 2))
        lines += _owners(state, now, room)
    lines += work
    if not work and not state.owners:
        lines += [
            Text(f"  {app}  serves {aggregator}")
            for app, aggregator in list(state.apps.items())[: height // 3]
        ]
    lines += curves
    if state.rounds:
        room = max(1, (height - len(lines) - 1) * (3 if not state.recent else 2) // 3)
        lines += _rounds(state, room)
    room = height - len(lines)
    lines += [
        Text.assemble((strftime("  %H:%M:%S ", localtime(moment)), "dim"), sentence.replace("\n", " "))
        for moment, sentence in list(state.recent)[-room:]
        if room > 0
    ]
    return [_fitted(line, width) for line in lines[:height]]


def _head(state: LiveState, now: float) -> Text:
    parts = [state.title]
    if state.run:
        parts.append(f"run {state.run[:_DIGITS]}")
    if (number := state.app_round or _latest(state)) or state.planned:
        total = f" of {state.planned}" if state.planned else ""
        parts.append(f"round {max(1, number)}{total}")
    head = Text("  ".join(parts), "bold")
    if state.state:
        head.append("  ")
        head.append(state.state, _STYLES.get(state.state, "cyan"))
    if state.began is not None:
        head.append(f"  {lasting((state.ended or now) - state.began)}", "dim")
    if (left := _left(state, now)) is not None:
        head.append(f", about {lasting(left)} left", "dim")
    if written := state.spent.get("bytes_written"):
        head.append(f"  {size_text(written)} written", "dim")
    return head


def _latest(state: LiveState) -> int:
    return state.rounds[-1].number if state.rounds else 0


def _left(state: LiveState, now: float) -> float | None:
    """Seconds left, from how long the rounds took that are over; None where that is not known."""
    number = state.app_round or _latest(state)
    if state.state != "running" or not state.planned or len(state.rounds) < 2 or number > state.planned:
        return None
    starts = [min(phase.began for phase in row.phases.values()) for row in state.rounds if row.phases]
    each = (starts[-1] - starts[0]) / (len(starts) - 1)
    waited = now - starts[-1]
    if waited > 2 * each:  # somebody is away: how long the others take says nothing
        return None
    return max(0.0, each * (state.planned - number + 1) - waited)


def _owners(state: LiveState, now: float, room: int) -> list[Text]:
    ranks = ("refused", "error", "absent", "key", "sent", "asked", "idle", "answered")
    rows = list(state.owners.items())
    shown = rows
    if len(rows) > room:  # those whom somebody should see to come first
        shown = sorted(rows, key=lambda item: ranks.index(item[1].status))[: max(1, room - 1)]
    size = min(34, max((len(visible(email)) for email, _ in shown), default=0))
    lines = []
    for email, row in shown:
        mark, said, style = _status(row, now, state.ended)
        line = Text(f"  {mark} ", style)
        line.append(set_cell_size(_shortened(visible(email), size), size))
        line.append(f"  {said}", style)
        if row.data in ("mock", "none"):
            line.append(f"  ({'mock data' if row.data == 'mock' else 'without data'})", "dim")
        lines.append(line)
    if len(rows) > len(shown):
        counts: dict[str, int] = {}
        for _, row in rows:
            counts[row.status] = counts.get(row.status, 0) + 1
        told = ", ".join(f"{count} {_WORDS[name]}" for name, count in sorted(counts.items()))
        lines.append(Text(f"  … {len(rows)} data owners: {told}", "dim"))
    return lines


_WORDS = {
    "idle": "not asked",
    "key": "without a key",
    "asked": "being asked",
    "sent": "awaited",
    "answered": "answered",
    "error": "with an error",
    "refused": "refused",
    "absent": "away",
}


def _status(row: OwnerRow, now: float, ended: float | None) -> tuple[str, str, str]:
    """A sign, a phrase and a style for a data owner."""
    waited = max(0.0, (ended or now) - row.since)
    style = _STYLES.get(row.status, "")
    match row.status:
        case "key":
            return "?", f"awaiting its key {lasting(waited)}", style
        case "asked":
            return "·", "being asked", style
        case "sent" if waited < _PATIENT:
            return "›", f"sent, awaited {lasting(waited)}", "cyan"
        case "sent":
            return "!", f"away {lasting(waited)}", "yellow"
        case "answered":
            return "✓", "answered", style
        case "error":
            return "✗", f"error: {row.detail}", style
        case "refused":
            return "✗", f"refused: {row.detail}", style
        case "absent":
            return "!", f"away {lasting(waited)}; going on without", style
        case _:
            return "·", "not asked yet", "dim"


def _work(row: WorkRow, now: float) -> Text:
    number = f", round {row.round}" if row.round is not None else ""
    line = Text(f"  run {row.run[:_DIGITS]}{number}  ")
    if row.ended:
        line.append(f"over: {row.ended}", "dim")
    elif row.since is not None:
        line.append(f"working on {row.what} {lasting(max(0.0, now - row.since))}", "cyan")
    else:
        line.append(f"waiting {lasting(max(0.0, now - row.seen))}", "dim")
    line.append(f"  {row.answered} answered")
    if row.errors:
        line.append(f", {row.errors} errors", "red")
    return line


def _curves(state: LiveState, width: int) -> list[Text]:
    curves = {name: values for name, values in state.curves().items() if len(values) > 1}
    chosen = sorted(curves, key=lambda name: (not any(word in name for word in FIRST), name))[:3]
    size = min(24, max((len(visible(name)) for name in chosen), default=0))
    room = max(8, min(60, width - size - 30))
    return [
        Text.assemble(
            f"  {set_cell_size(_shortened(visible(name), size), size)}  ",
            (sparkline(curves[name], room), "cyan"),
            f"  {curves[name][-1]:.4g}",
            (f" (first {curves[name][0]:.4g})", "dim"),
        )
        for name in chosen
    ]


def _rounds(state: LiveState, room: int) -> list[Text]:
    shown = list(state.rounds)[-room:]
    return [_round(row, state) for row in shown]


def _round(row: RoundRow, state: LiveState) -> Text:
    line = Text(f"  round {row.number:>3} ")
    for name, phase in row.phases.items():
        done = len(phase.answered | phase.came)
        style = "yellow" if phase.failed else ""
        line.append(f" {name} {done}/{len(phase.asked)} {max(0.0, phase.last - phase.began):.1f} s ", style)
    means = state.means(row)
    more = max((phase.means.more for phase in row.phases.values()), default=0)
    for name in sorted(means, key=lambda one: (not any(word in one for word in FIRST), one))[:4]:
        line.append(f" {_shortened(visible(name), 20)} {means[name]:.4g}")
    extra = len(means) - 4 + more
    if extra > 0:
        line.append(f" and {extra} more", "dim")
    return line


def sparkline(values: Sequence[float], room: int) -> str:
    """The latest ``room`` values as bars, the lowest and the highest of them as the ends of the scale."""
    shown = list(values)[-room:]
    low, high = min(shown), max(shown)
    span = high / 2 - low / 2
    if not span:
        return _BARS[3] * len(shown)
    top = len(_BARS) - 1
    return "".join(_BARS[round(top * ((one / 2 - low / 2) / span))] for one in shown)


def _shortened(text: str, size: int) -> str:
    return text if len(text) <= size else text[: max(1, size - 1)] + "…"


def _fitted(line: Text, width: int) -> Text:
    """A line with nothing in it that a terminal would obey, cut to the width at the end of a word where one is near."""
    fitted = Text(no_wrap=True, overflow="crop")  # it fits: nobody need look where it could be wrapped
    for segment in line.divide(sorted({edge for span in line.spans for edge in (span.start, span.end)})):
        style = segment.spans[0].style if segment.spans else ""
        fitted.append(visible(segment.plain, keep=""), style or line.style)
    if fitted.cell_len > width:
        fitted.truncate(width, overflow="ellipsis")
        at = fitted.plain.rfind(" ")
        if width - at < 16 and at > 0:
            fitted.truncate(at + 1)
            fitted.append("…")
    return fitted
