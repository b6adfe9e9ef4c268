"""``runs logs`` on either side: what was noted, what the app printed, and what comes while it is followed."""

import json
import time
from pathlib import Path

import pytest

from syft_flwr_cli import events
from syft_flwr_cli.cli.main import run
from syft_flwr_cli.services.log_follow import events_of, follow_app, follow_events
from syft_flwr_cli.services.run_log import RunLog
from syft_flwr_cli.services.runs import find_run
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.paths import app_dir

ME, APP, RUN = "ds@lab.example", "ds@lab.example_study_1", "4611686018427387904"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYFT_FLWR_HOME", str(tmp_path))
    monkeypatch.delenv("SYFTBOX_EMAIL", raising=False)
    directory = app_dir(tmp_path, ME, APP)
    (directory / "logs").mkdir(parents=True)
    journal = Journal(directory / "journal.sqlite3")
    journal.begin_run(RUN, "aggregator", time.time(), {}, {})
    journal.close()
    log = RunLog(directory)
    log(events.EncryptionOff())
    log(events.RunBegun(RUN, False, ("do1@a.example",)))
    log(events.RunBegun("77", False, ()))
    return tmp_path


def typed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        run(["runs", "logs", *words])
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_without_an_id_the_newest_run_is_told_and_with_node_all_of_the_app(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = typed(capsys)
    assert code == 0 and RUN in out and "run 77" not in out.lower()
    assert "77" in typed(capsys, "--node")[1]
    document = json.loads(typed(capsys, "--json")[1])
    assert document["data"]["run_id"] == RUN and document["data"]["events"]


def test_what_an_app_prints_is_shown_without_what_would_steer_a_terminal(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = app_dir(home, ME, APP) / "logs" / "app.log"
    log.write_bytes(b"first\n\x1b[92mINFO\x1b[0m : hi\x07\n" + b"x" * 100_000 + b"\n\xff\n")
    code, out, _ = typed(capsys, RUN[:6], "--app", "--last", "3")
    assert code == 0
    assert out.splitlines()[0] == "INFO : hi\\x07" and "first" not in out and "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 4000


def test_following_tells_what_comes_and_ends_with_the_run(home: Path) -> None:
    one = find_run(home, RUN)
    directory = app_dir(home, ME, APP)
    app = directory / "logs" / "app.log"
    app.write_text("before\n")
    steps = iter([b"one\nhal", b"f\n", b"last"])

    def wait() -> bool:
        piece = next(steps)
        with app.open("ab") as stream:
            stream.write(piece)
        return piece == b"last"

    assert list(follow_app(home, one, len("before\n"), wait)) == ["one", "half", "last"]
    known, told = events_of(home, one), [False]

    def end() -> bool:
        if not told[0]:
            RunLog(directory)(events.RunEnded(RUN, "finished", "done"))
        told[0], over = True, told[0]
        return over

    assert [entry["event"] for entry in follow_events(home, one, known, end)] == ["run-ended"]


def test_a_log_that_is_begun_anew_is_read_from_its_beginning(home: Path) -> None:
    one = find_run(home, RUN)
    app = app_dir(home, ME, APP) / "logs" / "app.log"
    app.write_text("x" * 100 + "\n")

    def wait() -> bool:
        app.write_text("new\n")
        return True

    assert list(follow_app(home, one, 101, wait)) == ["new"]


@pytest.mark.parametrize("words", [("--app", "--node"), ("--follow", "--json"), ("99",)])
def test_what_cannot_be_is_refused_with_a_remedy(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, _, err = typed(capsys, *words)
    assert code == 2 and "hint: " in err
