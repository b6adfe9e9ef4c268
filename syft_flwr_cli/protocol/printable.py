"""Text of others as a terminal may show it. Imports next to nothing: every command needs it."""

import re
import unicodedata

__all__ = ["first_line", "is_hidden", "shortened", "visible", "without_sequences"]

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))

_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""Letters, marks and signs that have no shape of their own: those of Unicode's Default_Ignorable_Code_Point
(DerivedCoreProperties) that are in none of the categories above, and the blank of Braille. Some may stand in a name of
Python's."""


def is_hidden(sign: str) -> bool:
    """Whether a character is obeyed or not shown, or reorders what stands beside it."""
    return unicodedata.category(sign) in _HIDDEN or sign in _BLANK


def visible(text: str, *, keep: str = "\t") -> str:
    """``text`` with every character spelled out that a terminal would obey, hide or reorder."""
    if (
        text.isascii() and text.isprintable()
    ):  # nearly all text is: this is asked for each line of each picture
        return text
    return "".join(
        sign if sign in keep or not is_hidden(sign) else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )


_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
"""Control sequences of a terminal (ECMA-48): CSI, OSC, and those of two characters."""


def without_sequences(text: str) -> str:
    """``text`` without the sequences that colour it or move the cursor; what remains is not made `visible` by this."""
    return _SEQUENCES.sub("", text)


def shortened(line: str, most: int = 2000) -> str:
    """A line that may be shown to a person: one that is longer than ``most`` characters is cut, and says so."""
    return line if len(line) <= most else f"{line[:most]}… ({len(line)} characters)"


def first_line(text: str) -> str:
    """The first line of what an app says went wrong, short and printable, whoever wrote it."""
    return visible(text.split("\n", 1)[0])[:300] or "without a word"
