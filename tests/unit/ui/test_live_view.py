"""The live view: what a terminal of 80x24 and of 120x40 shows of the events of a run, whatever an app reports."""

import pytest

from syft_flwr_cli import events
from syft_flwr_cli.events.base import lasting
from syft_flwr_cli.ui.live.draw import draw, sparkline
from syft_flwr_cli.ui.live.state import LiveState
from syft_flwr_cli.ui.live.terminal import sink

A, B = "do1@clinic-a.example", "do2@clinic-b.example"
SIZES = pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 10)])


class Run:
    """A run that is heard of event by event, on a clock of its own."""

    def __init__(self, *owners: str, planned: int | None = None) -> None:
        self.now = 1_000_000.0
        self.state = LiveState("study", "ds@lab.example", planned)
        self.hear = sink(self.state, lambda: self.now)
        self.hear(events.RunBegun("4611686018427387904", False, owners or (A, B)))

    def ask(self, number: int, *owners: str, kind: str = "train") -> None:
        for who in owners:
            self.hear(events.RequestPrepared(who, kind, number))
        self.hear(events.RequestsPublished(kind, number))

    def answer(self, number: int, who: str, kind: str = "train", **metrics: object) -> None:
        self.now += 1
        self.hear(events.ReplyDelivered(who, kind, number, metrics))

    def text(self, width: int = 80, height: int = 24) -> str:
        return "\n".join(line.plain for line in draw(self.state, self.now, width, height))


def test_each_owner_has_a_line_that_says_how_it_stands() -> None:
    run = Run(A, B, "c@c.example", "d@d.example", "e@e.example")
    run.hear(events.KeyAwaited("c@c.example"))
    run.ask(1, A, B, "d@d.example")
    run.answer(1, A, **{"num-examples": 3, "loss": 0.5})
    run.hear(events.ReplyDelivered("d@d.example", "train", 1, {}, "not approved", partakes=False))
    run.now += 840
    text = run.text()
    assert f"✓ {A}  answered" in text
    assert f"! {B}  away 14 min" in text
    assert "awaiting its key 14 min" in text
    assert "refused: not approved" in text
    assert "not asked yet" in text
    assert "train 1/3" in text


def test_an_answer_that_did_not_come_in_time_is_said_with_since_when() -> None:
    run = Run()
    run.ask(1, A, B)
    began, run.now = run.now, run.now + 300
    run.hear(events.OwnerAbsent(B, "m", began))
    run.hear(events.ReplyMissing(B))
    assert f"{B}  away 5:00 min; going on without" in run.text()


def test_an_app_that_numbers_its_rounds_anew_gets_a_row_for_each_that_it_ran() -> None:
    run = Run()
    for _ in range(2):
        for number in (1, 2, 3):
            run.ask(number, A, B)
            run.answer(number, A, loss=1.0 / number)
            run.ask(number, A, B, kind="evaluate")
            run.answer(number, B, "evaluate", accuracy=0.5)
    rows = [line for line in run.text().splitlines() if line.lstrip().startswith("round ")]
    assert [row.split()[1] for row in rows] == ["1", "2", "3", "1", "2", "3"]
    assert all("train 1/2" in row and "evaluate 1/2" in row for row in rows)


def test_a_run_that_is_taken_up_again_shows_each_round_once() -> None:
    run = Run()
    for resumed in (False, True):
        if resumed:
            run.hear(events.RunBegun("4611686018427387904", True, (A, B)))
        for number in (1, 2):
            run.ask(number, A)
            run.answer(number, A, loss=1.0)
    assert run.text().count("train 1/1") == 2


def test_means_are_weighted_as_the_table_of_rounds_weights_them() -> None:
    run = Run()
    run.ask(1, A, B)
    run.answer(1, A, **{"num-examples": 30, "loss": 1.0})
    run.answer(1, B, **{"num-examples": 10, "loss": 2.0})
    assert "loss 1.25" in run.text()


def test_flowers_own_line_says_which_round_of_how_many_and_time_left_follows() -> None:
    run = Run()
    for number in (1, 2, 3):
        run.state.flower_line(f" [ROUND {number}/10]")
        run.ask(number, A)
        run.answer(number, A, loss=1 / number)
        run.now += 59
    text = run.text()
    assert "round 3 of 10" in text and "about 7:00 min left" in text
    assert "loss" in text and "▁" in text and "█" in text


@SIZES
def test_whatever_an_app_reports_the_view_stays_readable_and_harmless(width: int, height: int) -> None:
    run = Run(A, "evil\x1b[2J\u202e@b.example")
    metrics: dict[str, object] = {f"<script>alert({i})</script>\x1b[31m": i for i in range(10_000)}
    metrics |= {"n" * 1_000_000: 1.0, "nan": float("nan"), "inf": float("inf"), "big": 10**400, "huge": 1e308}
    for number in range(1, 400):
        run.ask(number, A)
        run.answer(number, A, **(metrics if number < 4 else {"loss": number}))
    run.hear(events.ReplyDelivered(A, "train", 399, {}, "\x1b]0;owned\x07 boom\nCAFE" + "漢" * 5000))
    run.state.say("said \x1b[2J\nby a peer\u202e", run.now)
    lines = draw(run.state, run.now, width, height)
    text = "\n".join(line.plain for line in lines)
    assert len(lines) <= height and all(line.cell_len <= width for line in lines)
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "nan" not in text.replace("nan…", "") or width < 80


@SIZES
def test_a_thousand_owners_and_long_names_fit(width: int, height: int) -> None:
    run = Run(*(f"{'long' * 12}-{i}@hospital.example" for i in range(1000)))
    run.ask(1, *run.state.owners)
    lines = draw(run.state, run.now, width, height)
    assert len(lines) <= height and all(line.cell_len <= width for line in lines)
    assert any("1000 data owners" in line.plain for line in lines)


def test_a_node_shows_each_run_and_what_it_works_on() -> None:
    run = Run()
    state = LiveState("node", A)
    hear = sink(state, lambda: run.now)
    for name in ("11", "22"):
        hear(events.RunJoined(name))
    hear(events.RequestExecuting("m1", "train", 3, "11"))
    hear(events.RequestExecuting("m2", "evaluate", 1, "22"))
    hear(events.RequestAnswered("m2", "evaluate"))
    run.now += 42
    text = "\n".join(line.plain for line in draw(state, run.now, 80, 24))
    assert "run 11, round 3  working on train 42 s  0 answered" in text
    assert "run 22, round 1  waiting 42 s  1 answered" in text


def test_durations_and_curves() -> None:
    assert [lasting(s) for s in (0, 59.9, 200, 840, 18600, 3e5)] == [
        *("0 s", "59 s", "3:20 min", "14 min", "5 h 10 min", "3 days"),
    ]
    assert sparkline([1, 1], 10) == "▄▄" and sparkline([-1e308, 1e308], 10) == "▁█"
