"""Text of others as a terminal may show it. Imports next to nothing: every command needs it."""

import unicodedata

__all__ = ["first_line", "visible"]


def visible(text: str, *, keep: str = "\t") -> str:
    """``text`` with every character spelled out that a terminal would obey, hide or reorder."""
    return "".join(
        sign
        if sign in keep or unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


def first_line(text: str) -> str:
    """The first line of what an app says went wrong, short and printable, whoever wrote it."""
    return visible(text.split("\n", 1)[0])[:300] or "without a word"
