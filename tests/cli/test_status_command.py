"""``syft-flwr status`` as it is typed, by an aggregator and by data owners, while runs go on and after them."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transcript import Shell

from syft_flwr_cli.errors import EXIT_NOT_A_PROJECT, TrustError
from syft_flwr_cli.protocol.states import Event, Incoming, Outgoing
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.storage.journal import Answer, Journal, Request, RequestMeta, RequestRow
from syft_flwr_cli.storage.locks import FileLock
from syft_flwr_cli.storage.paths import app_dir, participant_dir
from syft_flwr_cli.transports.base import CallCosts
from syft_flwr_cli.transports.gdrive.journal import FileRow
from syft_flwr_cli.transports.gdrive.journal import Journal as DriveJournal

ALICE, BOB, CAROL = "alice@a.example", "bob@b.example", "carol@c.example"
APP = "alice@a.example_study_1700000000"
RUN, BEFORE = "4611686018427387904", "1152921504606846976"
NOW = 1_750_000_000.0

PYPROJECT = f"""\
[project]
name = "study"
version = "1.0.0"

[tool.flwr.app.components]
serverapp = "study.server_app:app"
clientapp = "study.client_app:app"

[tool.syft_flwr]
app_name = "{APP}"
aggregator = "{ALICE}"
datasites = ["{BOB}", "{CAROL}"]
transport = "local"
"""


def identity(email: str, seed: str = "") -> Identity:
    return Identity.create(email, NOW, hashlib.shake_256((email + seed).encode()).digest(SECRETS_SIZE))


def request(number: int, recipient: str, state: Outgoing, round_number: int) -> RequestRow:
    return RequestRow(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        run=RUN,
        recipient=recipient,
        sequence_number=number,
        state=state,
        digest=bytes(32),
        outline={},
        meta=RequestMeta(60.0, round=round_number),
        created=NOW + number,
        expires=NOW + 60,
        body=b"x",
        envelope=None,
        digests=(),
        refs=(),
        reply=None,
        replied=None,
    )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, tmp_path / "home")


def journal(shell: Shell, email: str) -> Journal:
    return Journal(app_dir(shell.home, email, APP) / "journal.sqlite3")


def aggregator_in_round_two(shell: Shell) -> None:
    """Bob has answered round 1 and is awaited in round 2; Carol has published no key, and a stranger is about."""
    mine = journal(shell, ALICE)
    mine.begin_run(BEFORE, "aggregator", NOW - 9000, {}, {})
    mine.end_run(BEFORE, "finished", NOW - 8000, "the run is complete", {})
    mine.begin_run(RUN, "aggregator", NOW, {}, {})
    first = request(0, BOB, Outgoing.SEALED, 1)
    rest = [request(1, BOB, Outgoing.SEALED, 2), request(2, CAROL, Outgoing.WAITING, 2)]
    stop = replace(request(9, BOB, Outgoing.SEALED, 2), sequence_number=-1)
    mine.add_sent([first, *rest, stop], [])
    mine.answer([Answer(first.id, b"reply", NOW + 5, {})])
    for _ in range(3):
        mine.quarantine("d1", BOB, "in/a.response", "signature", "The message is not signed.", NOW + 6, {})
    mine.quarantine("d2", CAROL, "in/b\\x1b.response", "garbage", "No\x1b[2J header.", NOW + 7, {})
    mine.close()
    roster = Roster(participant_dir(shell.home, ALICE) / "roster.json")
    roster.admit(identity(BOB).public, NOW)
    roster.verify(BOB, identity(BOB).public.words, NOW + 1)


def state_of(place: Path) -> dict[str, tuple[int, int, int]]:
    """Every file and folder with its size, mode and time of change."""
    facts = {path: path.lstat() for path in [place, *place.rglob("*")]}
    return {str(path): (fact.st_size, fact.st_mode, fact.st_mtime_ns) for path, fact in facts.items()}


def document(shell: Shell, *words: str, **environ: str) -> Any:
    answer = shell.run("status", "--json", *words, **environ)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)["data"]


def test_where_nothing_has_run_it_says_what_to_do(shell: Shell) -> None:
    shell.follows("""
$ syft-flwr status
Nothing has run here yet.
next: syft-flwr init, or change into the folder of a project
$ syft-flwr status --json
{
  "schema_version": 1,
  "status": "ok",
  "data": {
    "apps": [],
    "next": "syft-flwr init, or change into the folder of a project"
  }
}
""")


def test_an_aggregator_sees_the_round_who_is_awaited_and_why_and_what_was_refused(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    shell.follows(f"""
$ syft-flwr status
participant  {ALICE}, aggregator
app          {APP}
process      none; nothing is sent or answered at the moment
run          {RUN} paused, begun 2025-06-15 15:06:40 UTC, round 2, 1 answered, 1 awaited, 1 waiting for a key
                waiting for {BOB} since 2025-06-15 15:06:41 UTC: it has not answered
                waiting for {CAROL} since 2025-06-15 15:06:42 UTC: it has published no key yet
             {BEFORE} finished 2025-06-15 12:53:20 UTC: the run is complete
refused      1x garbage: No\\x1b[2J header.
                in/b\\x1b.response of {CAROL}, first 2025-06-15 15:06:47 UTC
             3x signature: The message is not signed.
                in/a.response of {BOB}, first 2025-06-15 15:06:46 UTC
keys         {BOB}  {identity(BOB).public.words}  verified 2025-06-15 15:06:41 UTC
space        … kB at home
next: syft-flwr run-server --email {ALICE}
""")


def test_a_data_owner_sees_what_it_has_done_and_which_key_nobody_has_compared(shell: Shell) -> None:
    his = journal(shell, BOB)
    his.begin_run(RUN, "data owner", NOW, {}, {})
    for number in range(3):
        mid = f"{number:08x}-0000-4000-8000-000000000000"
        his.claim(Request(mid, RUN, ALICE, Incoming.CLAIMED, "d", NOW, 0, None, (), "train"), {})
        if number < 2:
            his.finish(mid, b"response", [], None, NOW + 1, [])
    his.acknowledged(["00000000-0000-4000-8000-000000000000"])
    his.close()
    Roster(participant_dir(shell.home, BOB) / "roster.json").admit(identity(ALICE).public, NOW)
    shell.follows(f"""
$ syft-flwr status --email {BOB}
participant  {BOB}, data owner
app          {APP}
process      none; nothing is sent or answered at the moment
run          {RUN} paused, begun 2025-06-15 15:06:40 UTC, 1 answered and taken, 1 answered, 1 in work
keys         {ALICE}  {identity(ALICE).public.words}  pinned 2025-06-15 15:06:40 UTC, never compared
space        … kB at home
next: syft-flwr run-client --email {BOB}
""")


def test_json_has_it_all(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    (app,) = document(shell)["apps"]
    assert (app["email"], app["app_name"], app["role"], app["process"]) == (ALICE, APP, "aggregator", None)
    run, before = app["runs"]
    assert (run["run"], run["state"], run["round"], run["ended"]) == (RUN, "running", 2, None)
    assert run["messages"] == {"answered": 1, "sealed": 1, "waiting": 1}
    assert run["awaited"] == [
        {"email": BOB, "since": NOW + 1, "requests": 1, "no_key": False},
        {"email": CAROL, "since": NOW + 2, "requests": 1, "no_key": True},
    ]
    assert (before["state"], before["reason"], before["awaited"]) == ("finished", "the run is complete", [])
    assert app["refused_by_reason"] == {"garbage": 1, "signature": 3}
    assert [(one["owner"], one["reason"], one["times"]) for one in app["refused"]] == [
        (CAROL, "garbage", 1),
        (BOB, "signature", 3),
    ]
    (key,) = app["keys"]
    assert (key["email"], key["verified"], key["offered"]) == (BOB, NOW + 1, None)
    assert key["fingerprint"] == identity(BOB).public.fingerprint
    assert app["bytes_kept"] > 1000 and app["bytes_shared"] is None


def test_looking_makes_and_changes_nothing(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    before = state_of(shell.home)
    shell.run("status")
    assert state_of(shell.home) == before


def test_it_looks_while_a_process_works_and_says_which(shell: Shell) -> None:
    """The journal is open, with what was written last still beside it, and the lock is held."""
    aggregator_in_round_two(shell)
    directory = app_dir(shell.home, ALICE, APP)
    with FileLock(directory / "lock", clock=lambda: NOW) as lock:
        assert lock.try_acquire("a test")
        mine = journal(shell, ALICE)
        mine.give_up(["00000001-0000-4000-8000-000000000000"], Event.DEADLINE, {})
        before = {path.name for path in directory.iterdir()}
        (app,) = document(shell)["apps"]
        assert app["process"] == {"pid": os.getpid(), "since": NOW}
        assert app["runs"][0]["messages"] == {"absent": 1, "answered": 1, "waiting": 1}
        assert {path.name for path in directory.iterdir()} == before
        said = shell.run("status")
        assert f"process      {os.getpid()}, since 2025-06-15 15:06:40 UTC" in said.lines
        # The lock was not touched: who holds it goes on to hold it, and the journal can be written.
        mine.give_up(["00000002-0000-4000-8000-000000000000"], Event.DEADLINE, {})
        mine.close()
    assert document(shell)["apps"][0]["process"] is None


def test_a_process_that_was_killed_holds_nothing_and_its_journal_can_be_read(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    directory = app_dir(shell.home, ALICE, APP)
    program = (
        "import os, sys; from pathlib import Path; place = Path(sys.argv[1])\n"
        "from syft_flwr_cli.storage.locks import FileLock; from syft_flwr_cli.storage.journal import Journal\n"
        "FileLock(place / 'lock').try_acquire('it'); mine = Journal(place / 'journal.sqlite3')\n"
        f"mine.end_run('{RUN}', 'failed', {NOW + 50}, 'killed soon', {{}}); os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(directory)])
    assert killed.returncode == -9 and (directory / "journal.sqlite3-wal").stat().st_size > 0
    before = state_of(directory)
    (app,) = document(shell)["apps"]
    assert (app["runs"][0]["state"], app["runs"][0]["reason"]) == ("failed", "killed soon")
    assert app["process"] is None
    assert {path: facts[0] for path, facts in state_of(directory).items()} == {
        path: facts[0] for path, facts in before.items()
    }


def test_a_changed_key_is_shown_with_the_command_to_type(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    mine = journal(shell, ALICE)
    mine.end_run(RUN, "finished", NOW + 60, "the run is complete", {})
    mine.close()
    other = identity(BOB, "other").public
    with pytest.raises(TrustError):
        Roster(participant_dir(shell.home, ALICE) / "roster.json").admit(other, NOW + 9)
    said = shell.run("status")
    assert f"; it now shows {other.words}, which is refused" in said.out
    assert f'next: syft-flwr keys trust {BOB} --words "THE WORDS YOU HEARD" --email {ALICE}' in said.err


def test_after_a_run_the_next_command_is_about_keys_and_then_about_evidence(shell: Shell) -> None:
    mine = journal(shell, BOB)
    mine.begin_run(RUN, "data owner", NOW, {}, {})
    mine.end_run(RUN, "finished", NOW + 60, "the run is complete", {})
    mine.close()
    roster = Roster(participant_dir(shell.home, BOB) / "roster.json")
    roster.admit(identity(ALICE).public, NOW)
    assert document(shell)["next"] == f"syft-flwr keys verify {ALICE} --email {BOB}"
    roster.verify(ALICE, identity(ALICE).public.words, NOW)
    assert document(shell)["next"] == f"syft-flwr audit verify --email {BOB}"


def test_who_and_which_app_can_be_chosen(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    journal(shell, BOB).close()
    Journal(app_dir(shell.home, BOB, "carol@c.example_other_1") / "journal.sqlite3").close()
    project = shell.folder / "study"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)

    def found(*words: str, **environ: str) -> list[tuple[str, str]]:
        return [(app["email"], app["app_name"]) for app in document(shell, *words, **environ)["apps"]]

    other = "carol@c.example_other_1"
    assert found() == [(ALICE, APP), (BOB, APP), (BOB, other)]
    assert found("--email", BOB) == [(BOB, APP), (BOB, other)]
    assert found(SYFTBOX_EMAIL=ALICE) == [(ALICE, APP)]
    assert found("study") == [(ALICE, APP), (BOB, APP)]
    assert found("study", "--email", CAROL) == []
    assert document(shell, "study", "--email", CAROL)["next"] == f"syft-flwr run-client study --email {CAROL}"


def test_space_in_the_shared_folder_is_counted_for_oneself_and_this_app(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    root = shell.folder / "shared"
    for path, size in (
        (f"{ALICE}/syft_outbox_inbox_{ALICE}_to_{BOB}/{APP}/rpc/messages/a.request", 100),
        (f"{ALICE}/syft_outbox_inbox_{ALICE}_to_all/{APP}/payloads/b.payload", 2000),
        (f"{ALICE}/syft_outbox_inbox_{ALICE}_to_{BOB}/another_app/rpc/messages/c.request", 40_000),
        (f"{BOB}/syft_outbox_inbox_{BOB}_to_{ALICE}/{APP}/rpc/messages/a.response", 500_000),
    ):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(bytes(size))
    (shell.home / "settings.toml").write_text(f'[apps."{APP}"]\nroot = "{root}"\n')
    assert document(shell)["apps"][0]["bytes_shared"] == 2100
    project = shell.folder / "study"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)
    assert document(shell, "study")["apps"][0]["bytes_shared"] == 2100
    assert ", 2.1 kB in the shared folder" in shell.run("status").out


def test_what_was_asked_of_google_drive_is_told(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    assert document(shell)["apps"][0]["drive"] == {}
    assert "quota units" not in shell.run("status").out
    drive = DriveJournal(participant_dir(shell.home, ALICE) / "transport" / "gdrive")
    drive.add_calls({"files.create": CallCosts(11, 550, sent=4_000_000), "files.list": CallCosts(2, 200)})
    for name, size, state in (("a", 2_000_000, "there"), ("b", 500_000, "there"), ("c", 9, "planned")):
        drive.put_file(FileRow(name, name, name, size, "", state))
    assert document(shell)["apps"][0]["bytes_in_stores"] == {"gdrive": 2_500_000}
    assert document(shell)["apps"][0]["drive"] == {
        "files.create": {"count": 11, "units": 550, "sent": 4_000_000, "received": 0},
        "files.list": {"count": 2, "units": 200, "sent": 0, "received": 0},
    }
    assert "13 calls for 750 quota units so far" in shell.run("status").out
    drive.close()


def test_a_folder_that_is_no_project_is_said_to_be_none(shell: Shell) -> None:
    answer = shell.run("status", "nowhere")
    assert answer.code == EXIT_NOT_A_PROJECT and "error:" in answer.err


def test_a_journal_of_a_later_version_is_named(shell: Shell) -> None:
    import sqlite3

    aggregator_in_round_two(shell)
    path = app_dir(shell.home, ALICE, APP) / "journal.sqlite3"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    answer = shell.run("status")
    assert answer.code == 1
    assert f"error: The journal {path} was written by a newer version of syft-flwr" in answer.err
    path.write_bytes(b"noise" * 1000)
    answer = shell.run("status")
    assert answer.code == 1 and f"error: The journal {path} cannot be read" in answer.err


def test_more_than_ten_refusals_are_counted_and_json_shows_them_all(shell: Shell) -> None:
    aggregator_in_round_two(shell)
    mine = journal(shell, ALICE)
    for number in range(20):
        mine.quarantine(f"d{number}", BOB, f"in/{number}.response", "damaged", "It is cut off.", NOW, {})
    mine.close()
    assert "             and 12 more refused files; --json shows them all" in shell.run("status").lines
    assert len(document(shell)["apps"][0]["refused"]) == 22
