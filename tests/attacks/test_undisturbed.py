"""What the attacks are measured against: a run that nobody attacks."""

from scene import OWNERS, Scene


def test_a_run_that_nobody_attacks_comes_to_the_exact_result_and_refuses_nothing(scene: Scene) -> None:
    clients = scene.start_clients()
    server = scene.serve().wait(0)
    for client in clients:
        assert "Refused" not in client.wait(0).err
    assert "Refused" not in server.err
    scene.came_out_undisturbed()
    assert [len(scene.messages(owner, "response")) for owner in OWNERS] == [4, 4]
