"""Attacks on a data owner: requests that somebody drops into the folder in which it looks for the aggregator's.

One run, in which one data owner waits in the middle of round 1 while everything below is dropped before the
other. Each file would be executed if it were believed: most hold the very message that the aggregator sent.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from forgery import header_of, line_of, plaintext_of, sealed, signed, unsealed
from integration.participants import Process, until
from scene import AGGREGATOR, DO1, DO2, STRANGER, Scene, drop, envelope, new_id, new_identity

from syft_flwr_cli.delivery.quarantine import in_ascii
from syft_flwr_cli.protocol.body import Stop, decode_body, encode_body
from syft_flwr_cli.protocol.names import rpc_folder
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.storage.journal_reader import Refusal, look_at_journal


class Booty:
    """What the attackers start from: the aggregator's genuine request of round 1, opened, and everybody's keys."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.folder = scene.requests_to(DO1)
        self.file = scene.only(self.folder, ".request")
        self.other = scene.only(scene.requests_to(DO2), ".request")
        self.genuine = envelope(self.file)
        self.me: PublicIdentity = scene.keys(DO1).public
        self.aggregator = scene.keys(AGGREGATOR)
        self.neighbour = scene.keys(DO2)
        self.mallory = new_identity(STRANGER)
        self.plaintext = plaintext_of(self.genuine, scene.keys(DO1))
        body = decode_body(self.plaintext)
        stop = Stop("go home")
        self.stop = encode_body(replace(body, type="system", stop=stop, payloads=(), slots=(), inline=b""))

    def header(self, **changes: object) -> dict[str, object]:
        """The genuine header under a new id, with changes."""
        return header_of(self.genuine, **{"id": new_id(), **changes})

    def drop(self, header: dict[str, object], data: bytes) -> str:
        """Drop a request under the name that its header asks for."""
        return drop(self.folder / f"{header['id']}.request", data).name


def unsigned_in_the_clear(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, unsealed(header, booty.plaintext, None))


def in_the_clear_signed_by_a_stranger(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, unsealed(header, booty.plaintext, booty.mallory))


def in_the_clear_signed_by_the_aggregator(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, unsealed(header, booty.plaintext, booty.aggregator))


def by_a_stranger_in_his_own_name(booty: Booty) -> str:
    header = booty.header(sender=STRANGER)
    return booty.drop(header, sealed(header, booty.plaintext, booty.mallory, booty.me))


def by_a_stranger_in_the_aggregators_name(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, booty.plaintext, booty.mallory, booty.me))


def by_another_data_owner_in_the_aggregators_name(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, booty.plaintext, booty.neighbour, booty.me))


def an_old_request_under_a_new_name(booty: Booty) -> str:
    return drop(booty.folder / f"{new_id()}.request", booty.file.read_bytes()).name


def downgraded_by_its_header(booty: Booty) -> str:
    header = booty.header()
    line = line_of({**header, "suite": "none", "size": len(booty.plaintext)})
    return booty.drop(header, line + booty.plaintext + booty.genuine.signature)


def with_a_suite_that_nobody_knows(booty: Booty) -> str:
    header = booty.header(suite="ROT13")
    line = line_of({**header, "size": len(booty.plaintext)})
    return booty.drop(header, signed(line, booty.plaintext, booty.aggregator))


def of_a_version_to_come(booty: Booty) -> str:
    header = booty.header(version=2)
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me))


def the_neighbours_own_request(booty: Booty) -> str:
    return drop(booty.folder / booty.other.name, booty.other.read_bytes()).name


def sealed_for_another_recipient(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.neighbour.public))


def a_body_under_another_header(booty: Booty) -> str:
    header = booty.header()
    data = sealed(header, booty.plaintext, booty.aggregator, booty.me, info=b"syft-flwr body 1\0other\n")
    return booty.drop(header, data)


def a_body_taken_from_another_message(booty: Booty) -> str:
    header = booty.header(suite=booty.genuine.header.suite, size=booty.genuine.header.size)
    return booty.drop(header, signed(line_of(header), bytes(booty.genuine.body), booty.aggregator))


def with_one_flipped_bit(booty: Booty) -> str:
    header = booty.header()
    data = bytearray(sealed(header, booty.plaintext, booty.aggregator, booty.me))
    data[-100] ^= 1
    return booty.drop(header, bytes(data))


def longer_than_its_header_says(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me) + b"\0")


def cut_off(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me)[:-1])


def announcing_a_terabyte(booty: Booty) -> str:
    header = booty.header(size=1 << 40)
    return booty.drop(header, signed(line_of(header), b"x", booty.aggregator))


def a_header_without_end(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, b'{"format":"syft-flwr",' + b" " * (8 << 20))


def a_header_of_nested_lists(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, b"[" * 4000 + b"\n" + bytes(100))


def a_header_with_a_key_twice(booty: Booty) -> str:
    header = booty.header()
    line = line_of(header)[:-2] + b',"recipient":"do2@b.example"}\n'
    return booty.drop(header, signed(line, b"", booty.aggregator))


def for_another_app(booty: Booty) -> str:
    header = booty.header(app="ds@lab.example_other_1700000000")
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me))


def for_another_endpoint(booty: Booty) -> str:
    header = booty.header(endpoint="shell")
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me))


def for_another_participant_by_its_header(booty: Booty) -> str:
    header = booty.header(recipient=DO2)
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me))


def a_response_called_a_request(booty: Booty) -> str:
    header = booty.header(kind="response", answers="0" * 64)
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me))


def that_expired_yesterday(booty: Booty) -> str:
    header = booty.header(created=time.time() - 90_000, expires=time.time() - 86_400)
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me))


def from_the_aggregator_in_upper_case(booty: Booty) -> str:
    header = booty.header(sender=AGGREGATOR.upper())
    return booty.drop(header, sealed(header, booty.plaintext, booty.aggregator, booty.me))


def from_a_look_alike_of_the_aggregator(booty: Booty) -> str:
    header = booty.header(sender="ds@l\u0430b.example")
    return booty.drop(header, sealed(header, booty.plaintext, new_identity(STRANGER), booty.me))


def a_stop_signal_of_a_stranger(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, booty.stop, booty.mallory, booty.me))


def a_stop_signal_of_another_data_owner(booty: Booty) -> str:
    header = booty.header(sender=DO2)
    return booty.drop(header, sealed(header, booty.stop, booty.neighbour, booty.me))


def another_data_owners_stop_signal_in_the_aggregators_name(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, booty.stop, booty.neighbour, booty.me))


def a_genuine_body_that_makes_no_sense(booty: Booty) -> str:
    header = booty.header()
    return booty.drop(header, sealed(header, b"\xff" * 64, booty.aggregator, booty.me))


UNKNOWN_KEY = f"not signed by the key known for {AGGREGATOR}"

ATTACKS = {
    unsigned_in_the_clear: ("signature", UNKNOWN_KEY),
    in_the_clear_signed_by_a_stranger: ("signature", UNKNOWN_KEY),
    in_the_clear_signed_by_the_aggregator: ("plaintext", "sent this message unsealed; encryption is on here"),
    by_a_stranger_in_his_own_name: ("stranger", f"from {STRANGER}, who is not the aggregator"),
    by_a_stranger_in_the_aggregators_name: ("signature", UNKNOWN_KEY),
    by_another_data_owner_in_the_aggregators_name: ("signature", UNKNOWN_KEY),
    an_old_request_under_a_new_name: ("replayed", "another name than the id it was signed with"),
    downgraded_by_its_header: ("signature", UNKNOWN_KEY),
    with_a_suite_that_nobody_knows: ("version", "'ROT13', which is not known here"),
    of_a_version_to_come: ("version", "format version 2; this syft-flwr reads version 1"),
    the_neighbours_own_request: ("misaddressed", f"for {DO2}"),
    sealed_for_another_recipient: ("undecryptable", "does not open with the key it was meant for"),
    a_body_under_another_header: ("undecryptable", "does not open with the key it was meant for"),
    a_body_taken_from_another_message: ("undecryptable", "does not open with the key it was meant for"),
    with_one_flipped_bit: ("signature", UNKNOWN_KEY),
    longer_than_its_header_says: ("damaged", "by its header it should have"),
    cut_off: ("damaged", "by its header it should have"),
    announcing_a_terabyte: ("oversized", "A body of more than 67108864 bytes is announced"),
    a_header_without_end: ("oversized", "The header line has more than 4096 bytes"),
    a_header_of_nested_lists: ("garbage", "The header line is not"),
    a_header_with_a_key_twice: ("garbage", "The header line is not well-formed JSON"),
    for_another_app: ("wrong-app", "for the app ds@lab.example_other_1700000000"),
    for_another_endpoint: ("misaddressed", "no request to this endpoint"),
    for_another_participant_by_its_header: ("misaddressed", f"for {DO2}"),
    a_response_called_a_request: ("misaddressed", "no request to this endpoint"),
    that_expired_yesterday: ("expired", "it expired before it could be executed"),
    from_the_aggregator_in_upper_case: ("garbage", "'sender' is not in its one proper form"),
    from_a_look_alike_of_the_aggregator: ("garbage", "cannot name a participant"),
    a_stop_signal_of_a_stranger: ("signature", UNKNOWN_KEY),
    a_stop_signal_of_another_data_owner: ("stranger", f"from {DO2}, who is not the aggregator"),
    another_data_owners_stop_signal_in_the_aggregators_name: ("signature", UNKNOWN_KEY),
    a_genuine_body_that_makes_no_sense: ("garbage", "the body is not well-formed"),
}


def closed(sentence: str) -> str:
    return sentence.rstrip(".") + "."


NAMES = {
    "no id": b"urgent",
    "an id in upper case": b"0F8FAD5B-D9CB-469F-A165-70867728950E",
    "a dash": b"-",
    "a way up": b"a..%2f..%2f..%2fetc%2fpasswd",
    "backslashes": b"a\\..\\passwd",
    "a line break": b"a\nRefused nothing at all",
    "an escape sequence": b"\x1b[2Jhello",
    "a right-to-left override": "a\u202etseuqer".encode(),
    "a look-alike of a hyphen": "0f8fad5b\u2010d9cb-469f-a165-70867728950e".encode(),
    "bytes that are no text": b"\xff\xfe",
    "as much as a name can hold": b"a" * 240,
    "two endings": b"0f8fad5b-d9cb-469f-a165-70867728950e.request",
}


@dataclass
class Run:
    """The one run, after it."""

    scene: Scene
    client: Process
    refused: dict[str, Refusal]
    dropped: dict[object, str]
    odd: dict[str, str]
    tricks: list[str]
    document: dict[str, Any]


def refusals(scene: Scene) -> dict[str, Refusal]:
    """What the data owner says that it refused, by the name of the file."""
    journal = look_at_journal(scene.kept_by(DO1) / "journal.sqlite3")
    return {refusal.path.rpartition("/")[2]: refusal for refusal in journal.refused}


def name_without_meaning(booty: Booty, name: bytes) -> str:
    """Drop a genuine request under a name that no message has; the name as it is told."""
    path = booty.folder / os.fsdecode(name + b".request")
    return in_ascii(drop(path, booty.file.read_bytes()).name)


def no_plain_files(booty: Booty) -> dict[str, str]:
    """Links to what is not meant for us, a pipe that would hold a reader for ever, a folder; what each is."""
    outside = drop(booty.scene.place / "outside" / "secret", booty.file.read_bytes())
    made = [booty.folder / f"{new_id()}.request" for _ in range(4)]
    made[0].symlink_to(outside)
    made[1].symlink_to("/dev/zero")
    os.mkfifo(made[2])
    made[3].mkdir()
    kinds = ("a symbolic link", "a symbolic link", "a pipe", "a folder")
    return {path.name: kind for path, kind in zip(made, kinds, strict=True)}


def where_nobody_looks(booty: Booty) -> list[str]:
    """Stop signals in folders that are no business of this data owner's, signed by whose folders they are."""
    scene, header = booty.scene, booty.header(sender=DO2)
    data = sealed(header, booty.stop, booty.neighbour, booty.me)
    theirs = scene.root / DO2 / rpc_folder(DO2, DO1, scene.app_name)
    shell = booty.folder.with_name("shell")
    upper = scene.root / AGGREGATOR.upper() / rpc_folder(AGGREGATOR, DO1, scene.app_name)
    return [drop(folder / f"{new_id()}.request", data).name for folder in (theirs, shell, upper)]


def attacked(scene: Scene) -> Run:
    """The run, with everything dropped while one data owner waits in the middle of round 1."""
    gate = scene.gate(DO2, "train 1")
    clients = scene.start_clients()
    server = scene.serve()
    gate.reached()
    scene.only(scene.responses_of(DO1), ".response")
    booty = Booty(scene)
    odd, tricks = no_plain_files(booty), where_nobody_looks(booty)
    dropped: dict[object, str] = {attack: attack(booty) for attack in ATTACKS}
    dropped.update({name: name_without_meaning(booty, name) for name in NAMES.values()})
    dropped.update({name: name for name in odd})
    until(lambda: set(dropped.values()) <= set(refusals(scene)), "a refusal of everything")
    document = scene.run("status", "--json", "--email", DO1, email=DO1).data
    gate.open()
    server.wait(0)
    for client in clients:
        client.wait(0)
    return Run(scene, clients[0], refusals(scene), dropped, odd, tricks, document)


def test_forged_and_foreign_requests_are_refused_each_with_a_sentence(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    run = attacked(scene)
    for attack, (reason, words) in ATTACKS.items():
        with subtests.test(attack.__name__):
            name = run.dropped[attack]
            refusal = run.refused[name]
            assert (refusal.reason, refusal.owner) == (reason, AGGREGATOR)
            assert words in refusal.sentence
            said = [line for line in run.client.err.splitlines() if line.startswith(f"Refused {name}")]
            assert said == [f"Refused {name} of {AGGREGATOR} ({reason}): {closed(refusal.sentence)}"]
    for what, plain in NAMES.items():
        with subtests.test(f"a genuine request whose name is {what}"):
            name = run.dropped[plain]
            assert name.isascii() and name.isprintable()
            assert run.refused[name].reason == "garbage"
            assert run.refused[name].sentence.endswith("is not the name of a message")
            assert f"Refused {name} of {AGGREGATOR} (garbage)" in run.client.err
    for name, kind in run.odd.items():
        with subtests.test(f"{kind} in the place of a request"):
            assert (run.refused[name].reason, run.refused[name].sentence) == ("garbage", f"{name} is {kind}")
            assert f"Refused {name} of {AGGREGATOR} (garbage): {name} is {kind}." in run.client.err
    with subtests.test("other people's folders are not looked into and hold nobody up"):
        assert not set(run.tricks) & set(run.refused)
        assert not any(name in run.client.err for name in run.tricks)
    with subtests.test("the run around all of it comes out undisturbed"):
        scene.came_out_undisturbed()
        assert "is over: the run is complete. Answered 4 requests." in run.client.err
    with subtests.test("nothing else was refused, and nothing forged was answered"):
        assert set(run.refused) == set(run.dropped.values())
        answered = {path.stem for path in scene.messages(DO1, "response")}
        assert len(answered) == 4
        assert not answered & {Path(name).stem for name in run.dropped.values()}
    with subtests.test("status tells of each while the run goes on"):
        (app,) = run.document["apps"]
        assert {entry["path"].rpartition("/")[2] for entry in app["refused"]} == set(run.refused)
        assert sum(app["refused_by_reason"].values()) == len(run.refused)
        assert app["process"]["pid"] == run.client.pid
    with subtests.test("the audit log has a line for each, and holds"):
        log = scene.run("audit", "show", "--json", "--email", DO1, email=DO1).data["entries"]
        told = [
            (entry["path"].rpartition("/")[2], entry["reason"], entry["sentence"])
            for entry in log
            if entry["event"] == "refused"
        ]
        assert sorted(told) == sorted((name, r.reason, r.sentence) for name, r in run.refused.items())
        scene.run("audit", "verify", "--email", DO1, email=DO1)
