"""Where the statements of a TOML text stand, so that one of them can be changed and no other byte moves.

TOML writers that keep comments are good at small pieces and not always exact on whole files; this module
finds the piece. It expects valid TOML (parse it first) and knows the lexical part of TOML 1.0 only:
comments, strings, brackets, keys and headers. Pure.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["STRING", "Section", "Statement", "sections"]

STRING = (  # a run of up to five quotes closes a long string: two may belong to its text
    r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}'
    r'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\''
)
"""A regular expression for a TOML string; compile it with re.DOTALL."""

_TOKEN = re.compile(
    rf"(?:{STRING})|(?P<open>[\[{{])|(?P<close>[\]}}])|(?P<comment>#[^\r\n]*)|(?P<line>\r?\n)", re.DOTALL
)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_QUOTED = re.compile(STRING, re.DOTALL)


@dataclass(frozen=True, slots=True)
class Statement:
    """``key = value``: its whole path in the document and the offsets of both in the text."""

    path: tuple[str, ...]
    start: int
    value_start: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """A header and what stands under it, up to the next header; the first section has no header.

    ``last`` is where its last statement ends (or its header). Comments that follow lie behind it: to which
    section they belong nobody can tell.
    """

    path: tuple[str, ...]
    start: int
    last: int
    statements: tuple[Statement, ...]


def sections(text: str) -> list[Section]:
    """All sections of ``text`` in order."""
    found: list[Section] = []
    path: tuple[str, ...] = ()
    start = last = place = 0
    statements: list[Statement] = []
    while True:
        place = _end_of(_BLANK, text, place)
        if place >= len(text) or text[place] == "[":
            found.append(Section(path, start, last, tuple(statements)))
            if place >= len(text):
                return found
            brackets = 2 if text.startswith("[[", place) else 1
            start, statements = place, []
            last = _key_end(text, place + brackets, "]")
            path = _key(text[place + brackets : last])
            place = last = last + brackets
        else:
            equals = _key_end(text, place, "=")
            value = _end_of(_SPACE, text, equals + 1)
            last = _value_end(text, value)
            statements.append(Statement(path + _key(text[place:equals]), place, value, last))
            place = last


def _end_of(pattern: re.Pattern[str], text: str, place: int) -> int:
    match = pattern.match(text, place)
    return match.end() if match else place


def _key_end(text: str, place: int, stop: str) -> int:
    """Where the key that starts at ``place`` is followed by ``stop`` outside of quotes."""
    while text[place] != stop:
        quoted = _QUOTED.match(text, place)
        place = quoted.end() if quoted else place + 1
    return place


def _key(text: str) -> tuple[str, ...]:
    def walk(table: Any) -> Iterator[str]:
        while isinstance(table, dict):
            (name,) = table
            yield name
            table = table[name]

    return tuple(walk(tomllib.loads(f"{text.strip()} = 0")))


def _value_end(text: str, start: int) -> int:
    depth, end = 0, len(text)
    for token in _TOKEN.finditer(text, start):
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
        elif depth == 0 and (token["line"] or token["comment"] is not None):
            end = token.start()
            break
    return start + len(text[start:end].rstrip())
