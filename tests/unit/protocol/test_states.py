"""The tables of states: the docs show the same ones, and random events over a store reach every row of them."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.protocol.states import (
    INCOMING,
    OUTGOING,
    Action,
    Event,
    Incoming,
    Outgoing,
    decide,
    markdown,
)
from syft_flwr_cli.testing.memory_transport import MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent

DOCS = Path(__file__).parents[3] / "docs" / "durability.md"
AGGREGATOR, OWNER = "ds@lab.example", "do@a.example"
SEQUENCES, LENGTH = 10_000, 12


@pytest.mark.parametrize(("name", "table"), [("outgoing", OUTGOING), ("incoming", INCOMING)])
def test_the_docs_show_the_table(name: str, table: object) -> None:
    shown = DOCS.read_text().split(f"<!-- {name} -->\n")[1].split("<!-- end -->")[0]
    assert shown == markdown(table)  # type: ignore[arg-type]


def test_what_is_not_in_the_table_cannot_happen() -> None:
    with pytest.raises(SyftFlwrError, match="answered cannot seal"):
        decide(Outgoing.ANSWERED, Event.SEAL)


class Exchange:
    """One request between two participants on a store: every event that may come next, and what it comes to.

    The store does what stores do: it loses files. What lies there is looked at, not remembered.
    """

    def __init__(
        self, chance: random.Random, mine: MemoryTransport, theirs: MemoryTransport, number: int
    ) -> None:
        self._chance = chance
        self._mine, self._theirs = mine, theirs
        self.request, self.response = f"a/{number}.request", f"b/{number}.response"
        self.out, self.in_ = Outgoing.NEW, Incoming.NEW
        self.executed = self.kept = 0
        self.acknowledge_due = False
        self.ended = False

    def there(self, owner: str, path: str) -> bool:
        return any(
            found == path for found, _ in (self._mine if owner == AGGREGATOR else self._theirs).list_own()
        )

    def possible(self) -> list[tuple[str, Event]]:
        request, response = self.there(AGGREGATOR, self.request), self.there(OWNER, self.response)
        found: list[tuple[str, Event]] = []
        if self.out is Outgoing.NEW:
            return [("out", Event.PUSH)]
        if self.out is Outgoing.WAITING:
            found += [("out", Event.SEAL), ("out", Event.UNSEALABLE)]
        if self.out is Outgoing.SEALED:
            found += [("out", Event.SEAL), ("out", Event.UNSEALABLE)]
            found += [] if request else [("out", Event.LOST)]
            found += [("out", Event.DAMAGED)] if response else []
        if response and self.out is not Outgoing.WAITING:
            found.append(("out", Event.ANSWER))
        if self.out is not Outgoing.ABSENT:
            found.append(("out", Event.DEADLINE))
        if self.out is not Outgoing.WITHDRAWN:
            found.append(("out", Event.WITHDRAW))
        if request and self.in_ in (Incoming.NEW, Incoming.CLAIMED):
            found.append(("in", Event.CLAIM))
        if request and self.in_ not in (Incoming.NEW, Incoming.CLAIMED):
            found.append(("in", Event.REPEAT))
        if self.in_ is Incoming.CLAIMED:
            found += [("in", Event.FINISH), ("in", Event.WITHDRAW)]
        if self.in_ is Incoming.DONE:
            found.append(("in", Event.WITHHOLD))
        if self.in_ is Incoming.DONE and not response:
            found.append(("in", Event.LOST))
        if self.acknowledge_due and self.in_ in (Incoming.DONE, Incoming.ACKNOWLEDGED):
            found.append(("in", Event.ACKNOWLEDGE))
        return found

    def happens(self, side: str, event: Event) -> tuple[object, Event]:
        if side == "out":
            before: Outgoing | Incoming = self.out
            self.out, actions = decide(self.out, event)
            self._carry_out(actions, self._mine, self.request, OWNER)
        else:
            before = self.in_
            self.in_, actions = decide(self.in_, event)
            self._carry_out(actions, self._theirs, self.response, AGGREGATOR)
        return before, event

    def _carry_out(self, actions: Iterable[Action], mine: MemoryTransport, path: str, reader: str) -> None:
        for action in actions:
            match action:
                case Action.PUBLISH:
                    mine.publish(path, BytesContent(b"message"), [reader])
                case Action.REMOVE:
                    mine.remove(path)
                case Action.KEEP_REPLY:
                    self.kept += 1
                case Action.ACKNOWLEDGE:
                    self.acknowledge_due = True
                case Action.EXECUTE:
                    self.executed += 1

    def accident(self) -> None:
        """The store loses a file."""
        side, path = self._chance.choice([(self._mine, self.request), (self._theirs, self.response)])
        side.remove(path)

    def clear(self) -> None:
        self._mine.remove(self.request)
        self._theirs.remove(self.response)


def test_ten_thousand_random_sequences_reach_every_row_and_break_no_promise() -> None:
    chance = random.Random(11)
    store = MemoryStore()
    mine, theirs = MemoryTransport(store, AGGREGATOR), MemoryTransport(store, OWNER)
    reached: set[tuple[object, Event]] = set()
    for number in range(SEQUENCES):
        one = Exchange(chance, mine, theirs, number)
        for _ in range(LENGTH):
            if chance.random() < 0.15:
                one.accident()
            possible = one.possible()
            before = one.kept
            reached.add(one.happens(*chance.choice(possible)))
            # A reply is given to Flower once, and only while it is waited for.
            assert one.kept <= 1 and (one.kept == before or one.out is Outgoing.ANSWERED)
            # An ended request is not left where a data owner would execute it for nothing.
            if one.out in (Outgoing.ABSENT, Outgoing.WITHDRAWN):
                assert not one.there(AGGREGATOR, one.request)
        one.clear()
    assert reached == {*OUTGOING, *INCOMING}
