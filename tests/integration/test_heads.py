"""What the log of one participant lacks shows in the log of another: the heads that travel are recent."""

import json
from pathlib import Path

from participants import Federate, Federation


def log_of(federation: Federation, email: str) -> Path:
    return federation.home(email) / "participants" / email / "audit.jsonl"


def cut_before(log: Path, event: str, which: int) -> None:
    """Drop an entry and all that follow: the ``which``-th (from the end: -1 is the last) of this event."""
    lines = log.read_bytes().splitlines(keepends=True)
    places = [number for number, line in enumerate(lines) if json.loads(line)["event"] == event]
    log.write_bytes(b"".join(lines[: places[which]]))


def test_a_log_that_lacks_the_last_answer_is_shown_up_by_the_peers_log(federated: Federate) -> None:
    federation = federated("memory")
    federation.complete()
    owner = federation.owners[0]
    mine, theirs = log_of(federation, federation.aggregator), log_of(federation, owner)
    whole = mine.read_bytes()
    verify = ("audit", "verify", "--peer-log")
    federation.command(*verify, str(theirs), email=federation.aggregator).wait(0)
    cut_before(mine, "received", -1)
    federation.command("audit", "verify", email=federation.aggregator).wait(0)
    said = federation.command(*verify, str(theirs), email=federation.aggregator).wait(16)
    assert owner in said.err
    mine.write_bytes(whole)
    cut_before(theirs, "executed", -2)
    federation.command(*verify, str(mine), email=owner).wait(16)
