"""Event files of TensorBoard: one curve for all together and one for each data owner, numbers alone."""

import math
from pathlib import Path

from syft_flwr_cli.services.report_values import Phase, Round, RunReport
from syft_flwr_cli.services.tensorboard import MOST_TAGS, write_event_files


def report(metrics: dict[str, object]) -> RunReport:
    rounds = [
        Round(number, [Phase("train", 1, 1, overall=metrics, owners={"do1@a.example": metrics})])
        for number in (1, 2)
    ]
    return RunReport(
        "1", "app", "study", "ds@x.example", (), "finished", "", 1.0, 2.0, 3.0, "", {}, {}, rounds
    )


def test_each_writer_has_its_numbers_and_no_more_than_it_may(tmp_path: Path) -> None:
    odd = {"loss": 0.5, "nan": math.nan, "text": "x", "flag": True, "list": [1.0]}
    assert write_event_files(tmp_path, report(odd)) == 4
    assert {one.name for one in tmp_path.iterdir()} == {"all", "do1@a.example"}
    data = b"".join(one.read_bytes() for one in tmp_path.glob("all/events.*"))
    assert b"train/loss" in data and b"nan" not in data
    many = {f"m{i}": float(i) for i in range(10_000)}
    assert write_event_files(tmp_path / "many", report(many)) == 4 * MOST_TAGS
