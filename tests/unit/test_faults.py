"""Fault points: silent unless asked for, and deadly at exactly the arrival that was asked for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.crash_points import FAULT_LOG, FAULT_POINT, make_point


class Died(Exception):
    pass


def die() -> None:
    raise Died


def test_without_the_variables_every_point_is_the_same_function_that_does_nothing() -> None:
    assert make_point({}) is make_point({"PATH": "/bin"})
    make_point({}, die)("anything")


def test_a_named_point_is_deadly_at_the_arrival_that_was_asked_for() -> None:
    point = make_point({FAULT_POINT: "b:2"}, die)
    for name in ("a", "b", "a"):
        point(name)
    with pytest.raises(Died):
        point("b")
    point("b")


def test_a_name_without_a_count_means_the_first_arrival() -> None:
    with pytest.raises(Died):
        make_point({FAULT_POINT: "b"}, die)("b")


def test_a_star_counts_the_arrivals_at_all_points() -> None:
    point = make_point({FAULT_POINT: "*:3"}, die)
    point("a")
    point("b")
    with pytest.raises(Died):
        point("c")


def test_the_log_names_every_point_in_order_and_the_deadly_one_too(tmp_path: Path) -> None:
    log = tmp_path / "points"
    point = make_point({FAULT_POINT: "*:3", FAULT_LOG: str(log)}, die)
    point("a")
    point("b")
    with pytest.raises(Died):
        point("c")
    assert log.read_text() == "a\nb\nc\n"


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="counted from 1"):
        make_point({FAULT_POINT: "a:0"})


def test_a_process_is_killed_at_the_point_without_a_chance_to_clean_up() -> None:
    imports = "from syft_flwr_cli.storage import crash_points\n"
    code = imports + "try:\n crash_points.point('here')\nfinally:\n print('cleaned')"
    environment = {
        **os.environ,
        FAULT_POINT: "here:1",
        "PYTHONPATH": str(Path(crash_points.__file__).parents[2]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b""
