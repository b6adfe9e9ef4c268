"""The screens as text: what each state of a run looks like at 80x24 and at 120x40, held against kept fixtures.

The fixtures in ``tests/screens`` whose names begin with ``state-`` are written by this test when
SYFT_FLWR_UPDATE_SCREENS is set; the others are of real commands under tmux (`tests/screens/capture.py`). All of them
were looked at.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syft_flwr_cli import events
from syft_flwr_cli.events import Event
from syft_flwr_cli.ui.live.draw import draw
from syft_flwr_cli.ui.live.state import LiveState
from syft_flwr_cli.ui.live.terminal import sink

SCREENS = Path(__file__).parents[2] / "screens"
SIZES = ((80, 24), (120, 40))
DS, DO1, DO2, DO3 = "ds@lab.example", "do1@clinic-a.example", "do2@clinic-b.example", "do3@clinic-c.example"
NOON = 1_750_000_000.0


class Scene:
    """A state, fed with events at times that are said."""

    def __init__(self, state: LiveState) -> None:
        self.state, self.now = state, NOON
        self._hear = sink(state, lambda: self.now)

    def at(self, seconds: float, *happened: Event) -> None:
        self.now = NOON + seconds
        for event in happened:
            self._hear(event)

    def round(self, seconds: float, number: int, answering: tuple[str, ...], loss: float) -> None:
        everybody = (DO1, DO2, DO3)
        for phase, metrics in (
            ("train", {"train-loss": loss * 1.1}),
            ("evaluate", {"loss": loss, "accuracy": 1 - loss / 4}),
        ):
            self.at(seconds, *(events.RequestPrepared(who, phase, number) for who in everybody))
            self.at(seconds + 0.1, events.RequestsPublished(phase, number))
            told = {**metrics, "num-examples": 100}
            for who in answering:
                self.at(seconds + 2, events.ReplyDelivered(who, phase, number, told, data="private"))
            seconds += 3


def finished() -> Scene:
    scene = Scene(LiveState("demo", DS, 8))
    scene.at(0, events.RunBegun("6229225513124270026", False, (DO1, DO2, DO3)))
    for number in range(1, 9):
        scene.round(number * 10, number, (DO1, DO2, DO3), 2 / number)
    scene.at(90, events.RunEnded("6229225513124270026", "finished", "the run is complete"))
    return scene


def one_away() -> Scene:
    scene = Scene(LiveState("study", DS, 5))
    scene.at(0, events.RunBegun("2207301476373304620", False, (DO1, DO2, DO3)))
    scene.round(10, 1, (DO1, DO2, DO3), 2.0)
    scene.round(20, 2, (DO1, DO2), 1.0)
    scene.at(30, *(events.RequestPrepared(who, "train", 3) for who in (DO1, DO2, DO3)))
    scene.at(31, events.RequestsPublished("train", 3), events.ResponseReceived(DO1, "m1"))
    scene.at(32, events.ResponseReceived(DO2, "m2", "ValueError"))
    scene.at(31 + 14 * 60)
    return scene


def two_runs() -> Scene:
    scene = Scene(LiveState("node", DO1))
    for app in ("heart", "lung"):
        scene.at(0, events.AppServed(DO1, f"{DS}_{app}_1", DS), events.NodeReady(DO1, DS))
    for run in ("8737906547398571540", "6966615011167565584"):
        scene.at(2, events.RunJoined(run), events.RequestExecuting("a" + run, "train", 1, run))
    scene.at(6, events.RequestAnswered("a8737906547398571540", "train", None))
    scene.at(7, events.RequestExecuting("b8737906547398571540", "evaluate", 1, "8737906547398571540"))
    scene.at(42)
    return scene


SCENES: dict[str, Callable[[], Scene]] = {"finished": finished, "one-away": one_away, "two-runs": two_runs}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", SCENES)
def test_each_state_looks_as_it_was_approved(
    name: str, width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    scene = SCENES[name]()
    lines = [line.plain for line in draw(scene.state, scene.now, width, height)]
    assert len(lines) <= height and all(len(line) <= width for line in lines)
    file = SCREENS / f"state-{name}-{width}x{height}.txt"
    text = "\n".join(lines) + "\n"
    if os.environ.get("SYFT_FLWR_UPDATE_SCREENS"):
        file.write_text(text)
    assert text == file.read_text()


def test_a_captured_screen_is_no_wider_or_longer_than_its_terminal_and_holds_no_escape() -> None:
    captured = sorted(SCREENS.glob("*.txt"))
    assert len(captured) == 2 * (7 + len(SCENES))
    for file in captured:
        width, height = map(int, file.stem.rpartition("-")[2].split("x"))
        lines = file.read_text().splitlines()
        assert len(lines) <= height and all(len(line) <= width for line in lines), file
        assert "\x1b" not in file.read_text() and "Traceback" not in file.read_text(), file


@pytest.mark.full
def test_the_demo_can_be_captured_anew(tmp_path: Path) -> None:
    code = "import capture; print(capture.capture('demo', 80, 24))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCREENS, capture_output=True, text=True, check=True, timeout=200
    )
    assert "round 4 of 4  finished" in done.stdout and "answered  (mock data)" in done.stdout
