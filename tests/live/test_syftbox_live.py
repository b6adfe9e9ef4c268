"""A federation over the real SyftBox, where its binaries are (see ``syftbox_network``): sizes, kills, and a stranger.

``SYFT_FLWR_LIVE_SYFTBOX_SERVER`` and ``SYFT_FLWR_LIVE_SYFTBOX_CLIENT`` name the binaries of a server and of a client.
The figures are printed (``pytest -s``); on a busy machine they say little.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_federation import AGGREGATOR, LiveFederation, owners_of, table
from syftbox_network import CLIENT, SERVER, SyftBoxNetwork, given

pytestmark = [
    pytest.mark.live,
    pytest.mark.store,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not given(), reason=f"no SyftBox here: {SERVER} and {CLIENT} do not name its binaries"
    ),
]

STRANGER = "nosy@elsewhere.example"


@pytest.fixture
def owners() -> list[str]:
    return owners_of(3)


@pytest.fixture
def network(owners: list[str], tmp_path: Path) -> Iterator[SyftBoxNetwork]:
    """A server and daemons for the participants and for somebody who is none."""
    (tmp_path / "net").mkdir()
    made = SyftBoxNetwork(tmp_path / "net", [AGGREGATOR, *owners, STRANGER])
    yield made
    made.close()


@pytest.fixture
def federation(network: SyftBoxNetwork, owners: list[str], tmp_path: Path) -> Iterator[LiveFederation]:
    """An aggregator and three data owners, each with a SyftBox of its own."""
    (tmp_path / "federation").mkdir()
    made = LiveFederation(
        tmp_path / "federation",
        "syftbox",
        owners,
        environment=lambda email: {"SYFTBOX_CLIENT_CONFIG_PATH": str(network.config(email))},
    )
    yield made
    made.close()


def ours(network: SyftBoxNetwork, of: str, machine: str | None = None) -> list[Path]:
    """The files of ours in a datasite."""
    place = network.datasites(machine or of) / of / "app_data" / "flwr"
    return [path for path in place.rglob("*") if path.is_file()]


def test_models_of_every_size_arrive_and_a_stranger_gets_no_byte(
    network: SyftBoxNetwork, federation: LiveFederation
) -> None:
    federation.start_owners()
    federation.start_server([22_000, 1_000_000, 1_450_000, 3_200_000, 5_000_000, 20_000_000, 50_000_000], 3)
    rows = federation.finished(1800)
    print(f"\n{table(rows)}")
    assert [row["answers"] for row in rows] == [3] * 21
    for email in federation.everybody:
        assert ours(network, email, machine=STRANGER) == []
        assert not [
            path for path in ours(network, email) if ".conflict" in path.name or ".rejected" in path.name
        ]
        between = [path for path in ours(network, email) if path.suffix in {".request", ".response"}]
        assert not [path for path in between if 2_000_000 < path.stat().st_size < 4_200_000]
    for first in federation.owners:
        for second in federation.owners:
            if first != second:
                assert ours(network, first, machine=second) == []


def test_a_run_survives_kills_of_the_server_and_of_every_daemon(
    network: SyftBoxNetwork, federation: LiveFederation
) -> None:
    federation.start_owners()
    rounds = 12
    federation.start_server([22_000, 1_000_000], rounds)
    victims = [network.server, *(network.daemons[email] for email in federation.everybody)]
    for count, victim in enumerate(victims, 1):
        federation.until(lambda count=count: len(federation.rows()) >= 3 * count, "phases", 300)  # type: ignore[misc]
        victim.kill(signal.SIGKILL)
        victim.start()
    rows = federation.finished(1200)
    print(f"\n{table(rows)}")
    assert [row["answers"] for row in rows] == [3] * 2 * rounds
    for email in federation.everybody:
        assert not [path for path in ours(network, email) if ".conflict" in path.name]
