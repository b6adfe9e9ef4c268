"""Three shells, three homes, one folder: whoever starts first, the run completes, and the folder is as promised."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from doubles.sampling import sample
from participants import Federate, Federation, Process, bits, reference, run_config, until

IDENTITY = "syft_flwr_identity/identity.json"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def start_in_order(federation: Federation, order: str, *words: str) -> dict[str, Process]:
    """Start the participants in ``order``, each only when the one before shows that it is under way."""
    federation.approve(*federation.owners)
    started: dict[str, Process] = {}
    for who in order.split():
        if who == "server":
            started[who] = federation.start_server("--json", *words)
            if len(started) < len(federation.owners) + 1:
                started[who].wait_for("Waiting for ")
            continue
        email = federation.owners[int(who)]
        started[who] = federation.start_approved_client(email)
        if "server" in started and len(started) <= len(federation.owners):
            until(lambda email=email: federation.messages(email, "response"), f"an answer of {email}")
        else:
            started[who].wait_for(f"{email} is ready")
    return started


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def check_layout(federation: Federation, run: str) -> None:
    """Every file of the shared folder lies where the folder rule says, under its owner, and begins readable."""
    root, ds, app = federation.root, federation.aggregator, federation.app_name
    ways = {
        (sender, recipient) for owner in federation.owners for sender, recipient in ((ds, owner), (owner, ds))
    }
    places = {
        f"{sender}/syft_outbox_inbox_{sender}_to_{recipient}/{app}/rpc/messages": (sender, recipient)
        for sender, recipient in ways
    }
    found: dict[tuple[str, str], set[str]] = {way: set() for way in ways}
    for path in files(root):
        place, name = str(path.parent.relative_to(root)), path.name
        with path.open("rb") as file:
            header = json.loads(file.readline())
        if f"{place.split('/', 1)[1]}/{name}" == IDENTITY:
            assert header["email"] == place.split("/")[0]
            continue
        assert place in places, f"{path} lies where nothing belongs"
        sender, recipient = places[place]
        kind = "request" if sender == ds else "response"
        assert re.fullmatch(rf"{UUID}\.{kind}", name), path
        assert (header["sender"], header["recipient"], header["kind"]) == (sender, recipient, kind)
        assert (header["id"], header["app"], header["run"]) == (name.split(".")[0], app, run)
        assert header["endpoint"] == "messages"
        assert header["suite"].startswith("HPKE-MLKEM768-X25519")
        found[sender, recipient].add(header["id"])
    for owner in federation.owners:
        asked, answered = found[ds, owner], found[owner, ds]
        assert answered < asked
        assert len(asked - answered) == 1, "only the stop signal has no answer"


@pytest.mark.parametrize("order", sample(["0 1 server", "server 0 1", "1 server 0"], "server 0 1"))
def test_whoever_starts_first_the_run_completes(federated: Federate, tmp_path: Path, order: str) -> None:
    federation = federated("averaging")
    result = tmp_path / "result.npz"
    processes = start_in_order(federation, order, *run_config(result))
    server = processes.pop("server").wait(0)
    for client in processes.values():
        client.wait(0)
    assert server.document["status"] == "ok"
    assert server.data["missing"] == []
    assert bits(result) == bits(reference(federation, result))
    check_layout(federation, server.data["run_id"])
    for client in processes.values():
        assert "Answered 7 requests" in client.wait_for("is over")


def read(root: Path, seen: dict[str, bytes]) -> None:
    """Take in what lies in the folder now; a payload that is removed meanwhile was there a moment before."""
    for path in files(root):
        try:
            seen[str(path)] = path.read_bytes()
        except FileNotFoundError:
            continue


@pytest.mark.full
def test_nothing_of_the_model_lies_in_the_folder_in_the_clear(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    result = tmp_path / "result.npz"
    server = federation.start_server(*run_config(result), "--json")
    server.wait_for("Waiting for ", times=2)
    payloads = federation.messages(federation.aggregator, "payload")
    assert len(payloads) == 1, "the table of the model, once for both data owners"
    assert payloads[0].parent.name == "payloads"
    seen: dict[str, bytes] = {}
    read(federation.root, seen)
    clients = federation.start_clients()
    while server.running:
        read(federation.root, seen)
    server.wait(0)
    for client in clients:
        client.wait(0)
    read(federation.root, seen)
    assert str(payloads[0]) in seen
    assert sum(path.endswith((".request", ".response")) for path in seen) == 2 * (7 + 8)
    with np.load(result) as arrays:
        models = [arrays["secret_weights"], np.full(3, 0.125), arrays["secret_table"][0], np.full(3, 2.5)]
    words = [b"secret_weights", b"secret_table", b"num-examples", b"train-loss", b"server-round", b"NUMPY"]
    secrets = [*words, *(model.tobytes()[:16] for model in models)]
    for path, content in seen.items():
        for secret in secrets:
            assert secret not in content, f"{path} holds {secret!r}"
    assert not federation.messages(federation.aggregator, "payload"), "what was consumed is removed"


def test_a_data_owner_that_starts_late_is_waited_for_and_named(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    first, late = federation.owners
    clients = [federation.start_client(first)]
    server = federation.start_server("--json", *run_config(tmp_path / "result.npz"))
    assert late in server.wait_for("Waiting for ", 1)
    until(lambda: federation.messages(first, "response"), "the first answer")
    assert server.running
    clients.append(federation.start_client(late))
    server.wait(0)
    for client in clients:
        client.wait(0)
    assert server.data["missing"] == []
