"""A file's text as HTML with line numbers, highlighted on the server by CSS classes (Pygments finds the tokens).

Bounded: beyond `MAX_HIGHLIGHTED` bytes a file is shown without colours, beyond `MAX_SHOWN` it is cut, with a sentence
that says so: what is not shown must not look as if it were not there.
"""

from pathlib import Path

from syft_flwr_cli.ui.desk.html import Html, el, join, text

__all__ = ["show_diff", "show_file"]

MAX_HIGHLIGHTED = 200_000
MAX_SHOWN = 1_000_000
MAX_DIFF_LINES = 5000
MAX_LINE = 4000


def show_file(path: str, place: Path) -> Html:
    """The file at ``place``, which the project calls ``path``."""
    with place.open("rb") as stream:
        data = stream.read(MAX_SHOWN + 1)
    size = place.stat().st_size
    if b"\0" in data[:8192]:
        return el("p", f"Not text: {size:,} bytes that nobody can read here. Ask what it is.", class_="warn")
    source = data[:MAX_SHOWN].decode("utf-8", errors="backslashreplace")
    cut = (
        el("p", f"Only the first {MAX_SHOWN:,} of {size:,} bytes are shown.", class_="warn")
        if len(data) > MAX_SHOWN
        else None
    )
    return join([cut, _lines(_tokens(path, source) if len(source) <= MAX_HIGHLIGHTED else [("", source)])])


def show_diff(lines: tuple[str, ...]) -> Html:
    """A unified diff, as `consent.review.unified_diff` makes it."""
    rows = []
    for line in lines[:MAX_DIFF_LINES]:
        kind = "head" if line.startswith(("+++", "---", "mode of ")) else _SIDES.get(line[:1], "")
        rows.append(el("span", text(line, MAX_LINE), "\n", class_=f"d {kind}".strip()))
    more = len(lines) - MAX_DIFF_LINES
    return join(
        [
            el("pre", el("code", rows), class_="code", tabindex=0, role="region", aria_label="Changes"),
            el("p", f"{more:,} more lines are not shown.", class_="warn") if more > 0 else None,
        ]
    )


_SIDES = {"+": "added", "-": "removed", "@": "place"}


def _tokens(path: str, source: str) -> list[tuple[str, str]]:
    from pygments.lexers import get_lexer_for_filename
    from pygments.token import STANDARD_TYPES
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_for_filename(path, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return [("", source)]
    found = []
    for kind, value in lexer.get_tokens(source):
        while kind not in STANDARD_TYPES:
            kind = kind.parent
        found.append((STANDARD_TYPES[kind], value))
    return found


def _lines(tokens: list[tuple[str, str]]) -> Html:
    lines: list[list[Html]] = [[]]
    for kind, value in tokens:
        first, *rest = value.split("\n")
        _add(lines[-1], kind, first)
        for part in rest:
            lines.append([])
            _add(lines[-1], kind, part)
    if lines and not lines[-1]:
        lines.pop()
    rows = [
        el("span", el("span", str(number), class_="ln", aria_hidden="true"), line, "\n", id=f"L{number}")
        for number, line in enumerate(lines, 1)
    ]
    return el(
        "pre", el("code", rows), class_="code", tabindex=0, role="region", aria_label="Text of the file"
    )


def _add(line: list[Html], kind: str, value: str) -> None:
    if value:
        shown = text(value, MAX_LINE)
        line.append(el("span", shown, class_=kind) if kind else shown)
