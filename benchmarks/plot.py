"""The plot of docs/benchmarks.md, as an SVG: seconds per round over the model's size, both on a logarithmic scale.

One panel for each number of data owners, one line for each engine, a bar from the fastest to the slowest
warm round at each point. Plain text, no library; readable on white and on black.
"""

import math
from collections.abc import Sequence
from html import escape

from benchmarks.rounds import Series

__all__ = ["draw"]

ENGINES = {
    "flower": ("Flower's deployment engine", "#d9730d"),
    "syft-flwr": ("syft-flwr, sealed", "#2563eb"),
    "floor": ("the same bytes, plain files", "#8b8b8b"),
}
PANEL, HEIGHT, LEFT, TOP, GAP = 360, 300, 64, 64, 40


def draw(series: Sequence[Series]) -> str:
    """The SVG of all series whose number of owners was measured with more than one size."""
    by_owners: dict[int, list[Series]] = {}
    for each in series:
        by_owners.setdefault(each.owners, []).append(each)
    panels = {n: found for n, found in sorted(by_owners.items()) if len({s.size for s in found}) > 1}
    shown = [each for found in panels.values() for each in found]
    if not shown:
        return ""
    low = 10.0 ** math.floor(math.log10(min(min(s.warm) for s in shown)))
    high = 10.0 ** math.ceil(math.log10(max(max(s.warm) for s in shown)))
    sizes = sorted({s.size for s in shown})
    width = LEFT + len(panels) * (PANEL + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT + TOP + 64}" '
        f'viewBox="0 0 {width} {HEIGHT + TOP + 64}" font-family="system-ui, sans-serif" font-size="13">',
        "<title>Seconds per round</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    parts += _legend()
    for index, (owners, found) in enumerate(panels.items()):
        parts += _panel(LEFT + index * (PANEL + GAP), owners, found, sizes, low, high, index == 0)
    return "\n".join([*parts, "</svg>", ""])


def _legend() -> list[str]:
    parts, x = [], LEFT
    for label, colour in ENGINES.values():
        parts.append(f'<line x1="{x}" y1="20" x2="{x + 22}" y2="20" stroke="{colour}" stroke-width="3"/>')
        parts.append(_text(x + 28, 24, label))
        x += 60 + 7 * len(label)
    return parts


def _panel(
    left: float,
    owners: int,
    found: Sequence[Series],
    sizes: Sequence[float],
    low: float,
    high: float,
    first: bool,
) -> list[str]:
    def across(size: float) -> float:
        return left + (sizes.index(size) + 0.5) * PANEL / len(sizes)

    def down(seconds: float) -> float:
        return TOP + HEIGHT * (1 - math.log10(seconds / low) / math.log10(high / low))

    parts = [_text(left + PANEL / 2, TOP - 12, f"{owners} data owners", middle=True, bold=True)]
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        y = down(10.0**power)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + PANEL}" y2="{y:.1f}" stroke="#e2e2e2"/>')
        if first:
            label = f"{10.0**power:g} s" if power >= 0 else f"{10.0 ** (power + 3):g} ms"
            parts.append(
                f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#333333">{label}</text>'
            )
    for size in sizes:
        parts.append(
            _text(across(size), TOP + HEIGHT + 22, "nothing" if size == 0 else f"{size:g} MB", middle=True)
        )
    parts.append(_text(left + PANEL / 2, TOP + HEIGHT + 46, "size of the model", middle=True))
    for engine, (_, colour) in ENGINES.items():
        line = sorted((s for s in found if s.engine == engine), key=lambda s: s.size)
        points = [(across(s.size), s) for s in line]
        path = " ".join(f"{x:.1f},{down(s.median):.1f}" for x, s in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, s in points:
            span = f'y1="{down(min(s.warm)):.1f}" x2="{x:.1f}" y2="{down(max(s.warm)):.1f}"'
            parts.append(f'<line x1="{x:.1f}" {span} stroke="{colour}" stroke-width="5" opacity="0.35"/>')
            parts.append(f'<circle cx="{x:.1f}" cy="{down(s.median):.1f}" r="4" fill="{colour}"/>')
            beside = 20 if engine == "floor" else -11
            parts.append(_text(x, down(s.median) + beside, _short(s.median), middle=True, colour=colour))
    return parts


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def _text(
    x: float, y: float, text: str, *, middle: bool = False, bold: bool = False, colour: str = "#333333"
) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{anchor}{weight} fill="{colour}">{escape(text)}</text>'
