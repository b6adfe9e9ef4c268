"""Which delivered messages leave the store, when, and what happens if it fails."""

from pathlib import Path
from uuid import uuid4

import pytest

from syft_flwr_cli.delivery.withdrawal import RequestWithdrawal, Withdrawal
from syft_flwr_cli.errors import DiskError, TransportError
from syft_flwr_cli.protocol.names import request_path
from syft_flwr_cli.protocol.states import Outgoing
from syft_flwr_cli.storage.journal import Journal, RequestRow
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent


def test_the_newest_stay_and_never_more_than_twice_as_many() -> None:
    there: set[str] = set()
    withdrawal = Withdrawal(there.remove, kept=3)
    for number in range(100):
        there.add(str(number))
        withdrawal.delivered([str(number)])
        withdrawal.carry_out()
        assert len(there) < 6 and {str(n) for n in range(max(0, number - 2), number + 1)} <= there


def test_naming_one_again_changes_nothing() -> None:
    removed: list[str] = []
    withdrawal = Withdrawal(removed.append, kept=1)
    withdrawal.delivered(["a", "b", "a", "b"])
    assert withdrawal.carry_out() == 1 and removed == ["a"]


def test_what_fails_is_tried_again_and_nothing_is_removed_before_it_was_noted() -> None:
    noted: list[list[str]] = []
    removed: list[str] = []
    trouble: list[Exception] = [DiskError("full", hint="-"), TransportError("away", hint="-")]

    def note(ids: object) -> None:
        if len(trouble) == 2:
            raise trouble.pop(0)
        noted.append(list(ids))  # type: ignore[call-overload]

    def remove(mid: str) -> None:
        if mid == "b" and trouble:
            raise trouble.pop(0)
        removed.append(mid)

    withdrawal = Withdrawal(remove, note, kept=2)
    withdrawal.delivered("abcd")
    with pytest.raises(DiskError):
        withdrawal.carry_out()
    assert removed == []
    with pytest.raises(TransportError):
        withdrawal.carry_out()
    assert removed == ["a"] and noted == [["a", "b"]]
    withdrawal.delivered("e")
    assert withdrawal.carry_out() == 2 and removed == ["a", "b", "c"]


@pytest.mark.parametrize(("owners", "most"), [(1, 15), (3, 45), (10, 40), (100, 400)])
def test_to_many_data_owners_fewer_stay_for_each(tmp_path: Path, owners: int, most: int) -> None:
    store = MemoryStore()
    transport = MemoryTransport(store, "ds@lab.example")
    journal = Journal(tmp_path / "journal.sqlite3")
    people = [f"do{number}@a.example" for number in range(owners)]
    withdrawal = RequestWithdrawal("ds@lab.example", "study", "7", journal, transport)
    withdrawal.recover(people)
    for _ in range(20):
        for who in people:
            row = answered(who)
            transport.publish(request_path("ds@lab.example", who, "study", row.id), BytesContent(b"-"), [who])
            withdrawal.answered([row])
        withdrawal.carry_out()
    assert len(transport.list_own()) <= most
    journal.close()


def answered(recipient: str) -> RequestRow:
    return RequestRow(
        id=str(uuid4()),
        run="7",
        recipient=recipient,
        sequence_number=0,
        state=Outgoing.ANSWERED,
        digest=b"",
        outline={},
        meta={},
        created=0.0,
        expires=0.0,
        body=None,
        envelope=None,
        digests=(),
        refs=(),
        reply=None,
        replied=None,
    )
