"""What a person reads while a run goes on: sentences, whatever a peer has written."""

from typing import Any

import pytest

from syft_flwr_cli.ui.narrate import Narrator

PEER = "bob@b.example"


def said(event: str, **facts: Any) -> str:
    lines: list[str] = []
    Narrator(say=lambda text, **how: lines.append(text))(event, facts)
    return "\n".join(lines)


def test_a_refusal_names_the_file_the_peer_the_reason_and_what_to_do() -> None:
    facts = {"peer": PEER, "path": "in/rpc/a.request", "reason": "version", "sentence": "It is of version 2."}
    assert said("refused", **facts) == f"Refused a.request of {PEER} (version): It is of version 2."
    assert said("refused", **facts, hint="Update syft-flwr.").endswith("version 2.\n    Update syft-flwr.")
    facts["sentence"] = "it is for another app"
    assert said("refused", **facts).endswith("(version): it is for another app.")


@pytest.mark.parametrize("event", ["received", "answered"])
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
def test_an_error_of_an_app_is_one_printable_line(event: str, text: str, shown: str) -> None:
    line = said(event, peer=PEER, error=(2, text))
    assert line.endswith(f": {shown}") and "\n" not in line


def test_what_an_aggregator_calls_things_moves_no_cursor() -> None:
    told = said("executing", type="train\x1b[2J", round=1) + said(
        "stopped", run="1", reason="done\x1b[2J\u202e.", answered=2
    )
    assert "\x1b" not in told and "\u202e" not in told
    assert "done\\x1b[2J\\u202e. Answered 2 requests." in told


def test_waiting_for_a_key_is_said_once() -> None:
    lines: list[str] = []
    narrate = Narrator(say=lambda text, **how: lines.append(text))
    for _ in range(3):
        narrate("no-key", {"peer": PEER})
    assert lines == [f"Waiting for {PEER}: it has published no key yet (its run-client has not started)."]
