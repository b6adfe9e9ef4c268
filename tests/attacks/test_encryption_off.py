"""Encryption switched off for debugging: on one side nothing passes, on both it works and everybody hears it."""

import signal

import pytest
from integration.participants import until
from scene import AGGREGATOR, DO1, DO2, OWNERS, Scene, envelope

OFF = {"SYFT_FLWR_ENCRYPTION_ENABLED": "false"}
LOUD = "Encryption is switched OFF for debugging: messages are signed, but anybody can read them."


@pytest.mark.full
def test_off_at_one_data_owner_nothing_passes_and_both_sides_say_why(scene: Scene) -> None:
    scene.approve(*OWNERS)
    first = scene.start_approved_client(DO1)
    second = scene.start_approved_client(DO2, **OFF)
    for client in (first, second):
        client.wait_for("is ready")
    assert LOUD in second.err and LOUD not in first.err
    server = scene.serve()
    second.wait_for(
        f"(plaintext): {AGGREGATOR} sent this message sealed; encryption is off here, so it is refused."
    )
    second.wait_for("Remove SYFT_FLWR_ENCRYPTION_ENABLED=false here")
    server.wait_for(
        f"(plaintext): {DO2} sent this message unsealed; encryption is on here, so it is refused."
    )
    server.wait_for(f"{DO2} has SYFT_FLWR_ENCRYPTION_ENABLED=false set; remove it there.")
    assert scene.executed(DO2) == []
    # Once it is set right, the same request is executed: what was said of it was no answer.
    second.signal(signal.SIGINT).wait(130)
    second = scene.start_approved_client(DO2)
    for process in (server, first, second):
        process.wait(0)
    scene.came_out_undisturbed()


def test_off_at_a_data_owner_that_is_killed_before_it_is_set_right(scene: Scene) -> None:
    scene.approve(*OWNERS)
    first = scene.start_approved_client(DO1)
    second = scene.start_approved_client(DO2, **OFF)
    server = scene.serve()
    server.wait_for(f"(plaintext): {DO2} sent this message unsealed")
    second.signal(signal.SIGKILL).wait(-signal.SIGKILL)
    second = scene.start_approved_client(DO2)
    for process in (server, first, second):
        process.wait(0)
    assert "not executed again" not in second.err
    scene.came_out_undisturbed()


def test_off_at_the_aggregator_nothing_passes_and_both_sides_say_why(scene: Scene) -> None:
    clients = scene.start_clients()
    server = scene.serve(**OFF)
    server.wait_for(LOUD)
    for owner, client in zip(OWNERS, clients, strict=True):
        client.wait_for(f"(plaintext): {AGGREGATOR} sent this message unsealed; encryption is on here")
        client.wait_for(f"{AGGREGATOR} has SYFT_FLWR_ENCRYPTION_ENABLED=false set; remove it there.")
        server.wait_for(
            f"(plaintext): {owner} sent this message sealed; encryption is off here, so it is refused."
        )
    assert [scene.executed(owner) for owner in OWNERS] == [[], []]
    server.signal(signal.SIGINT).wait(130)
    server = scene.serve()
    for process in (server, *clients):
        process.wait(0)
    assert "Taking up run" in server.err
    scene.came_out_undisturbed()


@pytest.mark.full
def test_off_on_both_sides_it_works_and_everybody_hears_it(scene: Scene) -> None:
    scene.variables.update(OFF)
    gate = scene.gate(DO2, "train 1")
    clients = scene.start_clients()
    server = scene.serve()
    gate.reached()
    request = scene.only(scene.requests_to(DO1), ".request")
    answer = scene.only(scene.responses_of(DO1), ".response")
    until(lambda: request.exists() and answer.exists(), "both messages")
    for path in (request, answer):
        assert envelope(path).header.suite == "none"
        assert b'"type":"train"' in envelope(path).body.tobytes()
    gate.open()
    for process in (server, *clients):
        process.wait(0)
        assert process.err.count(LOUD) == 1
    scene.came_out_undisturbed()
