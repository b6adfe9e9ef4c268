"""The ``q`` of ``files.list``: the operators that we use, and a 400 for everything else.

Understood are ``'ID' in parents``, ``'EMAIL' in owners`` (several in brackets, with ``or``),
``name = ''``, ``mimeType = ''`` and ``!=``, ``trashed = true|false``, ``sharedWithMe`` and
``properties has { key='' and value='' }``, each possibly after ``not``, joined by ``and``. A query says
of itself whether Drive answers it from one folder's own list (at once) or from its search index (which
lags).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.testing.drive_emulator.problems import ApiError, bad_request

__all__ = ["Query", "parse_query"]

_TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|(!=|<=|>=|[=<>{}()])|([A-Za-z]+))")


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed ``q``."""

    tests: tuple[Callable[[Mapping[str, Any]], bool], ...]
    parents: tuple[str, ...]
    indexed: bool
    shared_with_me: bool

    def matches(self, file: Mapping[str, Any]) -> bool:
        """Whether a file resource (with all its fields, as this account sees it) is asked for."""
        return all(test(file) for test in self.tests)


def parse_query(text: str, me: str) -> Query:
    """Parse ``text`` as asked by the account ``me``.

    Raises
    ------
    ApiError
        400 for anything but the operators above.
    """
    return _Parser(text, me).parse() if text.strip() else Query((), (), True, False)


class _Parser:
    def __init__(self, text: str, me: str) -> None:
        self._text = text
        self._me = me
        self._tokens = self._tokenize()
        self._at = 0
        self._parents: list[str] = []
        self._indexed = True
        self._shared = False

    def _tokenize(self) -> list[str]:
        tokens, at = [], 0
        while at < len(self._text.rstrip()):
            found = _TOKEN.match(self._text, at)
            if not found:
                raise self._wrong()
            tokens.append(next(group for group in found.groups() if group is not None))
            at = found.end()
        return tokens

    def parse(self) -> Query:
        tests = [self._term()]
        while self._at < len(self._tokens):
            self._expect("and")
            tests.append(self._term())
        # Drive answers a listing of one folder from the folder; a name sends it to the search index.
        named = "name" in self._tokens
        return Query(tuple(tests), tuple(self._parents), named or len(self._parents) != 1, self._shared)

    def _term(self) -> Callable[[Mapping[str, Any]], bool]:
        if self._peek() == "not":
            self._at += 1
            inner = self._term()
            if self._parents or self._shared:
                raise self._wrong()
            return lambda file: not inner(file)
        token = self._next()
        if token == "(":
            return self._owners()
        if token.startswith("'"):
            return self._membership(_unquote(token))
        if token in ("name", "mimeType"):
            operator = self._next()
            value = _unquote(self._string())
            if operator == "=":
                return lambda file: file.get(token) == value
            if operator == "!=" and token == "mimeType":
                return lambda file: file.get(token) != value
        elif token == "trashed":
            self._expect("=")
            wanted = self._boolean()
            return lambda file: file.get("trashed", False) is wanted
        elif token == "sharedWithMe":
            if self._peek() == "=":
                self._at += 1
                if not self._boolean():
                    raise self._wrong()
            self._shared = True
            return lambda file: "sharedWithMeTime" in file
        elif token == "properties":
            return self._properties()
        raise self._wrong()

    def _owners(self) -> Callable[[Mapping[str, Any]], bool]:
        """``('a' in owners or 'b' in owners)``: the one place where we use ``or``."""
        tests = []
        while True:
            tests.append(self._membership(_unquote(self._string())))
            if self._parents:
                raise self._wrong()
            if (follow := self._next()) == ")":
                return lambda file: any(test(file) for test in tests)
            if follow != "or":
                raise self._wrong()

    def _membership(self, value: str) -> Callable[[Mapping[str, Any]], bool]:
        self._expect("in")
        field = self._next()
        if field == "parents":
            self._parents.append(value)
            return lambda file: True
        if field == "owners":
            owner = self._me if value == "me" else value.lower()
            return lambda file: any(one["emailAddress"] == owner for one in file.get("owners", ()))
        raise self._wrong()

    def _properties(self) -> Callable[[Mapping[str, Any]], bool]:
        for token in ("has", "{", "key", "="):
            self._expect(token)
        key = _unquote(self._string())
        for token in ("and", "value", "="):
            self._expect(token)
        value = _unquote(self._string())
        self._expect("}")
        return lambda file: file.get("properties", {}).get(key) == value

    def _boolean(self) -> bool:
        token = self._next()
        if token not in ("true", "false"):
            raise self._wrong()
        return token == "true"

    def _string(self) -> str:
        token = self._next()
        if not token.startswith("'"):
            raise self._wrong()
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise self._wrong()

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise self._wrong()
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _wrong(self) -> ApiError:
        return bad_request(f"Invalid Value (q = {self._text!r})", "invalid")


def _unquote(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1])
