"""What apps and peers write stays text at the desk, and pages stay small enough to read."""

from pathlib import Path
from typing import Any

from syft_flwr_cli.ui.desk.code import MAX_SHOWN, show_file
from syft_flwr_cli.ui.desk.html import el, text
from syft_flwr_cli.ui.desk.layout import Frame
from syft_flwr_cli.ui.desk.pages import left

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
ESCAPES = "\x1b[31m\x00\u202e\u2028"
FRAME = Frame("do1@a.example", lambda action: "token")


def leaving(records: list[dict[str, Any]]) -> str:
    return left(FRAME, MARKUP, "run" + ESCAPES, records)


def metric(name: str, value: object = 1.0) -> dict[str, Any]:
    return {"record": "metrics", "name": name, "value": value}


def harmless(page: str) -> None:
    assert "<script>alert" not in page and "<img" not in page
    assert not set(ESCAPES[:1] + ESCAPES[5:]) & set(page)


def test_markup_and_escape_sequences_stay_text() -> None:
    records = [{"bytes": 9, "metrics": [metric(MARKUP), metric(ESCAPES, MARKUP), metric("n", float("nan"))]}]
    page = leaving(records)
    harmless(page)
    assert "&lt;script&gt;" in page and "\\x1b" in page and "nan" in page


def test_errors_and_reasons_of_others_stay_text() -> None:
    harmless(leaving([{"bytes": 0, "error": MARKUP + ESCAPES}, {"bytes": 0, "withheld": MARKUP}]))


def test_ten_thousand_metrics_and_names_of_a_megabyte_make_a_small_page() -> None:
    many = [metric(f"m{n}") for n in range(10_000)]
    page = leaving([{"bytes": 9, "metrics": [metric("x" * (1 << 20)), *many]}])
    assert len(page) < 100_000
    assert "Only 200 lines are shown" in page


def test_attributes_cannot_be_left() -> None:
    assert el("a", "x", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'
    assert el("p", MARKUP).count("<") == 2
    assert len(text("y" * 10_000)) == 2000


def test_a_hostile_file_is_shown_as_text_with_every_line(tmp_path: Path) -> None:
    place = tmp_path / "evil.py"
    place.write_text(f"x = '{MARKUP}'\n# {ESCAPES[:4]}\u202e\nlast = 1\n")
    page = show_file("evil.py", place)
    harmless(page)
    assert 'id="L3"' in page


def test_a_large_file_is_cut_with_a_sentence_and_a_binary_one_is_named(tmp_path: Path) -> None:
    place = tmp_path / "large.py"
    place.write_text("x = 1\n" * 200_000)
    page = show_file("large.py", place)
    assert f"Only the first {MAX_SHOWN:,}" in page
    place.write_bytes(b"\x7fELF\0\0")
    assert "Not text" in show_file("large.so", place)
