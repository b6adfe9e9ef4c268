"""Every way in which a Flower app can talk to its nodes survives kills: threads, secrets, pushes by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fault.ending import assert_no_orphans, assert_nothing_open
from fault.federation import SERVER, Federation
from fault.projects import make_project, owners

Make = Callable[..., Federation]


def model(run: Federation) -> dict[str, Any]:
    with np.load(run.out) as stored:
        return {name: stored[name] for name in stored.files}


def assert_clean(run: Federation) -> None:
    assert run.lives[SERVER][-1].document()["status"] == "ok"
    assert_nothing_open(run)
    assert_no_orphans(run)


# -- the legacy API


def legacy(federation: Make, place: Path, count: int) -> Federation:
    people = owners(count)
    project = make_project(place, "legacy", people, {"num-server-rounds": 2, "owners": count})
    return federation(project=project, owners=people)


def assert_legacy_result(run: Federation) -> None:
    """Each round every owner adds 8, 16 or 24 times its number: what they do again would be seen."""
    count = len(run.owners)
    mean = sum(range(1, count + 1)) / count
    expected = mean * 8 * (1 + 3)  # its first and its third call are fits
    arrays = model(run)
    # Flower weighs with 1/count, which is not exact for every count.
    assert all(np.allclose(array, expected, rtol=1e-12, atol=0) for array in arrays.values()), [
        array.flat[0] for array in arrays.values()
    ]
    for owner in run.owners:
        calls = run.calls(owner)
        assert sorted(set(calls)) == ["evaluate 2", "evaluate 4", "fit 1", "fit 3"]
    assert_clean(run)


@pytest.mark.parametrize(
    "who, point, count",
    [
        (SERVER, "journal.push.after-commit:3", 4),
        (SERVER, "outbox.after-answer:2", 4),
        ("do2@fault.example", "journal.finish.after-commit:2", 4),
        pytest.param(SERVER, "outbox.before-publish:27", 20, marks=pytest.mark.full),
        pytest.param(SERVER, "journal.push.before-commit:50", 20, marks=pytest.mark.full),
        pytest.param("do17@fault.example", "inbox.after-execute:3", 20, marks=pytest.mark.full),
    ],
)
def test_the_legacy_api_whose_threads_push_in_any_order(
    federation: Make, place: Path, who: str, point: str, count: int
) -> None:
    run = legacy(federation, place, count)
    run.start_all({who: point})
    run.finish()
    assert run.killed(who) == 1
    assert_legacy_result(run)


# -- secure aggregation


@pytest.mark.parametrize(
    "who, point",
    [
        (SERVER, "journal.push.after-commit:3"),
        ("do2@fault.example", "journal.finish.after-commit:2"),
        *(
            pytest.param(SERVER, f"journal.push.after-commit:{n}", marks=pytest.mark.full)
            for n in (1, 2, 4, 5, 6, 7)
        ),
        *(
            pytest.param(f"do{1 + n % 3}@fault.example", f"{point}:{n}", marks=pytest.mark.full)
            for n in (1, 2, 3, 4, 5)
            for point in ("inbox.before-execute", "inbox.after-execute", "journal.finish.after-commit")
        ),
    ],
)
def test_secure_aggregation_goes_on_in_the_middle_of_its_exchanges(
    federation: Make, place: Path, who: str, point: str
) -> None:
    people = owners(3)
    project = make_project(place, "secure", people, {"num-server-rounds": 2, "owners": 3})
    run = federation(project=project, owners=people)
    run.start_all({who: point})
    run.finish()
    assert run.killed(who) == 1
    arrays = list(model(run).values())
    # Two rounds in which the owners add 0.5, 1 and 1.5; the masks cancel, the quantisation does not quite.
    for array, start in zip(arrays, (0.0, 1.0), strict=True):
        assert np.allclose(array, start + 2.0, atol=1e-3), float(array.flat[0])
    assert_one_response_per_request_of(run)
    assert_clean(run)


def assert_one_response_per_request_of(run: Federation) -> None:
    for owner in run.owners:
        journal = run.journal(owner)
        try:
            (ended,) = journal.runs()
            assert {request.state for request in journal.requests(ended.run)} == {"acknowledged"}
        finally:
            journal.close()


# -- pushed and pulled by hand


@pytest.mark.parametrize(
    "who, point",
    [
        (SERVER, "journal.push.after-commit:3"),
        (SERVER, "outbox.after-answer:4"),
        *(pytest.param(SERVER, f"outbox.after-answer:{n}", marks=pytest.mark.full) for n in range(1, 10)),
        pytest.param("do3@fault.example", "inbox.before-execute:2", marks=pytest.mark.full),
    ],
)
def test_an_app_that_sums_in_the_order_of_arrival_meets_the_same_order_again(
    federation: Make, place: Path, who: str, point: str
) -> None:
    people = owners(3)
    project = make_project(place, "handmade", people, {"num-server-rounds": 4})
    run = federation(project=project, owners=people)
    run.start_all({who: point})
    run.finish()
    # What it sends depends on the order: in any other the second life would have diverged (exit 17).
    assert run.killed(who) == 1
    assert_clean(run)
    journal = run.journal(SERVER)
    try:
        (ended,) = journal.runs()
        rows = [journal.sent(place.id) for place in journal.positions(ended.run)]
    finally:
        journal.close()
    orders = [
        tuple(row.recipient for row in sorted(part, key=lambda row: row.completion_order) if row)
        for part in (rows[at : at + 3] for at in range(0, 12, 3))
    ]
    total = expected_sum(orders, people)
    assert model(run)["w"].tobytes() == total.tobytes()


def expected_sum(orders: list[tuple[str, ...]], people: tuple[str, ...]) -> Any:
    """What the app computes if replies come in these orders."""
    values = np.full(20_000, 0.1)
    for number, order in enumerate(orders, 1):
        total = np.zeros_like(values)
        for who in order:
            noise = np.random.default_rng([people.index(who), number]).standard_normal(20_000)
            total = (total + (values / 3 + noise)) * 1.0000001
        values = total / len(people)
    return values
