"""Attacks on the aggregator: responses that somebody drops into the folder of a data owner.

One run, in which one data owner waits in the middle of each round while everything below is dropped in its
folder. Most would be taken for its answer if they were believed.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from forgery import header_of, line_of, plaintext_of, sealed, signed, unsealed
from integration.participants import Process, until
from scene import AGGREGATOR, DO1, DO2, STRANGER, Scene, drop, envelope, new_id, new_identity

from syft_flwr_cli.delivery.quarantine import in_ascii
from syft_flwr_cli.protocol.body import decode_body, encode_body
from syft_flwr_cli.storage.journal_reader import Refusal, look_at_journal


class Booty:
    """What the attackers start from: the other data owner's genuine answer, opened, and everybody's keys."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.folder = scene.responses_of(DO2)
        self.asked = scene.only(scene.requests_to(DO2), ".request")
        self.neighbours = scene.only(scene.responses_of(DO1), ".response")
        self.genuine = envelope(self.neighbours)
        self.owner = scene.keys(DO2)
        self.neighbour = scene.keys(DO1)
        self.aggregator = scene.keys(AGGREGATOR).public
        self.mallory = new_identity(STRANGER)
        self.plaintext = plaintext_of(self.genuine, scene.keys(AGGREGATOR))
        self.target = self.folder / f"{self.asked.stem}.response"

    def header(self, **changes: object) -> dict[str, object]:
        """The header that the true answer would have, with changes."""
        answers = envelope(self.asked).digest
        return header_of(
            self.genuine, **{"id": self.asked.stem, "sender": DO2, "answers": answers, **changes}
        )


def never_asked_for(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(id=new_id())
    path = booty.folder / f"{header['id']}.response"
    return path, sealed(header, booty.plaintext, booty.owner, booty.aggregator)


def to_what_the_neighbour_was_asked(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(id=booty.neighbours.stem)
    return booty.folder / booty.neighbours.name, sealed(
        header, booty.plaintext, booty.owner, booty.aggregator
    )


def the_neighbours_answer_under_another_name(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, booty.neighbours.read_bytes()


def by_the_neighbour_in_its_own_name(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(sender=DO1)
    return booty.target, sealed(header, booty.plaintext, booty.neighbour, booty.aggregator)


def by_the_neighbour_in_the_owners_name(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, sealed(booty.header(), booty.plaintext, booty.neighbour, booty.aggregator)


def by_a_stranger(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, sealed(booty.header(), booty.plaintext, booty.mallory, booty.aggregator)


def by_a_stranger_in_the_clear(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, unsealed(booty.header(), booty.plaintext, booty.mallory)


def by_nobody_in_the_clear(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, unsealed(booty.header(), booty.plaintext, None)


def by_the_owner_in_the_clear(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, unsealed(booty.header(), booty.plaintext, booty.owner)


def to_another_request(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(answers="ab" * 32)
    return booty.target, sealed(header, booty.plaintext, booty.owner, booty.aggregator)


def of_another_run(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(run="12345")
    return booty.target, sealed(header, booty.plaintext, booty.owner, booty.aggregator)


def of_another_app(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(app="ds@lab.example_other_1700000000")
    return booty.target, sealed(header, booty.plaintext, booty.owner, booty.aggregator)


def of_another_endpoint(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(endpoint="shell")
    return booty.target, sealed(header, booty.plaintext, booty.owner, booty.aggregator)


def to_another_recipient(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(recipient=DO1)
    return booty.target, sealed(header, booty.plaintext, booty.owner, booty.aggregator)


def a_request_called_a_response(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(kind="request", answers=None)
    return booty.target, sealed(header, booty.plaintext, booty.owner, booty.aggregator)


def sealed_for_another_recipient(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, sealed(booty.header(), booty.plaintext, booty.owner, booty.neighbour.public)


def a_body_taken_from_another_message(booty: Booty) -> tuple[Path, bytes]:
    header = booty.header(suite=booty.genuine.header.suite, size=booty.genuine.header.size)
    return booty.target, signed(line_of(header), bytes(booty.genuine.body), booty.owner)


def announcing_a_terabyte(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, signed(line_of(booty.header(size=1 << 40)), b"x", booty.owner)


def of_noise(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, os.urandom(1000).replace(b"\n", b"") + b"\n" + os.urandom(3000)


def a_header_without_end(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, b"{" * (8 << 20)


def cut_off(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, sealed(booty.header(), booty.plaintext, booty.owner, booty.aggregator)[:-7]


def whose_name_leads_elsewhere(booty: Booty) -> tuple[Path, bytes]:
    return booty.folder / "a\\..\\..\x1b[2J.response", booty.neighbours.read_bytes()


UNKNOWN_KEY = f"not signed by the key known for {DO2}"
NOT_AWAITED = f"the header of a response of {DO2} is not the one that is awaited"
NO_KEY_OPENS = "does not open with the key it was meant for"
NEVER_SENT = f"{DO2} answers a request that was never sent to it"

FIRST_ROUND = {
    never_asked_for: ("unexpected", NEVER_SENT),
    to_what_the_neighbour_was_asked: ("unexpected", NEVER_SENT),
    the_neighbours_answer_under_another_name: ("misaddressed", NOT_AWAITED),
    by_the_neighbour_in_its_own_name: ("misaddressed", NOT_AWAITED),
    by_the_neighbour_in_the_owners_name: ("signature", UNKNOWN_KEY),
    by_a_stranger: ("signature", UNKNOWN_KEY),
    by_a_stranger_in_the_clear: ("signature", UNKNOWN_KEY),
    by_nobody_in_the_clear: ("signature", UNKNOWN_KEY),
    by_the_owner_in_the_clear: ("plaintext", f"{DO2} sent this message unsealed; encryption is on here"),
    to_another_request: ("unexpected", f"{DO2} answers another request than the one it was sent"),
    of_another_run: ("misaddressed", NOT_AWAITED),
    of_another_app: ("misaddressed", NOT_AWAITED),
    of_another_endpoint: ("misaddressed", NOT_AWAITED),
    to_another_recipient: ("misaddressed", NOT_AWAITED),
    a_request_called_a_response: ("misaddressed", NOT_AWAITED),
    sealed_for_another_recipient: ("undecryptable", NO_KEY_OPENS),
    a_body_taken_from_another_message: ("undecryptable", NO_KEY_OPENS),
    announcing_a_terabyte: ("oversized", "A body of more than 67108864 bytes is announced"),
    of_noise: ("garbage", "The header line is not well-formed JSON"),
    a_header_without_end: ("oversized", "The header line has more than 4096 bytes"),
    cut_off: ("damaged", "by its header it should have"),
    whose_name_leads_elsewhere: ("garbage", "is not the name of a message"),
}


def the_answer_of_the_round_before(booty: Booty) -> tuple[Path, bytes]:
    old = booty.target.read_bytes()
    first = set(booty.scene.requests_to(DO2).glob("*.request")) - {booty.asked}
    rounds = {path.stem for path in first if not (booty.folder / f"{path.stem}.response").exists()}
    (now,) = rounds
    return booty.folder / f"{now}.response", old


def a_second_answer(booty: Booty) -> tuple[Path, bytes]:
    body = decode_body(plaintext_of(envelope(booty.target), booty.scene.keys(AGGREGATOR)))
    other = encode_body(replace(body, error=(2, "or rather not")))
    header = header_of(envelope(booty.target))
    return booty.target, sealed(header, other, booty.owner, booty.aggregator)


def noise_over_an_answer_that_was_taken(booty: Booty) -> tuple[Path, bytes]:
    return booty.target, b"noise" * 100


SECOND_ROUND = {
    the_answer_of_the_round_before: ("misaddressed", NOT_AWAITED),
    a_second_answer: ("unexpected", f"{DO2} answers a second time; its first answer stands"),
    noise_over_an_answer_that_was_taken: ("garbage", "The file has no header line"),
}

ATTACKS = {**FIRST_ROUND, **SECOND_ROUND}


@dataclass
class Run:
    """The one run, after it: what was refused, by the attack that it was refused after."""

    scene: Scene
    server: Process
    refused: dict[object, Refusal]
    document: dict[str, Any]


def refusals(scene: Scene) -> list[Refusal]:
    """What the aggregator says that it refused."""
    return list(look_at_journal(scene.kept_by(AGGREGATOR) / "journal.sqlite3").refused)


def attack(booty: Booty, do: Callable[[Booty], tuple[Path, bytes]]) -> Refusal:
    """Drop a file and wait until something new is refused."""
    before = refusals(booty.scene)
    path, data = do(booty)
    drop(path, data)

    def new() -> list[Refusal]:
        return [refusal for refusal in refusals(booty.scene) if refusal not in before]

    (refusal,) = until(new, f"a refusal of a response {do.__name__}")
    assert refusal.path.endswith(f"/{in_ascii(path.name)}")
    return Refusal(**{name: getattr(refusal, name) for name in refusal.__dataclass_fields__})


def attacked(scene: Scene) -> Run:
    """The run, with everything dropped while one data owner waits in the middle of a round."""
    gates = [scene.gate(DO2, f"train {number}") for number in (1, 2)]
    clients = scene.start_clients()
    server = scene.serve()
    gates[0].reached()
    booty = Booty(scene)
    refused: dict[object, Refusal] = {do: attack(booty, do) for do in FIRST_ROUND}
    gates[0].open()
    gates[1].reached()
    refused.update({do: attack(booty, do) for do in SECOND_ROUND})
    document = scene.run("status", "--json", "--email", AGGREGATOR, email=AGGREGATOR).data
    gates[1].open()
    server.wait(0)
    for client in clients:
        client.wait(0)
    return Run(scene, server, refused, document)


def test_forged_and_foreign_responses_are_refused_each_with_a_sentence(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    run = attacked(scene)
    for do, (reason, words) in ATTACKS.items():
        with subtests.test(do.__name__):
            refusal = run.refused[do]
            assert (refusal.reason, refusal.owner) == (reason, DO2)
            assert words in refusal.sentence
            name = refusal.path.rpartition("/")[2]
            assert f"Refused {name} of {DO2} ({reason}): {refusal.sentence.rstrip('.')}." in run.server.err
    everything = {(r.path, r.reason, r.sentence) for r in run.refused.values()}
    with subtests.test("the run around all of it comes out undisturbed"):
        scene.came_out_undisturbed()
    with subtests.test("status tells of each, and of who is awaited, while the run goes on"):
        (app,) = run.document["apps"]
        assert {(entry["path"], entry["reason"], entry["sentence"]) for entry in app["refused"]} == everything
        (going,) = app["runs"]
        assert (going["state"], going["round"]) == ("running", 2)
        assert [waited["email"] for waited in going["awaited"]] == [DO2]
    with subtests.test("the audit log has a line for each, and holds"):
        log = scene.run("audit", "show", "--json", "--email", AGGREGATOR, email=AGGREGATOR).data["entries"]
        told = {
            (entry["path"], entry["reason"], entry["sentence"])
            for entry in log
            if entry["event"] == "refused"
        }
        assert told == everything
        scene.run("audit", "verify", "--email", AGGREGATOR, email=AGGREGATOR)
