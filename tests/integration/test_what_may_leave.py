"""A policy says what may leave; an app that sends more is stopped at the owner, and both sides say why.

Real processes, and the sandbox that this machine has: what a data owner gets who chooses nothing.
"""

import json
from pathlib import Path

import pytest
from integration.participants import AGGREGATOR, OWNERS, federate, run_config

from syft_flwr_cli.protocol import names
from syft_flwr_cli.storage.paths import app_dir, participant_dir

POLICY = """\
[tool.syft_flwr.policy]
run_config = { "*" = true }

[tool.syft_flwr.policy.egress]
records = ["model", "metrics"]
metrics = ["train-loss", "num-examples"]
round_bytes = 200_000
"""


@pytest.mark.parametrize(
    "more", [("metric", "model"), pytest.param(("larger", "metric"), marks=pytest.mark.full)], ids="-".join
)
def test_what_the_policy_does_not_name_does_not_leave_and_both_sides_say_why(
    tmp_path: Path, more: tuple[str, str]
) -> None:
    federation = federate(tmp_path, "overreaching")
    federation.variables["SYFT_FLWR_SANDBOX"] = "auto"
    honest, greedy = OWNERS
    for owner in OWNERS:
        for number in (1, 2):
            text = more[number - 1] if owner == greedy else "nothing more"
            (federation.data(owner) / f"round-{number}").write_text(text)
        policy = participant_dir(federation.home(owner), owner) / "policy.toml"
        policy.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        policy.write_text(POLICY)
        policy.chmod(0o600)
    clients = federation.start_clients()
    result = tmp_path / "came.json"
    server = federation.start_server("--json", *run_config(result)).wait(0)
    for client in clients:
        client.wait(0)

    rules = {
        "metric": "egress-metrics: the data owner's policy withholds the reply: it has a metric that may not leave.",
        "model": "egress-records: the data owner's policy withholds the reply: it has a record that may not leave.",
        "larger": "egress-round-bytes: the data owner's policy withholds the reply: it is larger than 200000 bytes.",
    }
    order = sorted(OWNERS, key=names.node_id)
    came = json.loads(result.read_text())
    good = ["metrics", "model"]
    for number, what in enumerate((*more, "")):
        assert came[number][order.index(honest)] == good
        assert came[number][order.index(greedy)] == (rules[what] if what else good)
        if what:
            assert f"{greedy} reports an error: {rules[what]}" in server.err, "the aggregator reads the rule"
    withheld = [line for line in clients[1].err.splitlines() if "A reply was withheld by your policy" in line]
    named = {"metric": "patients-with-diabetes", "model": "second-model", "larger": "bytes)"}
    assert len(withheld) == 2
    assert all(named[what] in line for what, line in zip(more, withheld, strict=True)), (
        "and the owner, what it was"
    )
    assert "withheld" not in clients[0].err

    # Nothing of it lies where others read; the owner's own records say all.
    app = federation.app_name
    for path in federation.root.rglob("*"):
        assert not path.is_file() or b"patients-with-diabetes" not in path.read_bytes()
    shown = federation.run(
        "runs", "show", str(server.data["run_id"]), "--email", greedy, "--json", email=greedy
    ).data
    assert [record.get("withheld") for record in shown["egress"]] == [
        rules[what].partition(":")[0] if what else None for what in (*more, "")
    ]
    journal = app_dir(federation.home(AGGREGATOR), AGGREGATOR, app) / "journal.sqlite3"
    assert b"patients-with-diabetes" not in journal.read_bytes()
