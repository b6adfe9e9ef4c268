"""A request that was made by hand is answered by a data owner's own process, and its answer is read in words."""

import json
from pathlib import Path

import pytest
from participants import Federate, until

RECORDS = [
    {"name": "config", "kind": "config", "items": [{"name": "server-round", "value": 1}]},
    {
        "name": "arrays",
        "kind": "arrays",
        "items": [{"name": "w", "dtype": "float64", "shape": [2], "values": [0.5, -0.5]}],
    },
]


@pytest.mark.full
def test_an_exchange_is_played_file_by_file(federated: Federate, tmp_path: Path) -> None:
    federation = federated("averaging")
    owner = federation.owners[0]
    federation.start_client(owner).wait_for(f"{owner} is ready")
    file = tmp_path / "message.json"
    description = {"header": {"recipient": owner}, "body": {"type": "train", "round": 1, "records": RECORDS}}
    file.write_text(json.dumps(description))
    place = ["--email", federation.aggregator, "--root", str(federation.root)]
    made = federation.run(
        "compose", str(file), str(federation.project), *place, "--json", email=federation.aggregator
    ).data
    until(lambda: federation.messages(owner, "response"), "the answer")
    (answer,) = federation.messages(owner, "response")
    shown = federation.run("inspect", str(answer), "--json", email=federation.aggregator).data
    assert (shown["header"]["id"], shown["header"]["run"]) == (made["id"], made["run"])
    assert shown["signature"]["verdict"] == "valid" and shown["body"]["type"] == "train"
