"""What is kept of a run when it ends, and how `runs show` tells it, whatever the app reported."""

import json
from pathlib import Path

from syft_flwr_cli.aggregator.round_log import RoundLog
from syft_flwr_cli.events import ReplyDelivered, RequestPrepared, RequestsPublished
from syft_flwr_cli.services.report_values import Phase, Round, RunReport, Span
from syft_flwr_cli.services.run_report import rounds_of
from syft_flwr_cli.services.run_results import write_results
from syft_flwr_cli.ui.run_details import detail_lines

A, B = "do1@a.example", "do2@b.example"


def report(**metrics: object) -> RunReport:
    phase = Phase("train", 2, 1, {}, [], 1.0, 500, metrics, {A: metrics})
    return RunReport(
        run="11",
        app="app",
        project="study",
        aggregator="ds@lab.example",
        datasites=(A, B),
        state="finished",
        reason="",
        began=0.0,
        ended=1.0,
        made=2.0,
        code="ab" * 32,
        run_config={"lr": 0.1},
        versions={},
        rounds=[Round(1, [phase])],
        spans=[Span(A, 1, "train", 0.0, 1.0, "answer"), Span(B, 1, "train", 0.0, 1.0, "absent")],
        data={A: "mock"},
        missing=(B,),
    )


def test_configuration_metrics_and_page_lie_with_the_results(tmp_path: Path) -> None:
    written = write_results(tmp_path, report(loss=0.5, odd=float("nan")), "<html>")
    assert [path.name for path in written] == ["config.json", "metrics.jsonl", "timeline.json", "report.html"]
    config = json.loads(written[0].read_text())
    assert config["run_config"] == {"lr": 0.1} and config["data"] == {A: "mock"}
    lines = [json.loads(line) for line in written[1].read_text().splitlines()]
    assert {"round": 1, "phase": "train", "owner": A, "metric": "loss", "value": 0.5} in lines
    assert {"round": 1, "phase": "train", "owner": None, "metric": "odd", "value": None} in lines


def test_a_file_of_the_apps_own_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "results" / "11").mkdir(parents=True)
    (tmp_path / "results" / "11" / "config.json").write_text("mine")
    written = write_results(tmp_path, report(), "<html>")
    assert [path.name for path in written] == ["metrics.jsonl", "timeline.json", "report.html"]
    assert (tmp_path / "results" / "11" / "config.json").read_text() == "mine"


def test_a_run_is_told_with_owners_absences_data_digest_and_results(tmp_path: Path) -> None:
    results = tmp_path / "results" / "11"
    write_results(tmp_path, report(loss=0.5), "<html>")
    text = "\n".join(detail_lines(report(loss=0.5), results))
    assert f"{A}  1 of 1 answered, mock data" in text
    assert f"{B}  0 of 1 answered, says nothing of its data  (missing at the end)" in text
    assert "absent: train of round 1" in text
    assert (
        "ab" * 32 in text
        and f"results   {results}\n" in text
        and "\n  report.html  " in text
        and "loss 0.5" in text
    )


def test_ten_thousand_metrics_and_escape_sequences_stay_readable(tmp_path: Path) -> None:
    metrics: dict[str, object] = {f"\x1b[2J{'n' * 1000}{i}": i for i in range(10_000)}
    lines = list(detail_lines(report(**metrics), tmp_path))
    assert all("\x1b" not in line and len(line) < 500 for line in lines)
    assert any("9994 more" in line for line in lines)


def _line(time: float, event: str, peer: str = "", number: int = 0, **more: object) -> dict[str, object]:
    return {"time": time, "event": event, "peer": peer, "type": "train", "round": number, **more}


def test_a_run_that_was_taken_up_again_is_reported_once_with_its_first_times(tmp_path: Path) -> None:
    first = [_line(1, "asked", A, 1), _line(1, "requests-published", number=1), _line(2, "reply", A, 1)]
    second = [_line(3, "asked", A, 2), _line(3, "requests-published", number=2)]
    again = [{"time": 9.0, "event": "run", "resumed": True}]
    again += [{**line, "time": 9.0} for line in (*first, *second)] + [_line(10, "reply", A, 2)]
    rounds, spans = rounds_of([*first, *second, *again], 11.0)
    assert [one.number for one in rounds] == [1, 2]
    assert [(span.round, span.began, span.ended, span.kind) for span in spans] == [
        (1, 1, 2, "answer"),
        (2, 3, 10, "answer"),
    ]


def test_messages_that_are_pushed_one_by_one_are_one_phase(tmp_path: Path) -> None:
    lines = []
    for who in (A, B):
        lines += [
            _line(1, "asked", who, 1),
            _line(1, "requests-published", number=1),
            _line(2, "reply", who, 1),
        ]
    rounds, _ = rounds_of(lines, 3.0)
    assert [(one.number, one.phases[0].answered) for one in rounds] == [(1, 2)]


def test_the_round_log_counts_on_where_an_app_numbers_its_rounds_anew() -> None:
    log = RoundLog()
    for _ in range(2):
        for number in (1, 2, 3):
            for kind in ("train", "evaluate"):
                for who in (A, B):
                    log(RequestPrepared(who, kind, number))
                log(RequestsPublished(kind, number))
                for who in (A, B):
                    log(ReplyDelivered(who, kind, number, {"loss": 1.0}))
    rounds = log.report()
    assert [one["round"] for one in rounds] == [1, 2, 3, 4, 5, 6]
    assert all(phase["answered"] == 2 for one in rounds for phase in one["phases"].values())
    assert all(len(one["phases"]) == 2 for one in rounds)
