"""Keys that stop to count while everything runs: revoked by a person, by their owner, or merely shown again."""

from scene import AGGREGATOR, DO1, DO2, Scene, drop

from syft_flwr_cli.security.identity import Identity, save
from syft_flwr_cli.storage.paths import participant_dir


def revoked_document(keys: Identity) -> bytes:
    return keys.revoke().public.to_bytes()


def test_a_running_node_executes_nothing_more_for_an_aggregator_that_was_revoked(scene: Scene) -> None:
    """By the data owner itself, at another terminal, in the middle of an execution."""
    gate = scene.gate(DO1, "train 1")
    clients = scene.start_clients()
    server = scene.serve("--timeout", "20")
    gate.reached()
    scene.run("keys", "revoke", AGGREGATOR, "--email", DO1, email=DO1)
    gate.open()
    ended = clients[0].wait(12)
    assert f"error: The key of {AGGREGATOR} is revoked" in ended.err
    assert scene.executed(DO1) == ["train 1"]
    assert scene.messages(DO1, "response") == []
    server.end()
    clients[1].end()


def test_a_revocation_that_its_owner_publishes_ends_its_part_and_not_the_run(scene: Scene) -> None:
    gate = scene.gate(DO2, "train 1")
    clients = scene.start_clients()
    server = scene.serve("--timeout", "12", rounds=1)
    gate.reached()
    drop(scene.document(DO2), revoked_document(scene.keys(DO2)))
    gate.open()
    server.wait(3)
    assert f"The key of {DO2} is revoked" in server.err
    assert f"Finished, but without {DO2}." in server.err
    clients[0].wait(0)
    clients[1].end()


def test_a_document_from_before_a_rotation_is_an_old_one_and_stops_nobody(scene: Scene) -> None:
    clients = scene.start_clients()
    scene.serve().wait(0)
    for client in clients:
        client.wait(0)
    before = scene.document(DO1).read_bytes()
    home = participant_dir(scene.home(DO1), DO1)
    rotated = scene.keys(DO1).rotate(1_800_000_000)
    save(home, rotated, None)
    for owner in scene.owners:
        (scene.data(owner) / "executions.log").unlink()
    gate = scene.gate(DO1, "train 1")
    clients = scene.start_clients()
    server = scene.serve()
    gate.reached()
    drop(scene.document(DO1), before)
    gate.open()
    server.wait(0)
    assert f"What lies there as the key of {DO1} is an old one" in server.err
    for client in clients:
        client.wait(0)
    scene.came_out_undisturbed()
