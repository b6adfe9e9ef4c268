"""What must hold at the end of a run, whatever its participants have been through.

The result is bit for bit the one that `oracle` works out; every request was executed to one visible effect,
with the state advanced once; nothing is open in a journal, and nothing that was needed only for a while lies
about: no payloads, no temporary files, no stored replies.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fault.federation import AGGREGATOR, SERVER, Federation
from fault.oracle import expected_model
from syft_flwr_cli.audit.log import verify
from syft_flwr_cli.delivery.withdrawal import KEPT
from syft_flwr_cli.errors import AuditError
from syft_flwr_cli.protocol.names import rpc_folder
from syft_flwr_cli.protocol.states import Incoming, Outgoing

STOP_ORDINAL = -1


def assert_perfect(federation: Federation) -> None:
    """The run came to what it would have come to had nobody been killed, and nothing is left of it."""
    document = federation.lives[SERVER][-1].document()
    assert document["status"] == "ok", document
    assert_model(federation)
    assert_rounds(federation, document["data"])
    assert_nothing_open(federation)
    assert_one_response_per_request(federation)
    assert_no_orphans(federation)
    for who in federation.lives:
        assert_audit_verifies(federation, who)


def assert_model(federation: Federation) -> None:
    """Bit for bit the model of the undisturbed run with the same seed."""
    journal = federation.journal(SERVER)
    try:
        runs = [run for run in journal.runs() if run.role == "aggregator"]
    finally:
        journal.close()
    assert len(runs) == 1, f"one run was begun, and there are {len(runs)}"
    expected = expected_model(
        federation.project,
        federation.place / "expected.npz",
        runs[0].facts["seed"],
        runs[0].run,
        federation.owners,
        federation.config,
    )
    with np.load(federation.out) as found:
        assert sorted(found.files) == sorted(expected)
        for name, array in expected.items():
            assert found[name].dtype == array.dtype and found[name].shape == array.shape
            assert found[name].tobytes() == array.tobytes(), f"{name} differs"


def assert_rounds(federation: Federation, data: Mapping[str, Any]) -> None:
    """Every owner's state advanced by one with each message that it answered, and nobody was missing."""
    assert data["missing"] == []
    seen: dict[str, int] = {}
    for entry in data["rounds"]:
        for phase in ("train", "evaluate"):
            facts = entry["phases"][phase]
            assert facts["failed"] == {}, facts
            for owner, metrics in facts["metrics"]["datasites"].items():
                seen[owner] = seen.get(owner, 0) + 1
                assert metrics["calls"] == seen[owner], f"{owner} in round {entry['round']}, {phase}"
    assert set(seen) == set(federation.owners)


def assert_nothing_open(federation: Federation) -> None:
    """The journals know of no open run, request, payload, acknowledgement or audit entry."""
    for who in federation.lives:
        journal = federation.journal(who)
        try:
            for run in journal.runs():
                assert run.ended is not None, f"{who}: {run}"
                assert journal.open_sent(run.run) == [], who
                requests = [journal.sent(place.id) for place in journal.positions(run.run)]
                assert {request.state for request in requests if request} <= {Outgoing.ANSWERED}, who
                states = {request.state for request in journal.requests(run.run)}
                assert Incoming.CLAIMED not in states, who
                assert journal.state(run.run) is None, f"{who} keeps the state of a run that is over"
            assert journal.payloads() == [], f"{who} still knows of payloads"
            assert journal.audit_pending() == [], f"{who} has not told its audit log everything"
        finally:
            journal.close()


def assert_one_response_per_request(federation: Federation) -> None:
    """Every request has one response; what has none is the signal to stop. The newest of both are there."""
    for owner in federation.owners:
        asked = federation.space(SERVER) / rpc_folder(AGGREGATOR, owner, federation.app)
        given = federation.space(owner) / rpc_folder(owner, AGGREGATOR, federation.app)
        requests = sorted(path.stem for path in asked.glob("*.request"))
        responses = sorted(path.stem for path in given.glob("*.response"))
        journal = federation.journal(owner)
        try:
            done = [request for run in journal.runs() for request in journal.requests(run.run)]
        finally:
            journal.close()
        answered = {request.id for request in done}
        assert set(responses) <= answered and min(len(answered), KEPT) <= len(responses)
        silent = set(requests) - answered
        assert len(silent) == 1, f"requests to {owner} without a response: {silent}"
        assert max(len(requests), len(responses)) <= 2 * KEPT + 1, "what is delivered is withdrawn"
        called = {line.split()[1] for line in federation.calls(owner)}
        assert called == answered, "the app was called for every request, and for nothing else"


def assert_no_orphans(federation: Federation) -> None:
    """No file is left that was needed only for a while."""
    left = []
    for path in federation.files():
        if path.suffix in (".payload", ".tmp") or "/store/" in str(path):
            left.append(str(path.relative_to(federation.place)))
    assert left == []


def assert_audit_verifies(federation: Federation, who: str) -> None:
    """The record of what happened is whole."""
    from syft_flwr_cli.security.identity import read_public

    path = federation.audit(who)
    public, _ = read_public(path.parent, federation.email(who))
    try:
        verify(path, public)
    except AuditError as error:
        raise AssertionError(f"{who}: {error}") from error
