"""`syft-flwr node`: one process for all that its owner has approved; `--once` for machines that only start programs."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from participants import (
    AGGREGATOR,
    OWNERS,
    Federate,
    Federation,
    Process,
    bits,
    copy_app,
    interrupt,
    reference,
    run_config,
    until,
)

SECOND = "ds2@lab.example"


def project_of(federation: Federation, name: str, aggregator: str) -> Federation:
    """Another project in the same folders, with the same data owners."""
    place = federation.place / name
    place.mkdir()
    other = Federation(
        federation.place,
        copy_app("averaging", place),
        federation.owners,
        aggregator,
        processes=federation.processes,
    )
    words = ["--aggregator", aggregator, "--datasites", ",".join(federation.owners), "--transport", "local"]
    # The name of an app ends with the second in which it was made, and the projects of one aggregator are called alike.
    begun = int(time.time())
    until(lambda: int(time.time()) > begun, "the next second")
    federation.run("bootstrap", str(other.project), *words)
    return other


def node(federation: Federation, owner: str, *words: str) -> Process:
    given = ["node", "--email", owner, "--root", str(federation.root), *words]
    return federation.command(*given, email=owner)


@pytest.mark.slow
def test_one_node_serves_three_projects_of_two_aggregators_at_once(federated: Federate) -> None:
    first = federated("averaging")
    projects = [first, project_of(first, "b", AGGREGATOR), project_of(first, "c", SECOND)]
    for project in projects:
        project.approve(*OWNERS)
    nodes = [node(first, owner, "--mock", "--max-workers", "3") for owner in OWNERS]
    results = [first.place / f"result-{number}.npz" for number in range(len(projects))]
    servers = [
        project.start_server(*run_config(result, num_server_rounds=2), "--json")
        for project, result in zip(projects, results, strict=True)
    ]
    for server in servers:
        assert server.wait(0).data["data"] == dict.fromkeys(OWNERS, "mock")
    for project, result in zip(projects, results, strict=True):
        assert bits(result) == bits(reference(project, result, **{"num-server-rounds": 2}))
    for process, owner in zip(nodes, OWNERS, strict=True):
        process.wait_for("is over", times=len(projects))
        interrupt(process).wait(130)
        assert "Traceback" not in process.err
        assert (first.root / owner / "syft_flwr_identity" / "presence.json").exists()


@pytest.mark.full
@pytest.mark.slow
def test_what_cron_starts_again_and_again_carries_five_rounds_through(federated: Federate) -> None:
    federation = federated("averaging")
    federation.approve(*OWNERS)
    lines = {}
    for owner in OWNERS:
        unit = federation.run(
            *("node", "--email", owner, "--root", str(federation.root), "--mock", "--no-presence"),
            *("--print-unit", "cron"),
            email=owner,
        )
        (line,) = [line for line in unit.out.splitlines() if line and not line.startswith("#")]
        lines[owner] = line.split(maxsplit=5)[5].replace("\\%", "%")
    result = federation.place / "result.npz"
    server = federation.start_server(*run_config(result, num_server_rounds=5), "--json", timeout="120s")
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(federation.place), "SHELL": "/bin/sh", "LOGNAME": "do"}
    passes = 0
    while server.running:
        for line in lines.values():
            done = subprocess.run(
                ["/bin/sh", "-c", line],
                env=bare,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        passes += 1
        assert passes < 60
    server.wait(0)
    assert bits(result) == bits(reference(federation, result, **{"num-server-rounds": 5}))
    assert server.data["missing"] == []


def test_a_pass_says_with_a_code_of_its_own_that_something_waits(federated: Federate) -> None:
    federation = federated("averaging")
    owner = OWNERS[0]
    nothing = node(federation, owner, "--once", "--json").wait(0)
    assert nothing.data["apps"] == [] and "has approved nothing yet" in nothing.err
    federation.approve(owner)
    waits = node(federation, owner, "--once", "--json").wait(19)
    (waiting,) = waits.data["waiting"]
    assert "--data DIR" in waiting["what"] and waiting["next"].startswith("syft-flwr run-client ")
    done = node(federation, owner, "--once", "--json", "--no-data").wait(0)
    assert [one["app_name"] for one in done.data["apps"]] == [federation.app_name]


def test_a_command_hears_events_as_json_on_its_stdin(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    owner, heard = OWNERS[0], tmp_path / "heard.jsonl"
    federation.approve(owner)
    program = f"import sys; open({str(heard)!r}, 'ab').write(sys.stdin.buffer.read())"
    node(federation, owner, "--once", "--on-event", f'{sys.executable} -c "{program}"').wait(19)
    events = [json.loads(line) for line in heard.read_text().splitlines()]
    (waits,) = [event for event in events if event["event"] == "decision-awaited"]
    assert waits["email"] == owner and waits["level"] == "alarm" and waits["sentence"].endswith(waits["next"])


def test_nothing_runs_before_it_was_said_on_which_data(federated: Federate) -> None:
    federation = federated("averaging")
    owner = OWNERS[0]
    federation.approve(owner)
    words = ["run-client", str(federation.project), "--email", owner, "--root", str(federation.root)]
    refused = federation.run(*words, email=owner, code=2)
    assert "Which data the app is to use was never said." in refused.err and "--no-data" in refused.err
    both = federation.run(*words, "--mock", "--no-data", email=owner, code=2)
    assert "exclude each other" in both.err
    client = federation.command(*words, "--mock", email=owner)
    client.wait_for("The app runs on mock data")
    client.wait_for(f"{owner} is ready")
    interrupt(client).wait(130)
    remembered = federation.command(*words, email=owner)
    remembered.wait_for("The app runs on mock data")
    interrupt(remembered).wait(None)
