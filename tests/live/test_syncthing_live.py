"""A federation over Syncthing: a folder for each owner, which everybody else only receives."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_federation import AGGREGATOR, LiveFederation, owners_of, table
from syncthing import Syncthing, possible

pytestmark = [
    pytest.mark.live,
    pytest.mark.store,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not possible(), reason="no Syncthing here"),
]


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[LiveFederation]:
    """An aggregator and two data owners, each with a Syncthing of its own."""
    for name in ("net", "federation"):
        (tmp_path / name).mkdir()
    network = Syncthing(tmp_path / "net", [AGGREGATOR, *owners_of(2)])
    made = LiveFederation(
        tmp_path / "federation",
        "local",
        owners_of(2),
        options=lambda email: ("--root", str(network.root(email))),
    )
    yield made
    made.close()
    network.close()


def test_models_travel_over_syncthing(federation: LiveFederation) -> None:
    federation.start_owners()
    federation.start_server([22_000, 1_000_000], 4)
    rows = federation.finished(600)
    print(f"\n{table(rows)}")
    assert [row["answers"] for row in rows] == [2] * 8
