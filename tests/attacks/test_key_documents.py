"""Attacks on keys: documents that are missing, replaced, somebody else's, or look like what they are not."""

import re
from pathlib import Path

import numpy as np
import pytest
from forgery import header_of, plaintext_of, sealed
from integration.participants import until
from scene import AGGREGATOR, DO1, DO2, Scene, drop, envelope, new_id, new_identity

from syft_flwr_cli.protocol.strict_json import canonical, read_object
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.storage.paths import participant_dir

WORDS = r"[a-z]+(-[a-z]+){5}"
DAY = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"


def changed(scene: Scene, email: str, shown: Identity) -> str:
    """The sentence about a changed key, as a pattern: both keys in words, and since when the old one is known."""
    old = scene.keys(email).public.words
    return rf"The key of {email} has changed: pinned on {DAY} was {old}, now it shows {shown.public.words}\."


def in_the_clear(scene: Scene) -> list[Path]:
    """Files in the shared folder in which the model can be read as it lies in memory."""
    beginning = np.arange(8, dtype=np.float64).tobytes()
    return [path for path in scene.root.rglob("*") if path.is_file() and beginning in path.read_bytes()]


def test_without_the_key_of_a_data_owner_nothing_goes_to_it_and_the_sender_says_for_whom_it_waits(
    scene: Scene,
) -> None:
    scene.approve(*scene.owners)
    first = scene.start_approved_client(DO1)
    first.wait_for("is ready")
    server = scene.serve()
    server.wait_for(f"Waiting for {DO2}: it has published no key yet")
    scene.only(scene.responses_of(DO1), ".response")
    assert not scene.requests_to(DO2).exists()
    assert in_the_clear(scene) == []
    (app,) = scene.run("status", "--json", "--email", AGGREGATOR, email=AGGREGATOR).data["apps"]
    (waited,) = app["runs"][0]["awaited"]
    assert (waited["email"], waited["no_key"]) == (DO2, True)
    second = scene.start_approved_client(DO2)
    for process in (server, first, second):
        process.wait(0)
    assert in_the_clear(scene) == []
    scene.came_out_undisturbed()


@pytest.mark.full
def test_keys_of_others_and_of_look_alikes_are_not_taken_for_a_data_owners(scene: Scene) -> None:
    """In the place of a key that was never seen: the neighbour's, and documents whose e-mail only looks right."""
    scene.approve(*scene.owners)
    first = scene.start_approved_client(DO1)
    first.wait_for("is ready")
    drop(scene.document(DO2), scene.document(DO1).read_bytes())
    server = scene.serve()
    server.wait_for(f"(key): the identity document of {DO2} names {DO1}.")
    mallory = new_identity(DO2).public
    for email in (DO2.upper(), "do2@b.ex\u0430mple", f" {DO2}", "do2@b.example/../do1@a.example"):
        document = read_object(mallory.to_bytes(), "It")
        before = len(re.findall(r"\(garbage\)", server.err))
        drop(scene.document(DO2), canonical({**document, "email": email}))
        until(lambda count=before: len(re.findall(r"\(garbage\)", server.err)) > count, email)  # type: ignore[misc]
    for data, words in (
        (mallory.to_bytes()[:-2] + b" }\n", "is not in the one form it may have"),
        (mallory.to_bytes().replace(b'"generation":1', b'"generation":2'), "is not signed by its own key"),
        (b" " * (17 << 10), "has more than 16384 bytes"),
    ):
        drop(scene.document(DO2), data)
        server.wait_for(words)
    assert f"Waiting for {DO2}: it has published no key yet" in server.err
    second = scene.start_approved_client(DO2)
    for process in (server, first, second):
        process.wait(0)
    scene.came_out_undisturbed()


@pytest.mark.full
def test_documents_replaced_in_the_middle_of_a_run_change_nothing(scene: Scene) -> None:
    """The attacker poses as everybody at once, and signs with the keys that he shows."""
    gate = scene.gate(DO2, "train 1")
    clients = scene.start_clients()
    server = scene.serve()
    gate.reached()
    genuine = scene.only(scene.requests_to(DO1), ".request")
    asked = scene.only(scene.requests_to(DO2), ".request")
    answer = scene.only(scene.responses_of(DO1), ".response")
    fakes = {email: new_identity(email) for email in (AGGREGATOR, DO2)}
    for email, fake in fakes.items():
        drop(scene.document(email), fake.public.to_bytes())
    header = header_of(envelope(genuine), id=new_id())
    order = sealed(
        header, plaintext_of(envelope(genuine), scene.keys(DO1)), fakes[AGGREGATOR], scene.keys(DO1).public
    )
    drop(genuine.with_name(f"{header['id']}.request"), order)
    header = header_of(envelope(answer), id=asked.stem, sender=DO2, answers=envelope(asked).digest)
    lie = sealed(
        header,
        plaintext_of(envelope(answer), scene.keys(AGGREGATOR)),
        fakes[DO2],
        scene.keys(AGGREGATOR).public,
    )
    drop(scene.responses_of(DO2) / f"{asked.stem}.response", lie)
    for process, email in ((clients[0], AGGREGATOR), (server, DO2)):
        process.wait_for("(key): The key of")
        assert re.search(changed(scene, email, fakes[email]), process.err)
        assert f"Ask {email} on the phone" in process.err
    gate.open()
    server.wait(0)
    for client in clients:
        client.wait(0)
    scene.came_out_undisturbed()


def acquainted(scene: Scene) -> None:
    """Let everybody come to know each other in a run that goes well, and forget what it was about."""
    clients = scene.start_clients()
    scene.serve().wait(0)
    for owner, client in zip(scene.owners, clients, strict=True):
        client.wait(0)
        (scene.data(owner) / "executions.log").unlink()
    scene.saved.unlink()


def test_changed_keys_stop_whoever_finds_them_until_a_person_has_looked(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    acquainted(scene)
    with subtests.test("an aggregator sends nothing"):
        an_aggregator_finds_a_changed_key(scene)
    with subtests.test("and a data owner executes nothing"):
        a_data_owner_finds_a_changed_key(scene)
    with subtests.test("a roster with a look-alike is no roster"):
        a_roster_with_a_look_alike(scene)


def an_aggregator_finds_a_changed_key(scene: Scene) -> None:
    true, fake = scene.document(DO1).read_bytes(), new_identity(DO1)
    drop(scene.document(DO1), fake.public.to_bytes())
    before = scene.messages(AGGREGATOR, "request")
    refused = scene.serve("--json").wait(12)
    assert re.search(changed(scene, DO1, fake), refused.document["data"]["error"])
    assert refused.document["data"]["hint"].startswith(f"Ask {DO1} on the phone whether it made new keys")
    assert f"syft-flwr keys trust {DO1} --words" in refused.err
    assert scene.messages(AGGREGATOR, "request") == before
    # The true document is back: the same command goes on.
    drop(scene.document(DO1), true)
    clients = [scene.start_approved_client(owner) for owner in scene.owners]
    server = scene.serve()
    for process in (server, *clients):
        process.wait(0)
    assert "Taking up run" in server.err
    scene.came_out_undisturbed()


def a_data_owner_finds_a_changed_key(scene: Scene) -> None:
    fake = new_identity(AGGREGATOR)
    executed = scene.executed(DO1)
    drop(scene.document(AGGREGATOR), fake.public.to_bytes())
    genuine = scene.messages(AGGREGATOR, "request")[0]
    header = header_of(envelope(genuine), id=new_id(), recipient=DO1)
    order = sealed(header, b"\0", fake, scene.keys(DO1).public)
    drop(scene.requests_to(DO1) / f"{header['id']}.request", order)
    refused = scene.start_approved_client(DO1, "--json").wait(12)
    assert re.search(changed(scene, AGGREGATOR, fake), refused.document["data"]["error"])
    assert f"syft-flwr keys trust {AGGREGATOR} --words" in refused.document["data"]["hint"]
    assert scene.executed(DO1) == executed
    (app,) = scene.run("status", "--json", "--email", DO1, email=DO1).data["apps"]
    (entry,) = app["keys"]
    assert entry["offered"] == fake.public.words
    assert app["refused_by_reason"] == {"key": 1}


def a_roster_with_a_look_alike(scene: Scene) -> None:
    """Whoever can write at home has won; a name that is not in its one form still is not read as another's."""
    # What was put in the place of its document is another matter.
    drop(scene.document(AGGREGATOR), scene.keys(AGGREGATOR).public.to_bytes())
    roster = participant_dir(scene.home(AGGREGATOR), AGGREGATOR) / "roster.json"
    good = roster.read_bytes()
    for look_alike in ("DO1@a.example", "do1@a.ex\\\\u0430mple"):
        roster.write_bytes(good.replace(rb"\"email\":\"do1@a.example", rf"\"email\":\"{look_alike}".encode()))
        assert roster.read_bytes() != good
        refused = scene.serve().wait(12)
        assert f"error: The roster {roster} cannot be read" in refused.err
    roster.write_bytes(good)
