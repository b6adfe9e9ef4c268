"""The text file for Prometheus: what is in it, that it is well-formed, and that it says when nothing runs any more."""

import re
import time
from pathlib import Path

import pytest

from syft_flwr_cli import events
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Publisher
from syft_flwr_cli.services.metrics_file import kept_metrics, render
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.paths import app_dir

ME, PEER, APP = "ds@lab.example", "do1@a.example", "ds@lab.example_study_1"
LINE = re.compile(r'[a-z_]+\{(?:[a-z]+="(?:[^"\\\n]|\\.)*"(?:,|(?=\})))*\} \S+\Z')


def samples(file: Path) -> dict[str, float]:
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert all(LINE.match(line) for line in lines), lines
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_it_says_who_was_seen_what_waits_what_failed_and_what_is_used(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "out" / "syft.prom"
    file.parent.mkdir()
    directory = app_dir(home, ME, APP)
    directory.mkdir(parents=True)
    journal = Journal(directory / "journal.sqlite3")
    journal.begin_run("11", "aggregator", time.time(), {}, {})
    journal.quarantine("d", PEER, "x.response", "signature", "no", time.time(), {})
    emit = Publisher()
    with kept_metrics(file, home, ME, "run-server", emit, interval=0.01):
        emit(events.ResponseReceived(PEER, "m", None))
        emit(events.ResponseReceived(PEER, "m", "ValueError"))
        deadline = time.monotonic() + 60
        while not any("last_seen" in name for name in samples(file)) and time.monotonic() < deadline:
            time.sleep(0.01)
        found = samples(file)
    app = f'{{email="{ME}",app="{APP}"}}'
    assert found[f'syft_flwr_up{{email="{ME}",command="run-server"}}'] == 1
    assert found[f"syft_flwr_open_runs{app}"] == 1
    assert found[f'syft_flwr_refused_files{{email="{ME}",app="{APP}",reason="signature"}}'] == 1
    assert found[f'syft_flwr_failures_total{{email="{ME}",kind="received"}}'] == 1
    assert found[f'syft_flwr_last_seen_timestamp_seconds{{email="{ME}",peer="{PEER}"}}'] > 1.7e9
    assert found[f'syft_flwr_space_bytes{{email="{ME}",app="{APP}",where="home"}}'] > 1000
    assert samples(file)[f'syft_flwr_up{{email="{ME}",command="run-server"}}'] == 0
    assert file.stat().st_mode & 0o444 == 0o444, "the exporter is another user"
    assert [one.name for one in file.parent.iterdir()] == ["syft.prom"]
    journal.close()


def test_a_file_that_cannot_be_written_is_refused_before_anything_begins(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="cannot be written"),
        kept_metrics(tmp_path / "no" / "f", tmp_path, ME, "node"),
    ):
        pass


def test_labels_are_escaped() -> None:
    text = render({"syft_flwr_up": [({"email": 'a"b\\c\nd'}, 1.0)]})
    assert 'email="a\\"b\\\\c\\nd"' in text
