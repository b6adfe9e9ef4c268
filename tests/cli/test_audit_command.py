"""``syft-flwr audit`` as two participants type it."""

import json
from pathlib import Path

import pytest
from desk import Desk

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.security.identity import Identity, load_or_create
from syft_flwr_cli.security.roster import Roster

APP = "alice@a.example_study_1700000000"


@pytest.fixture
def bob(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "bob")


@pytest.fixture
def alice(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "alice", email="alice@a.example")


def identity(desk: Desk) -> Identity:
    return load_or_create(desk.participant, desk.email, 1.0)[0]


@pytest.fixture
def exchanged(alice: Desk, bob: Desk) -> None:
    """Alice sent Bob two requests; he noted her head with each, and a message of another app between."""
    hers, his = (AuditLog(desk.log, identity(desk), clock=lambda: 1.7e9) for desk in (alice, bob))
    for number in range(2):
        head = hers.append([{"event": "run-started", "app": APP, "run": "1"}])
        hers.append([{"event": "sent", "app": APP, "peer": "bob@b.example", "digest": f"{number:064x}"}])
        his.append(
            [
                {"event": "received", "app": APP, "peer": "alice@a.example", "peer_head": head},
                {"event": "received", "app": "another", "peer": "carol@c.example", "peer_head": "ab" * 32},
            ]
        )


@pytest.mark.usefixtures("exchanged")
def test_show_is_a_timeline(alice: Desk) -> None:
    lines = alice.type("audit", "show").stdout.splitlines()
    assert [line.split()[:6] for line in lines[1:3]] == [
        ["2", "2023-11-14", "22:13:20", "UTC", "run-started", f"app={APP}"],
        ["3", "2023-11-14", "22:13:20", "UTC", "sent", "bob@b.example"],
    ]
    assert lines[2].endswith("digest=000000000000")


@pytest.mark.usefixtures("exchanged")
def test_show_can_be_narrowed(bob: Desk) -> None:
    assert len(bob.json("audit", "show")["entries"]) == 5
    assert len(bob.json("audit", "show", "--app", APP)["entries"]) == 2
    (last,) = bob.json("audit", "show", "--last", "1")["entries"]
    assert (last["seq"], last["peer"]) == (5, "carol@c.example")


@pytest.mark.usefixtures("exchanged")
def test_verify_says_what_it_checked_and_what_it_cannot_know(bob: Desk) -> None:
    done = bob.type("audit", "verify")
    assert "The record of bob@b.example verifies: 5 entries from 2023-11-14 22:13:20 UTC" in done.stdout
    assert "only a peer's log can show" in done.stderr
    facts = bob.json("audit", "verify")
    assert (facts["entries"], facts["peers"]) == (5, [])


@pytest.mark.usefixtures("exchanged")
@pytest.mark.parametrize("place", [100, -2, -1])
def test_a_flipped_byte_is_exit_16_and_names_the_entry(bob: Desk, place: int) -> None:
    data = bytearray(bob.log.read_bytes())
    data[place] ^= 1
    bob.log.write_bytes(data)
    bad = 1 if place == 100 else 5
    refused = bob.type("audit", "verify", code=16)
    assert refused.stderr.startswith(f"error: Entry {bad} of {bob.log} does not verify: ")
    assert "hint: Keep this file as it is" in refused.stderr
    assert bob.json("audit", "verify", code=16)["exit_code"] == 16


@pytest.mark.usefixtures("exchanged")
def test_dropped_last_entries_show_with_the_log_of_a_peer(alice: Desk, bob: Desk) -> None:
    copy = bob.place / "for-alice.jsonl"
    bob.type("audit", "export", "--output", str(copy))
    said = alice.type("audit", "verify", "--peer-log", str(copy))
    assert "bob@b.example saw 2 heads of this log; all of them are in it." in said.stdout
    kept = alice.log.read_bytes().splitlines(keepends=True)[:-2]
    alice.log.write_bytes(b"".join(kept))
    alice.type("audit", "verify")
    refused = alice.type("audit", "verify", "--peer-log", str(copy), code=16)
    assert "entries were dropped or rewritten" in refused.stderr


@pytest.mark.usefixtures("exchanged")
def test_an_export_for_one_app_hides_the_others_and_verifies(alice: Desk, bob: Desk) -> None:
    copy = bob.place / "for-alice.jsonl"
    bob.type("audit", "export", "--app", APP, "--output", str(copy))
    assert b"carol" not in copy.read_bytes()
    (peer,) = alice.json("audit", "verify", "--peer-log", str(copy))["peers"]
    assert (peer["email"], peer["entries"], peer["withheld"], peer["heads_seen"]) == (
        "bob@b.example",
        5,
        2,
        2,
    )
    shown = alice.type("audit", "show", str(copy)).stdout
    assert shown.count("(withheld)") == 2 and shown.count("received") == 2


@pytest.mark.usefixtures("exchanged")
def test_a_peer_that_is_not_in_the_roster_is_pointed_out(alice: Desk, bob: Desk) -> None:
    said = alice.type("audit", "verify", "--peer-log", str(bob.log))
    assert "warning: bob@b.example is not in your roster" in said.stderr
    Roster(alice.participant / "roster.json").admit(identity(bob).public, 1.0)
    said = alice.type("audit", "verify", "--peer-log", str(bob.log))
    assert "warning" not in said.stderr
    assert alice.json("audit", "verify", "--peer-log", str(bob.log))["peers"][0]["in_roster"]


@pytest.mark.usefixtures("exchanged")
def test_a_log_of_somebody_with_the_name_of_a_known_peer_is_refused(
    alice: Desk, bob: Desk, tmp_path: Path
) -> None:
    Roster(alice.participant / "roster.json").admit(identity(bob).public, 1.0)
    mallory = Desk(tmp_path / "mallory", email="bob@b.example")
    AuditLog(mallory.log, identity(mallory)).append([{"event": "received", "peer": "alice@a.example"}])
    refused = alice.type("audit", "verify", "--peer-log", str(mallory.log), code=16)
    assert "keys that are not those known of bob@b.example" in refused.stderr


@pytest.mark.usefixtures("exchanged")
def test_an_export_overwrites_nothing(bob: Desk) -> None:
    assert "cannot be written" in bob.type("audit", "export", "-o", str(bob.log), code=1).stderr
    bob.type("audit", "verify")


def test_without_a_log_there_is_a_sentence_and_exit_16(bob: Desk) -> None:
    identity(bob)
    for command in (["show"], ["verify"]):
        assert "There is no audit log" in bob.type("audit", *command, code=16).stderr


def test_the_only_participant_of_a_machine_is_meant(bob: Desk) -> None:
    bob.type("review", "study", "--approve")
    bob.variables.pop("SYFTBOX_EMAIL")
    assert bob.json("audit", "verify")["email"] == "bob@b.example"


def test_who_is_meant_has_to_be_said_where_there_are_several(bob: Desk) -> None:
    bob.type("review", "study", "--approve")
    bob.type("review", "study", "--approve", "--email", "carol@c.example")
    bob.variables.pop("SYFTBOX_EMAIL")
    refused = bob.type("audit", "verify", code=2)
    assert "hint: Give one with --email: bob@b.example, carol@c.example." in refused.stderr


def test_text_in_a_log_cannot_move_the_cursor(bob: Desk) -> None:
    AuditLog(bob.log, identity(bob)).append([{"event": "refused", "sentence": "a\x1b[2Kb\u202ec"}])
    assert r"sentence=a\x1b[2Kb\u202ec" in bob.type("audit", "show").stdout


def test_json_entries_are_the_lines_of_the_log(bob: Desk) -> None:
    bob.type("review", "study", "--approve")
    lines = [json.loads(line) for line in bob.log.read_text().splitlines()]
    assert bob.json("audit", "show")["entries"] == lines
