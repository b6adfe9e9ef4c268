"""Text that crosses between participants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import read_object
from syft_flwr_cli.protocol.text import check_text, make_text

ANY = st.text(st.characters(), max_size=40)  # with surrogates


@given(ANY, st.integers(0, 50))
def test_what_is_made_passes(text: str, limit: int) -> None:
    made = make_text(text, limit)
    assert check_text(made, limit) == made
    made.encode()


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_proper_text_stays_as_it_is(text: str) -> None:
    assert make_text(text, 40) == text == check_text(text, 40)


@pytest.mark.parametrize("value", [None, 1, b"x", "\udcff", "x" * 11])
def test_what_is_no_proper_text_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a text"):
        check_text(value, 10)


@pytest.mark.parametrize("text", [r'{"a":"\ud800"}', r'{"\uDFff":1}', r'{"a":["x",{"b":"\uD800\u0041"}]}'])
def test_json_that_spells_half_a_character_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="well-formed"):
        read_object(text.encode(), "It")


def test_json_that_spells_a_whole_character_is_read() -> None:
    assert read_object(rb'{"a":"\ud83d\ude00"}', "It") == {"a": "😀"}
