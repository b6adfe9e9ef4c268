"""What a person reads while a run goes on: sentences, whatever a peer has written."""

import pytest

from syft_flwr_cli import events
from syft_flwr_cli.ui.console_reporter import ConsoleReporter

PEER = "bob@b.example"


def said(*happened: events.Event, verbose: bool = False) -> str:
    lines: list[str] = []
    report = ConsoleReporter(verbose, say=lambda text, **how: lines.append(text))
    for event in happened:
        report(event)
    return "\n".join(lines)


def test_a_rejection_names_the_file_the_peer_the_reason_and_what_to_do() -> None:
    def rejected(detail: str, hint: str = "") -> events.Event:
        return events.MessageRejected(PEER, "in/rpc/a.request", "version", detail, hint)

    assert (
        said(rejected("It is of version 2.")) == f"Refused a.request of {PEER} (version): It is of version 2."
    )
    assert said(rejected("It is.", "Update syft-flwr.")).endswith("It is.\n    Update syft-flwr.")
    assert said(rejected("it is for another app")).endswith("(version): it is for another app.")


def test_what_an_aggregator_calls_things_moves_no_cursor() -> None:
    shown = said(
        events.RequestExecuting("m", "train\x1b[2J", 1, "1"),
        events.RunStopped("1", "done\x1b[2J\u202e.", 2),
        events.MessageRejected(PEER, "a\nRun 1 is complete.request", "malformed", "x\ny"),
    )
    assert "\x1b" not in shown and "\u202e" not in shown
    assert "done\\x1b[2J\\u202e. Answered 2 requests." in shown
    assert shown.count("\n") == 2


def test_waiting_for_a_key_is_said_once_for_each_peer() -> None:
    waiting = events.KeyAwaited(PEER)
    shown = said(waiting, waiting, events.KeyAwaited("carol@c.example"), waiting)
    assert shown.count("Waiting for") == 2 and shown.count(PEER) == 1


def test_a_failing_store_is_said_once_a_minute() -> None:
    now, lines = [0.0], []
    report = ConsoleReporter(say=lambda text, **how: lines.append(text), clock=lambda: now[0])
    for second in (0, 30, 59, 61, 62):
        now[0] = second
        report(events.StoreFailed("The disk is full."))
    assert len(lines) == 2


def test_an_error_that_names_what_it_was_before_is_said_once() -> None:
    same = "ModuleNotFoundError (the data owner can look up error 00000001)"
    shown = said(*(events.ResponseReceived(PEER, f"m{number}", same) for number in range(3)))
    assert shown == f"{PEER} reports an error: {same}"


def test_details_are_shown_with_verbose_alone() -> None:
    sent, plain = events.RequestSent(PEER, "m"), events.ResponseReceived(PEER, "m")
    failed = events.ResponseReceived(PEER, "m", "KeyError: 'x'")
    assert said(sent, plain, failed) == f"{PEER} reports an error: KeyError: 'x'"
    assert len(said(sent, plain, failed, verbose=True).splitlines()) == 3


def test_no_text_of_others_reaches_a_terminal_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Error texts, file names, keys of TOML: whatever is printed goes through one function."""
    from rich.table import Table

    from syft_flwr_cli.ui import output

    evil = "\x1b[2J\x1b]0;title\x07\x9b31m\u202egnp.exe\u200b\r\x08"
    table = Table("name")
    table.add_row(evil)
    output.out().print(evil, markup=False)
    output.out().print(table)
    output.note(f"a note on {evil}")
    output.fail(f"It says {evil}.", f"hint {evil}", 1, as_json=True)
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert not {sign for sign in text if sign in "\x1b\x07\x9b\u202e\u200b\r\x08"}, text
    assert "\\x1b[2J" in shown.err and "\\u202e" in shown.out


def test_who_waits_for_somebody_who_was_never_here_is_asked_whether_the_address_is_right() -> None:
    assert "Is the e-mail right" in said(events.OfferAwaited(PEER, known=False))
    assert "Is the e-mail right" not in said(events.OfferAwaited(PEER))
