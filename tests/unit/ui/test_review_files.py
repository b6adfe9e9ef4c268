"""What is in the files of a project under review: all code, and of tables as much as leaves the code in sight."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from syft_flwr_cli.ui.review_files import SHOWN_ROWS, show_files


def test_all_code_is_shown_and_of_a_table_its_first_rows_and_where_the_rest_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text("".join(f"code_{number} = 1\n" for number in range(300)))
    (tmp_path / "rows.JSONL").write_text("".join(f'{{"row": {number}}}\n' for number in range(300)))
    entries = [
        SimpleNamespace(path=name, size=(tmp_path / name).stat().st_size) for name in ("app.py", "rows.JSONL")
    ]
    review: Any = SimpleNamespace(
        manifest=SimpleNamespace(entries=entries), project=SimpleNamespace(path=tmp_path)
    )
    show_files(review)
    shown = capsys.readouterr().out
    assert shown.count("  code_") == 300
    assert shown.count('"row"') == SHOWN_ROWS
    assert f"290 lines more, in {tmp_path / 'rows.JSONL'}" in shown
