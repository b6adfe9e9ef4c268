"""HTML made of elements: text is escaped where it goes in, so that nothing of an app, a peer or a form is ever markup.

`el` takes children that are text or `Html`; only what `el` made is `Html`. Text is made visible (control characters and
characters that reorder what stands beside them are spelled out) and cut to a bound with a word that says so.
"""

from collections.abc import Iterable
from html import escape

from syft_flwr_cli.protocol.printable import visible

__all__ = ["Child", "Html", "el", "join", "text"]

MAX_TEXT = 2000
"""Characters of one text."""

_EMPTY = frozenset({"input", "meta", "link", "br", "hr", "col"})


class Html(str):
    """Markup that `el` made."""

    __slots__ = ()


Child = str | Html | None | Iterable["Child"]


def text(value: object, limit: int = MAX_TEXT, keep: str = "\t\n") -> Html:
    """Foreign text: visible, cut, escaped."""
    plain = str(value)
    cut = plain if len(plain) <= limit else f"{plain[: limit - 1]}…"
    return Html(escape(visible(cut, keep=keep), quote=True))


def el(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """An element; an attribute that is None or False is left out, ``class_`` and ``for_`` lose their underscore.

    In names ``_`` stands for ``-``. Names come from this package only.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _EMPTY:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """Children one after the other."""
    parts = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(text(child))
        else:
            parts.append(join(child))
    return Html("".join(parts))


def _attribute(key: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{text(value, 8000, keep="")}"'
