"""What every page of the desk has: head, navigation, a notice, forms with their token, tables that may be wide."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from syft_flwr_cli.ui.desk.html import Child, Html, el

__all__ = ["Frame", "Notice", "counted", "facts", "size", "table", "tag", "when"]

_PAGES = (("/", "Projects"), ("/runs", "Runs"), ("/keys", "Keys"), ("/evidence", "Evidence"))


@dataclass(frozen=True, slots=True)
class Notice:
    """What came of the last action: ``kind`` is ``good``, ``warn`` or ``bad``."""

    kind: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """Makes whole pages; ``token`` gives the token of a form by its action."""

    email: str
    token: Callable[[str], str]
    notice: Notice | None = None

    def page(self, title: str, *content: Child, current: str = "") -> str:
        """A whole page."""
        links = (
            el("a", name, href=href, aria_current="page" if href == current else None)
            for href, name in _PAGES
        )
        head = el(
            "head",
            el("meta", charset="utf-8"),
            el("meta", name="viewport", content="width=device-width,initial-scale=1"),
            el("title", f"{title[:80]} · syft-flwr desk"),
            el("link", rel="icon", href="data:,"),
            el("link", rel="stylesheet", href="/style.css"),
            el("script", src="/desk.js", defer=True),
        )
        body = el(
            "body",
            el("a", "Skip to the content", class_="skip", href="#content"),
            el(
                "header",
                el(
                    "div",
                    el("b", "syft-flwr desk"),
                    el("nav", links, aria_label="Pages"),
                    el("span", self.email, class_="who"),
                ),
            ),
            el("main", self._noticed(), el("h1", title[:200]), *content, id="content"),
        )
        return f"<!doctype html>{el('html', head, body, lang='en')}\n"

    def form(self, action: str, *content: Child) -> Html:
        """A form that posts to ``action``."""
        hidden = el("input", type="hidden", name="token", value=self.token(action))
        return el("form", hidden, *content, method="post", action=action)

    def button(self, action: str, label: str, kind: str = "") -> Html:
        """A form that is one button."""
        return self.form(action, el("button", label, class_=kind or None))

    def _noticed(self) -> Html | None:
        if self.notice is None:
            return None
        words = {"good": "Done: ", "warn": "Note: ", "bad": "This did not work: "}[self.notice.kind]
        hint = el("p", self.notice.hint) if self.notice.hint else None
        return el(
            "div",
            el("p", el("strong", words), self.notice.what),
            hint,
            class_=f"note {self.notice.kind}",
            role="status",
        )


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """Names and values."""
    return el("dl", ((el("dt", name), el("dd", value)) for name, value in pairs))


def table(label: str, heads: Sequence[str], rows: Iterable[Sequence[Child]], numbers: frozenset[int]) -> Html:
    """A table that scrolls sideways where it must; ``numbers`` are the columns that hold them."""

    def style(place: int) -> str | None:
        return "num" if place in numbers else None

    # On a narrow screen the style sheet makes blocks of the rows; the roles keep them a table for screen readers.
    head = el(
        "tr", (el("th", name, scope="col", class_=style(n)) for n, name in enumerate(heads)), role="row"
    )

    def cell(place: int, content: Child) -> Html:
        return el("td", content, class_=style(place), role="cell", data_label=heads[place])

    body = [el("tr", (cell(n, one) for n, one in enumerate(row)), role="row") for row in rows]
    inner = el("table", el("thead", head, role="rowgroup"), el("tbody", body, role="rowgroup"), role="table")
    return el("div", inner, class_="wide", tabindex=0, role="region", aria_label=label)


def tag(kind: str, word: str) -> Html:
    """A state in a word, with a colour besides."""
    return el("span", word, class_=f"tag {kind}")


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def when(seconds: float) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def counted(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
