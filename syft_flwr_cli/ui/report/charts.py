"""Line charts and a timeline as SVG text: no script, no style attribute, colours by class so that both schemes work.

Numbers that are none (NaN, infinity, text) are left out. Everything is bounded: lines, points, bars and the length of
names, so that no app can make a report that cannot be opened.
"""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from html import escape

from syft_flwr_cli.services.report_values import Span

__all__ = ["MAX_BARS", "MAX_LINES", "line_chart", "shown", "timeline"]

MAX_LINES = 8
"""Owners that get a line of their own colour in a chart."""

MAX_POINTS = 200
MAX_BARS = 1200
MAX_ROWS = 60
WIDTH, HEIGHT = 340, 180
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 12, 28


def shown(text: object, limit: int = 60) -> str:
    """Foreign text for HTML: unprintable characters made visible, cut, escaped."""
    plain = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in str(text)[: limit * 2])
    return escape(plain if len(plain) <= limit else plain[: limit - 1] + "…", quote=True)


def line_chart(name: str, overall: Mapping[int, float], owners: Mapping[str, Mapping[int, float]]) -> str:
    """One metric over the rounds: a strong line for all together, a thin one for each owner.

    Parameters
    ----------
    name : str
        The metric.
    overall, owners : mapping
        Values by round; owners by name. Values are finite.
    """
    everything = [value for line in (overall, *owners.values()) for value in line.values()]
    rounds = sorted({number for line in (overall, *owners.values()) for number in line})
    # In parts of the largest value: a data owner may write any number, and differences of the largest are none.
    scale = max(1.0, *(abs(value) for value in everything))
    low, high = min(everything) / scale, max(everything) / scale
    if high - low < 1e-12:
        margin = max(0.5 / scale, 1e-3)
        low, high = low - margin, high + margin
    first, last = rounds[0], max(rounds[-1], rounds[0] + 1)

    def x(number: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (number - first) / (last - first)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - value / scale) / (high - low)

    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{shown(name, 80)} by round">'
    ]
    for step in range(4):
        most = sys.float_info.max
        value = max(-most, min(most, (low + (high - low) * step / 3) * scale))
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y(value) + 3:.1f}" text-anchor="end">{_short(value)}</text>'
        )
    for number in _ticks(first, rounds[-1]):
        parts.append(_text("tick", x(number), HEIGHT - 10, "middle", str(number)))
    for place, (owner, line) in enumerate(list(owners.items())[:MAX_LINES]):
        parts.append(_line(f"owner c{place}", shown(owner), line, x, y))
    parts.append(_line("overall", "all together", overall, x, y))
    parts.append("</svg>")
    return "".join(parts)


def timeline(spans: Sequence[Span], restarts: Sequence[float], began: float, ended: float) -> str:
    """Every request of every owner as a bar from asking to answer, with restarts of the aggregator as lines."""
    owners = sorted({span.owner for span in spans})[:MAX_ROWS]
    row, left, width = 22, 150, 900
    length = max(ended - began, 0.001)
    height = TOP + row * len(owners) + 30

    def x(moment: float) -> float:
        return left + (width - left - 12) * min(max(moment - began, 0.0), length) / length

    parts = [
        f'<svg class="timeline" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="Requests of {len(owners)} data owners over time">'
    ]
    for place, owner in enumerate(owners):
        middle = TOP + row * place + row / 2
        parts.append(_text("label", left - 8, middle + 4, "end", shown(owner, 24)))
        parts.append(
            f'<line class="grid" x1="{left}" x2="{width - 12}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
        )
    for span in [one for one in spans if one.owner in owners][:MAX_BARS]:
        start, end = x(span.began), x(ended if span.ended is None else span.ended)
        top = TOP + row * owners.index(span.owner) + 4
        parts.append(
            f'<rect class="{span.kind} {_kind(span.phase)}" x="{start:.1f}" y="{top}" '
            f'width="{max(end - start, 1.0):.1f}" height="{row - 8}" rx="2">'
            f"<title>{shown(span.owner)}, round {span.round}, {shown(span.phase)}: {_words(span)}</title></rect>"
        )
    for moment in restarts:
        parts.append(
            f'<line class="restart" x1="{x(moment):.1f}" x2="{x(moment):.1f}" y1="{TOP - 6}" y2="{height - 26}">'
            "<title>the aggregator was started again</title></line>"
        )
    for step in range(5):
        moment = began + length * step / 4
        anchor = ("start", "middle", "middle", "middle", "end")[step]
        parts.append(_text("tick", x(moment), height - 8, anchor, _duration(length * step / 4)))
    parts.append("</svg>")
    return "".join(parts)


def _line(
    kind: str,
    title: str,
    values: Mapping[int, float],
    x: Callable[[int], float],
    y: Callable[[float], float],
) -> str:
    numbers = sorted(values)
    if len(numbers) > MAX_POINTS:
        stride = math.ceil(len(numbers) / MAX_POINTS)
        numbers = sorted({*numbers[::stride], numbers[-1]})
    points = [(x(number), y(values[number])) for number in numbers]
    if not points:
        return ""
    if len(points) == 1:
        (left, top), mark = points[0], f"<title>{title}</title>"
        return f'<circle class="{kind}" cx="{left:.1f}" cy="{top:.1f}" r="2.5">{mark}</circle>'
    path = " ".join(f"{'L' if place else 'M'}{a:.1f} {b:.1f}" for place, (a, b) in enumerate(points))
    return f'<path class="{kind}" d="{path}"><title>{title}</title></path>'


def _text(kind: str, x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _ticks(first: int, last: int) -> list[int]:
    if last <= first:
        return [first]
    step = max(1, math.ceil((last - first) / 6))
    return list(range(first, last + 1, step))


def _short(value: float) -> str:
    return f"{value:.3g}"


def _kind(phase: str) -> str:
    return phase if phase in ("train", "evaluate", "query") else "other"


def _words(span: Span) -> str:
    if span.kind == "open" or span.ended is None:
        return "not answered"
    what = {"answer": "answered", "error": "an error", "absent": "absent"}.get(span.kind, span.kind)
    return f"{what} after {_duration(span.ended - span.began)}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return time.strftime("%M:%S", time.gmtime(seconds))
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d}"
