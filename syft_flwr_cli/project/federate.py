"""The one change this system makes to a ``pyproject.toml``: from text to text, and nothing else moves.

Three places change: the table ``[tool.syft_flwr]``, its table ``fingerprints`` where some are given, and one entry
of ``[project] dependencies``. Comments,
order, spacing, line ends and every other byte stay. The result is parsed again and compared with what it
has to say before it is returned; a file written in a way that cannot be edited so is refused with the
lines to add by hand. Pure: no disk, no clock.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from syft_flwr_cli.errors import NotAProjectError
from syft_flwr_cli.project.toml_places import STRING, sections

__all__ = ["federate", "without_dependency"]

_TOKEN = re.compile(rf"(?:{STRING})|(?P<comment>#[^\r\n]*)|(?P<comma>,)", re.DOTALL)
_TABLE = ("tool", "syft_flwr")
_FINGERPRINTS = (*_TABLE, "fingerprints")
_PROJECT = ("project",)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def federate(
    text: str,
    *,
    app_name: str,
    aggregator: str,
    datasites: Sequence[str],
    transport: str,
    dependency: str | None = None,
    fingerprints: Mapping[str, str] | None = None,
) -> str:
    """Return ``text`` with ``[tool.syft_flwr]`` saying this, and ``dependency``, if any, among the dependencies.

    Applying it twice is the same as applying it once. Keys of the table that are not named here stay; a
    dependency on the same distribution stays as it is, whatever its range, and a project whose dependencies
    are ``dynamic`` is left to whatever computes them.

    Parameters
    ----------
    text : str
        A valid ``pyproject.toml``, with its line ends as they are on disk.
    app_name, aggregator, datasites, transport
        The values of the table, checked by the caller.
    dependency : str, optional
        A PEP 508 requirement, such as ``flwr>=1.40``.
    fingerprints : Mapping[str, str], optional
        The keys to pin, by e-mail; others that stand there stay.

    Raises
    ------
    NotAProjectError
        If the file cannot be changed without disturbing the rest; the hint holds the lines to add by hand.
    """
    values: dict[str, Any] = {
        "app_name": app_name,
        "datasites": list(datasites),
        "aggregator": aggregator,
        "transport": transport,
    }
    newline = "\r\n" if text.count("\r\n") == text.count("\n") > 0 else "\n"
    pinned = dict(sorted((fingerprints or {}).items()))
    by_hand = NotAProjectError(
        "This pyproject.toml is written in a way that cannot be changed without disturbing the rest of it.",
        hint=(f"Add {dependency!r} to [project] dependencies, and by hand:" if dependency else "Add by hand:")
        + f"\n{_lines(_TABLE, values, chr(10))}"
        + (_lines(_FINGERPRINTS, pinned, chr(10)) if pinned else ""),
    )
    try:
        after = _with_table(_with_dependency(text, dependency, newline), _TABLE, values, newline)
        if pinned:
            after = _with_table(after, _FINGERPRINTS, pinned, newline)
        meant = tomllib.loads(after) == _meaning(text, values, dependency, pinned)
    except (TOMLKitError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise by_hand from error
    if not meant:
        raise by_hand
    return after


def _lines(path: Sequence[str], values: dict[str, Any], newline: str) -> str:
    table = tomlkit.table()
    for key, value in values.items():
        table[key] = value
    return (f"[{'.'.join(path)}]\n" + tomlkit.dumps(table)).replace("\n", newline)


def _meaning(
    text: str, values: dict[str, Any], dependency: str | None, pinned: dict[str, str]
) -> dict[str, Any]:
    """What the changed file has to say."""
    meaning = tomllib.loads(text)
    table = meaning.setdefault("tool", {}).setdefault("syft_flwr", {})
    table.update(values)
    if pinned:
        table.setdefault("fingerprints", {}).update(pinned)
    if dependency is not None and _lacks(meaning, dependency):
        meaning["project"].setdefault("dependencies", []).append(dependency)
    return meaning


def _lacks(document: dict[str, Any], dependency: str) -> bool:
    project = document.get("project", {})
    if "dependencies" in project.get("dynamic", []):
        return False
    return _distribution(dependency) not in [_distribution(item) for item in project.get("dependencies", [])]


def _distribution(requirement: Any) -> str:
    match = _REQUIREMENT.match(requirement) if isinstance(requirement, str) else None
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""


def _edited(piece: str, path: Sequence[str], values: dict[str, Any], newline: str) -> str:
    """``piece``, whole statements of TOML, with the table at ``path`` changed where it differs."""
    document = tomlkit.parse(piece)
    if tomlkit.dumps(document) != piece:
        raise ValueError("tomlkit would write this piece differently")
    table: Any = document
    for name in path:
        if name not in table:
            table[name] = tomlkit.inline_table()
        table = table[name]
    for key, value in values.items():
        if key not in table or table[key] != value:
            table[key] = value
    after = tomlkit.dumps(document)
    return re.sub(r"(?<!\r)\n", newline, after) if newline == "\r\n" else after


def _with_table(text: str, path: tuple[str, ...], values: dict[str, Any], newline: str) -> str:
    """``text`` with the table at ``path`` saying ``values``; what holds the table, or part of it, is edited whole."""
    for section in sections(text):
        here = section.path
        inside = len(here) < len(path) and any(item.path[: len(path)] == path for item in section.statements)
        above = [
            item for item in section.statements if item.path in (path[:depth] for depth in range(len(path)))
        ]
        if here == path or inside or above:
            alone = above if not here else []  # what stands without a header may be most of the file
            start, last = (alone[0].start, alone[0].end) if alone else (section.start, section.last)
            end = _line_end(text, last)
            return text[:start] + _edited(text[start:end], path, values, newline) + text[end:]
    # A table at the end of the file is always well-formed and disturbs nothing.
    gap = "" if text.endswith("\n") else newline
    return f"{text}{gap}{newline}{_lines(path, values, newline)}"


def _with_dependency(text: str, dependency: str | None, newline: str) -> str:
    if dependency is None or not _lacks(tomllib.loads(text), dependency):
        return text
    for section in sections(text):
        for item in section.statements:
            if item.path == (*_PROJECT, "dependencies"):
                array = _appended(text[item.value_start : item.end], dependency, newline)
                return text[: item.value_start] + array + text[item.end :]
            if item.path == _PROJECT:
                known = tomllib.loads(text)["project"].get("dependencies", [])
                end = _line_end(text, item.end)
                values = {"dependencies": [*known, dependency]}
                return (
                    text[: item.start]
                    + _edited(text[item.start : end], _PROJECT, values, newline)
                    + text[end:]
                )
    for section in sections(text):
        dotted = [item.end for item in section.statements if item.path[:1] == _PROJECT]
        if section.path == _PROJECT or (section.path == () and dotted):
            end = _line_end(text, section.last if section.path else dotted[-1])
            gap = "" if text[:end].endswith("\n") else newline
            line = f'{"" if section.path else "project."}dependencies = ["{dependency}"]'
            return f"{text[:end]}{gap}{line}{newline}{text[end:]}"
    raise ValueError("no [project] table")


def without_dependency(text: str, distribution: str) -> str:
    """``text`` without the dependencies on a distribution; as it is if there are none.

    Raises
    ------
    NotAProjectError
        If one cannot be taken out without disturbing the rest.
    """
    listed = tomllib.loads(text).get("project", {}).get("dependencies", [])
    kept = [item for item in listed if _distribution(item) != distribution]
    if kept == listed:
        return text
    for section in sections(text):
        for item in section.statements:
            if item.path != (*_PROJECT, "dependencies"):
                continue
            piece = tomlkit.parse("x = " + text[item.value_start : item.end])
            array: Any = piece["x"]
            for index in reversed(range(len(listed))):
                if listed[index] not in kept:
                    del array[index]
            after = text[: item.value_start] + tomlkit.dumps(piece).removeprefix("x = ") + text[item.end :]
            meaning = tomllib.loads(text)
            meaning["project"]["dependencies"] = kept
            if tomllib.loads(after) == meaning:
                return after
    raise NotAProjectError(
        f"The dependency on {distribution} cannot be taken out without disturbing the rest of pyproject.toml.",
        hint=f"Take the line with {distribution} out of [project] dependencies by hand.",
    )


def _line_end(text: str, place: int) -> int:
    line = text.find("\n", place)
    return len(text) if line < 0 else line + 1


def _appended(array: str, dependency: str, newline: str) -> str:
    """The TOML array ``array`` with one more text at its end, in the style of the one before."""
    item = f'"{dependency}"'
    last: re.Match[str] | None = None
    comma: re.Match[str] | None = None
    for token in _TOKEN.finditer(array, 1):
        if token["comma"]:
            comma = token
        elif token["comment"] is None:
            last, comma = token, None
    if last is None:
        cut = array.rfind("\n") + 1  # only comments and line ends stand between the brackets
        return f"{array[:cut]}    {item},{newline}{array[cut:]}" if cut else f"[{item}{array[1:]}"
    line = array.rfind("\n", 0, last.start()) + 1
    indent = array[line : last.start()]
    own_line = line > 0 and not indent.strip()
    end = comma.end() if comma else last.end()
    if not own_line:
        addition = f"{'' if comma else ','} {item}{',' if comma else ''}"
        return array[:end] + addition + array[end:]
    head = array[:end] + ("" if comma else ",")
    rest = array[end:]
    comment = re.match(r"[ \t]*#[^\r\n]*", rest)  # what is said about the last entry stays on its line
    if comment:
        head, rest = head + comment[0], rest[comment.end() :]
    return f"{head}{newline}{indent}{item}{',' if comma else ''}{rest}"
