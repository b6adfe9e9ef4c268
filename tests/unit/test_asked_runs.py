"""What a data owner has allowed for a run: bound to that run, kept through later decisions, refused where not asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from syft_flwr_cli.catalogue.projects import Offer, ProjectDecision, decision_document
from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.catalogue.run_asks import RunAnswer, RunAsk
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.services.asked_runs import allowed_values, answer_run, unanswered
from syft_flwr_cli.services.joining import Offered, answer
from syft_flwr_cli.storage.paths import make_private_dir, participant_dir

DS, ME = "ds@lab.example", "do1@a.example"
APP = f"{DS}_study_1"
ASKS = (RunAsk("4200", {"rounds": 7}, "ada"), RunAsk("4300", {"rounds": 9}, "bob"))
OFFER = Offer("6ba7b810-9dad-41d1-80b4-00c04fd430c8", APP, "study", "1", 1, "ab" * 32, "", (ME,), None)


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(make_private_dir(participant_dir(tmp_path, ME) / "federation"), ME)


def offered(*answers: RunAnswer) -> Offered:
    decision = ProjectDecision(OFFER.id, APP, OFFER.digest, "approve", runs=answers)
    return Offered(DS, replace(OFFER, runs=ASKS), 1.0, Path("/nowhere"), decision)


def test_an_allowed_run_has_its_values_and_no_other_run_has_them(store: RecordStore, tmp_path: Path) -> None:
    assert answer_run(store, offered(), "42", True) == ASKS[0]
    assert allowed_values(tmp_path, ME, DS, APP, "4200") == {"rounds": 7}
    assert allowed_values(tmp_path, ME, DS, APP, "4300") == {}
    assert allowed_values(tmp_path, ME, "other@lab.example", APP, "4200") == {}


def test_a_refused_run_has_nothing(store: RecordStore, tmp_path: Path) -> None:
    answer_run(store, offered(), "4300", False)
    assert allowed_values(tmp_path, ME, DS, APP, "4300") == {}
    assert unanswered(offered(RunAnswer("4300", {"rounds": 9}, False))) == [ASKS[0]]


def test_what_was_allowed_outlives_another_decision_about_the_project(
    store: RecordStore, tmp_path: Path
) -> None:
    answer_run(store, offered(), "4200", True)
    answer(store, offered(RunAnswer("4200", {"rounds": 7}, True)), "approve", 2.0, message="again")
    assert allowed_values(tmp_path, ME, DS, APP, "4200") == {"rounds": 7}


def test_an_answer_to_a_run_that_nobody_asks_for_is_refused(store: RecordStore) -> None:
    with pytest.raises(UsageError):
        answer_run(store, offered(), "4", True)
    with pytest.raises(UsageError):
        answer_run(store, offered(), "99", True)
    undecided = replace(offered(), decision=None)
    with pytest.raises(UsageError):
        answer_run(store, undecided, "4200", True)


def test_decisions_of_before_allow_nothing(store: RecordStore, tmp_path: Path) -> None:
    assert allowed_values(tmp_path, ME, DS, APP, "4200") == {}
    plain = ProjectDecision(OFFER.id, APP, OFFER.digest, "approve")
    store.put(DS, "decision", APP, decision_document(plain), 1.0)
    assert allowed_values(tmp_path, ME, DS, APP, "4200") == {}
