"""Whatever a pyproject.toml looks like, federating it changes its own places and no other byte."""

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from syft_flwr_cli.project.federate import federate

VALUES: dict[str, Any] = {
    "app_name": "ds@lab.example_study_1700000000",
    "aggregator": "ds@lab.example",
    "datasites": ["do1@a.example", "do2@b.example"],
    "transport": "local",
}
DEPENDENCY = "syft-flwr-cli>=0.1"

space = st.text(" \t", max_size=3)
comments = st.builds(lambda gap, text: f"{gap}# {text}", space, st.text("abc é\"',[]=#", max_size=12))
trailing = st.one_of(st.just(""), space, comments)
keys = st.sampled_from(["alpha", "beta-2", '"quoted key"', "'literal'", "dotted.key", '"d" . e'])
scalars = st.sampled_from(
    ['"text"', "'lit # no comment'", "3", "1e-3", "true", "2020-01-01", '"""m\nl"""', "0x1F"]
)
inline = st.builds(
    lambda a, b, gap: f"{{{gap}a = {a},{gap}b = [{b}]{gap}}}", scalars, st.just("1 , 2"), space
)


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    """An array over one or several lines, with comments and odd spacing, with or without a last comma."""
    values = draw(st.lists(items, max_size=4))
    if not draw(st.booleans()):
        return f"[{draw(space)}{f'{draw(space)},{draw(space)}'.join(values)}{draw(space)}]"
    lines = ["[" + draw(trailing)]
    for number, value in enumerate(values):
        comma = "," if number < len(values) - 1 or draw(st.booleans()) else ""
        lines.append(f"{draw(space)}{value}{draw(space)}{comma}{draw(trailing)}")
        lines += draw(st.lists(comments, max_size=1))
    return "\n".join([*lines, draw(space) + "]"])


@st.composite
def bodies(draw: st.DrawFn) -> str:
    lines = []
    for key in draw(st.lists(keys, unique=True, max_size=4)):
        if key == '"d" . e' and any("dotted" in line for line in lines):
            continue
        value = draw(st.one_of(scalars, inline, arrays(scalars)))
        lines.append(f"{draw(space)}{key}{draw(space)}={draw(space)}{value}{draw(trailing)}")
        lines += draw(st.lists(st.one_of(st.just(""), comments), max_size=2))
    return "\n".join(lines)


@st.composite
def pyprojects(draw: st.DrawFn) -> str:
    requirement = st.sampled_from(['"flwr>=1.41"', "'numpy'", "\"a[b]>=1,<2 ; x == 'y'\""])
    dependencies = draw(st.one_of(st.none(), arrays(requirement)))
    project = f"[project]{draw(trailing)}\n" + draw(bodies())
    if dependencies is not None:
        project += f"\ndependencies{draw(space)}={draw(space)}{dependencies}{draw(trailing)}"
    tables = [project]
    for name in draw(st.permutations(["tool.flwr.app", "tool.black", "build-system", "[tool.rows]"])):
        if draw(st.booleans()):
            tables.append(f"{draw(space)}[{name}{']'}{draw(trailing)}\n{draw(bodies())}")
    draw(st.randoms(use_true_random=False)).shuffle(tables)
    text = draw(st.sampled_from(["", "\n", "# first\n\n"])) + "\n".join(tables)
    text += draw(st.sampled_from(["", "\n", "\n\n", "\n# end"]))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def is_left_when_something_is_taken_out(whole: str, rest: str) -> bool:
    """Whether ``rest`` is ``whole`` without some of its characters (their order kept)."""
    stream = iter(whole)
    return all(character in stream for character in rest)


@settings(max_examples=300, deadline=None)
@given(pyprojects())
def test_only_our_places_change(before: str) -> None:
    meaning = tomllib.loads(before)
    after = federate(before, **VALUES, dependency=DEPENDENCY)
    changed = tomllib.loads(after)
    assert changed["tool"].pop("syft_flwr") == VALUES
    assert changed["project"]["dependencies"].pop() == DEPENDENCY
    meaning.setdefault("tool", {})
    meaning["project"].setdefault("dependencies", [])
    assert changed == meaning
    assert is_left_when_something_is_taken_out(after, before)
    added = len(after) - len(before)
    assert added <= len(DEPENDENCY) + len("dependencies = []") + 250


@settings(max_examples=100, deadline=None)
@given(pyprojects())
def test_federating_twice_is_federating_once(before: str) -> None:
    once = federate(before, **VALUES, dependency=DEPENDENCY)
    assert federate(once, **VALUES, dependency=DEPENDENCY) == once


@settings(max_examples=100, deadline=None)
@given(pyprojects())
def test_line_ends_stay_of_one_kind(before: str) -> None:
    after = federate(before, **VALUES, dependency=DEPENDENCY)
    if before.count("\r\n") == before.count("\n") > 0:
        assert after.count("\r\n") == after.count("\n")
