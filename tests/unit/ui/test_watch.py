"""A run of another process is shown from its files: while it goes on, after it, and after a crash."""

from pathlib import Path

from syft_flwr_cli import events
from syft_flwr_cli.aggregator.run_recorder import RunRecorder
from syft_flwr_cli.services.run_follow import RunFollower
from syft_flwr_cli.services.run_log import RunLog
from syft_flwr_cli.services.runs import LocalRun
from syft_flwr_cli.storage.journal_reader import RunView
from syft_flwr_cli.storage.paths import app_dir
from syft_flwr_cli.ui.live.draw import draw
from syft_flwr_cli.ui.live.state import LiveState
from syft_flwr_cli.ui.live.watch import catch_up, watch

ME, A, B, APP = "ds@lab.example", "do1@a.example", "do2@b.example", "ds@lab.example_study_1"


def test_the_view_grows_with_the_files_and_leaves_out_what_a_crash_cut_off(tmp_path: Path) -> None:
    directory = app_dir(tmp_path, ME, APP)
    directory.mkdir(parents=True)
    now = [1_000_000.0]
    emit = events.Publisher(RunRecorder(directory, lambda: now[0]), RunLog(directory, lambda: now[0]))
    view = RunView("11", "aggregator", "running", now[0], None, None, 1, {}, ())
    one = LocalRun(ME, APP, view, None)
    follower, state = RunFollower(tmp_path, one), LiveState(APP, ME)

    def shown() -> str:
        catch_up(state, follower)
        return "\n".join(line.plain for line in draw(state, now[0], 80, 24))

    emit(events.RunBegun("11", False, (A, B)))
    emit(events.KeyAwaited(B))
    emit(events.RequestPrepared(A, "train", 1))
    emit(events.RequestsPublished("train", 1))
    text = shown()
    assert "awaiting its key" in text and "sent, awaited" in text and "paused" in text
    assert "Waiting for do2@b.example: it has published no key yet" in text
    emit(events.ReplyDelivered(A, "train", 1, {"loss": 0.5}))
    with (directory / "results" / "11" / "timeline.jsonl").open("a") as stream:
        stream.write('{"time": 1000001, "event": "reply", "peer": "do9@')
    text = shown()
    assert "train 1/1" in text and "loss 0.5" in text and "do9" not in text


def test_watching_ends_with_the_run_and_says_how_it_ended(tmp_path: Path) -> None:
    view = RunView("11", "aggregator", "failed", 1.0, 2.0, "the ServerApp failed", 1, {}, ())
    one = LocalRun(ME, APP, view, None)
    assert watch(RunFollower(tmp_path, one), one) == "failed"
