"""The publisher hands every event to every sink, whatever a sink does; the catalogue is what the docs say."""

import json
import logging
import time
from pathlib import Path

import pytest

from syft_flwr_cli import events
from syft_flwr_cli.events import Event, Publisher
from syft_flwr_cli.protocol.printable import first_line

DOCS = Path(__file__).parents[2] / "docs"


def test_a_sink_that_fails_disturbs_neither_the_others_nor_the_run(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise OSError("no space")

    emit = Publisher(broken, heard.append)
    with caplog.at_level(logging.ERROR, "syft_flwr"):
        emit(events.EncryptionOff())
    assert heard == [events.EncryptionOff()]
    assert "encryption-off" in caplog.text and "no space" in caplog.text


def test_a_sink_can_be_taken_away() -> None:
    heard: list[Event] = []
    emit = Publisher()
    remove = emit.add(heard.append)
    emit(events.EncryptionOff())
    remove()
    remove()
    emit(events.EncryptionOff())
    assert len(heard) == 1


def test_kinds_are_distinct_and_events_become_json() -> None:
    kinds = [each.kind for each in events.catalogue()]
    assert len(set(kinds)) == len(kinds) and all(kinds)
    facts = events.RunBegun("1", False, ("a@x.example",)).facts()
    assert json.loads(json.dumps(facts)) == {
        "event": "run",
        "run": "1",
        "resumed": False,
        "datasites": ["a@x.example"],
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("KeyError: 'x'\n  File ...", "KeyError: 'x'"),
        ("", "without a word"),
        ("\n\n", "without a word"),
        ("\x1b[2Jhello\rworld", "\\x1b[2Jhello\\rworld"),
        ("\u202eok", "\\u202eok"),
        ("x" * 5000, "x" * 300),
    ],
)
def test_an_error_of_an_app_is_one_printable_line(text: str, shown: str) -> None:
    assert first_line(text) == shown


def test_the_catalogue_in_the_docs_is_the_one_in_the_code() -> None:
    rows = [line for line in (DOCS / "events.md").read_text().splitlines() if line.startswith("| `")]
    assert rows == [events.row(each) for each in events.catalogue()]


def test_a_heartbeat_says_who_is_waited_for_how_long_and_until_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    began = 1_750_000_000.0  # 15:06:40
    said = events.StillWaiting(("do2@b.example",), began, 840.0, began + 11_600).sentence()
    assert said == "Still waiting for do2@b.example, 14 min; until 18:20."
    said = events.StillWaiting(("do2@b.example",), began, 840.0, began + 90_000).sentence()
    assert "until 16 Jun 16:06" in said
    assert "no limit" in events.StillWaiting(("do2@b.example",), began, 7200.0).sentence()
