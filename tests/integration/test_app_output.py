"""What an app prints, in whichever way and phase, reaches the log and the screen, and never the result."""

import shutil
from pathlib import Path

import pytest
from participants import APPS, Federate, Process

SERVER = (
    "server-import",
    "server-begin",
    "server-evaluate-0",
    "server-evaluate-1",
    "server-main",
    "server-end",
)
CLIENT = ("client-import", "client-begin", "client-train", "client-evaluate", "client-end")
WAYS = ("python", "library", "child")


def words(phases: tuple[str, ...]) -> list[str]:
    return [f"{way}-{phase}" for phase in phases for way in WAYS]


def missing(wanted: list[str], text: str) -> list[str]:
    return [word for word in wanted if word not in text]


def log_of(home: Path) -> str:
    (log,) = home.glob("participants/*/apps/*/logs/app.log")
    return log.read_text()


@pytest.mark.parametrize("as_json", [True, False])
def test_both_sides_of_a_federation_print_in_every_phase(federated: Federate, as_json: bool) -> None:
    federation = federated("talker")
    clients = federation.start_clients()
    server = federation.start_server(*(["--json"] if as_json else [])).wait(0)
    for client in clients:
        client.wait(0)
        assert client.out == ""
    if as_json:
        assert server.document["status"] == "ok"
        assert server.data["missing"] == []
    else:
        assert "python-" not in server.out
    assert missing(words(SERVER), log_of(federation.home(federation.aggregator))) == []
    assert missing(words(SERVER), server.err) == []
    for email, client in zip(federation.owners, clients, strict=True):
        assert missing([*words(CLIENT), "logged-client-train"], log_of(federation.home(email))) == []
        assert missing([f"app | {word}" for word in words(CLIENT[:-1])], client.err) == []


@pytest.mark.parametrize("as_json", [True, False])
def test_a_simulation_does_not_lose_the_result_of_an_app_that_prints(
    federated: Federate, tmp_path: Path, as_json: bool
) -> None:
    federation = federated("averaging")
    shutil.copytree(APPS / "talker", tmp_path / "talker")
    done: Process = federation.run("simulate", str(tmp_path / "talker"), *(["--json"] if as_json else []))
    done.wait(0)
    if as_json:
        assert done.document["status"] == "ok"
    else:
        assert "The run is complete" in done.err and "python-" not in done.out
    assert missing(words(SERVER), done.err) == []
