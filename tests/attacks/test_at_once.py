"""What a data owner says counts at once: in the middle of a run, before the next execution and the next answer."""

import pytest
from doubles.sampling import sample
from scene import DO1, DO2, Scene

from syft_flwr_cli.storage.paths import participant_dir


def policy(scene: Scene, owner: str, text: str) -> None:
    """Replace the policy of a data owner, as an editor does."""
    file = participant_dir(scene.home(owner), owner) / "policy.toml"
    new = file.with_suffix(".new")
    new.write_text(f'[tool.syft_flwr.policy]\nrun_config = {{ "*" = true }}\n{text}')
    new.chmod(0o600)
    new.replace(file)


@pytest.mark.parametrize("what", sample(["rejects", "forbids", "breaks the policy"], "rejects"))
def test_what_a_data_owner_decides_during_an_execution_holds_for_its_answer(scene: Scene, what: str) -> None:
    gate = scene.gate(DO1, "train 1")
    clients = scene.start_clients()
    server = scene.serve("--timeout", "60", rounds=1)
    gate.reached()
    if what == "rejects":
        scene.run("review", str(scene.project), "--email", DO1, "--reject", email=DO1)
        said, code, end = "the data owner does not approve this code any more", 14, 3
    elif what == "forbids":
        policy(scene, DO1, 'message_types = ["evaluate"]\n')
        said, code, end = "The data owner's policy does not allow messages of type 'train'", 0, 0
    else:
        policy(scene, DO1, "max_round = 3\n")
        said, code, end = "the policy of the data owner cannot be read", 2, 3
    gate.open()
    server.wait(end)
    assert f"{DO1} reports an error: What came of the request is withheld. {said}" in server.err
    ended = clients[0].wait(code)
    if what == "forbids":
        assert scene.executed(DO1) == ["train 1", "evaluate 1"]
    else:
        assert scene.executed(DO1) == ["train 1"] and "error: " in ended.err
    log = scene.run("audit", "show", "--email", DO1, "--json", email=DO1).data["entries"]
    assert [entry["outcome"] for entry in log if entry["event"] == "executed"][:1] == ["withheld"]
    clients[1].wait(0)
    assert scene.executed(DO2) == ["train 1", "evaluate 1"]


def test_a_run_config_that_nobody_approved_is_refused_unless_the_policy_allows_it(scene: Scene) -> None:
    scene.approve(DO1, DO2)
    mine = participant_dir(scene.home(DO1), DO1) / "policy.toml"
    mine.unlink()
    clients = [scene.start_approved_client(owner) for owner in (DO1, DO2)]
    server = scene.serve("--timeout", "60", rounds=1)
    server.wait(3)
    assert f"{DO1} reports an error: The run config has num-server-rounds = 1" in server.err
    assert scene.executed(DO1) == []
    assert scene.executed(DO2) == ["train 1", "evaluate 1"]
    assert "The run config differs from the approved one, as the policy allows" in clients[1].wait(0).err
    log = scene.run("audit", "show", "--email", DO2, "--json", email=DO2).data["entries"]
    assert [entry["event"] for entry in log].count("run-config") == 1
    log = scene.run("audit", "show", "--email", DO1, "--json", email=DO1).data["entries"]
    assert not [entry for entry in log if entry["event"] == "executed"]
    clients[0].wait(0)
