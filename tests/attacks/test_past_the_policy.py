"""An aggregator that asks for more than was agreed, at the gate itself: without any process."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doubles.channels import identity_of

from syft_flwr_cli.consent.egress import EgressRules
from syft_flwr_cli.consent.gate import ApprovedCode, Gate
from syft_flwr_cli.consent.policy import Policy
from syft_flwr_cli.consent.reread import Reread
from syft_flwr_cli.delivery.task import Task, WrittenReply
from syft_flwr_cli.errors import NotApprovedError
from syft_flwr_cli.protocol.body import Body
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.states import Incoming
from syft_flwr_cli.security.presence import make_presence, read_presence
from syft_flwr_cli.storage.journal import Journal, Request

CODE = "a" * 64


class Asked:
    """A gate before approved code, and requests that are claimed as the inbox claims them."""

    def __init__(self, place: Path) -> None:
        self.journal = Journal(place / "journal.sqlite3")
        self.policy = Policy(message_types=("train",), max_rounds=2, max_runs=2, min_participants=3)
        self.approved = True
        self.place = place
        self._number = 0
        self.restart()

    def restart(self) -> None:
        """The gate of the next process."""
        code = ApprovedCode(
            digest=CODE,
            copy=self.place,
            policy=self.policy,
            environment=None,
            run_config={"rate": 0.1},
            decision=Reread([self.place / "decision"], self._decision),
            rules=Reread([self.place / "policy"], lambda: self.policy),
            recheck=lambda: None,
            check_environment=lambda: None,
        )
        self.gate = Gate(code, self.journal, 3)

    def change(self) -> None:
        """The policy's file is written anew."""
        (self.place / "policy").write_text(str(self.policy))

    def _decision(self) -> None:
        if not self.approved:
            raise NotApprovedError("No.", hint="None.")

    def reject(self) -> None:
        self.approved = False
        (self.place / "decision").write_text("reject")

    def asks(self, run: str = "1", **what: Any) -> str | None:
        body = Body(**{"type": "train", "code": CODE, "owners": 3, "run_config": {"rate": 0.1}, **what})
        self._number += 1
        mid = f"5f0c2c5e-0d5c-4b43-9a3d-{self._number:012d}"
        self.journal.begin_run(run, "data owner", 1.0, {"owners": body.owners}, {})
        row = Request(mid, run, "ds@lab.example", Incoming.NEW, "d", 1.0, 0, None, (), type=body.type)
        self.journal.claim(row, {"event": "received"})
        return self.gate(Task(mid, run, body, [], None, None, 0))

    def holds(self, **record: Any) -> str | None:
        """Whether the reply to the last request is held, now that it is written."""
        mid = f"5f0c2c5e-0d5c-4b43-9a3d-{self._number:012d}"
        made = {"bytes": 1000, "records": ["m"], "mods": ["dp:clip"], "sandbox": "bwrap", **record}
        return self.gate.hold(WrittenReply(mid, "1", "train", made))


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    made = Asked(tmp_path)
    yield made
    made.journal.close()


def test_what_was_agreed_passes(asked: Asked) -> None:
    assert asked.asks() is None and asked.asks() is None


@pytest.mark.parametrize(
    "what",
    [
        {"type": "query.raw"},
        {"type": "train.other"},
        {"type": "Train"},
        {"type": "evaluate"},
        {"code": "b" * 64},
        {"owners": 2},
        {"owners": 1},
        {"run_config": {"rate": 1.0}},
        {"run_config": {"rate": 0.1, "dump": True}},
    ],
    ids=str,
)
def test_what_was_not_agreed_is_refused(asked: Asked, what: dict[str, Any]) -> None:
    assert asked.asks(**what) is not None
    assert asked.asks(run="2") is None, "an honest run after it is not harmed"


def test_the_round_that_a_message_names_is_not_believed(asked: Asked) -> None:
    assert [asked.asks(round=1) is None for _ in range(4)] == [True, True, False, False]


def test_another_spelling_of_a_type_does_not_count_anew(asked: Asked) -> None:
    answers = [asked.asks(type=kind) is None for kind in ("train", "train.default", "train", "train.default")]
    assert answers == [True, True, False, False]


def test_new_runs_give_no_more_rounds_than_the_policy_has_runs(asked: Asked) -> None:
    assert [asked.asks(run=str(run)) is None for run in (1, 2, 3, 4)] == [True, True, False, False]


def test_how_many_data_owners_there_are_is_not_said_twice(asked: Asked) -> None:
    assert asked.asks(owners=3) is None
    assert asked.asks(owners=4) is not None


LOSS = {"record": "m", "name": "loss", "value": 0.5}


@pytest.mark.parametrize(
    ("stricter", "record"),
    [
        ({"message_types": ("evaluate",)}, {}),
        ({"max_rounds": 0}, {}),
        ({"max_runs": 0}, {}),
        ({"min_participants": 4}, {}),
        ({"sandbox": ()}, {"sandbox": None}),
        ({"sandbox": ()}, {"sandbox": "none"}),
        ({"egress": EgressRules(records=("other",))}, {}),
        ({"egress": EgressRules(metrics=("accuracy",))}, {"metrics": [LOSS]}),
        ({"egress": EgressRules(round_bytes=999)}, {}),
        ({"egress": EgressRules(run_bytes=999)}, {}),
        ({"egress": EgressRules(min_examples=5)}, {"metrics": [LOSS]}),
        ({"egress": EgressRules(metrics=("loss",))}, {"metrics": [LOSS], "more": 1}),
    ],
    ids=str,
)
def test_a_policy_that_became_stricter_holds_what_is_written_already(
    asked: Asked, stricter: dict[str, Any], record: dict[str, Any]
) -> None:
    assert asked.asks() is None and asked.holds(**record) is None
    asked.policy = replace(asked.policy, **stricter)
    asked.change()
    assert asked.holds(**record) is not None


def test_a_mod_that_became_required_holds_what_was_made_without_it(asked: Asked) -> None:
    asked.policy = replace(asked.policy, required_mods=("dp:clip",))
    asked.restart()
    assert asked.asks() is None and asked.holds() is None
    assert asked.holds(mods=[]) is not None


def test_after_a_rejection_nothing_passes_and_nothing_is_sent(asked: Asked) -> None:
    assert asked.asks() is None and asked.holds() is None
    asked.reject()
    assert asked.holds() is not None
    assert asked.asks() is not None and asked.asks(run="2") is not None
    assert asked.gate.closed is not None


DO, EVE = identity_of("do@a.example"), identity_of("eve@e.example")


@pytest.mark.parametrize(
    "data",
    [
        make_presence(EVE, 1e9),
        make_presence(DO, 1e9).replace(b"1000000000", b"2000000000"),
        make_presence(DO, 1e9)[:-20],
        make_presence(DO, 1e9) * 2,
        make_presence(DO, 1e9) + b" " * 3000,
        make_presence(DO, 1 << 41),
        b"",
        b"[" * 2000,
        b"null",
        b'{"signature": "zz"}',
    ],
    ids=range(10),
)
def test_a_sign_of_life_that_is_none_is_not_believed(data: bytes) -> None:
    with pytest.raises(RefusedError):
        read_presence(data, DO.public)
