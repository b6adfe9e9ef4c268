"""A store that takes no more requests ends the run loudly, also where Flower swallows exceptions.

In one process: the store is a folder whose writes of requests fail, and nobody waits for it to be mended.
"""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest
from doubles.channels import channel_of
from flwr.app import Message, RecordDict
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from participants import until

from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.aggregator.runs import RunOptions, run_server_app
from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.errors import TransportError
from syft_flwr_cli.flower import runtime
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.session.session import Session
from syft_flwr_cli.transports.base import Content
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.metered import Metered

APP, AGGREGATOR, OWNERS = "study", "ds@lab.example", ("do1@a.example", "do2@b.example")


class Refusing(FolderTransport):
    """A folder that takes everything but requests, until it is mended."""

    mended = False
    refused = 0

    def publish(self, path: str, content: Content, readers: Collection[str]) -> None:
        if path.endswith(".request") and not self.mended:
            self.refused += 1
            raise TransportError("The disk is full.", hint="Free some space.")
        super().publish(path, content, readers)


@pytest.fixture
def participant(tmp_path: Path) -> Callable[[str], Channel]:
    def make(email: str) -> Channel:
        store = Refusing(tmp_path / "root", email)
        return channel_of(tmp_path / "homes" / email, email, store, APP, retry_timeout=0.0)

    return make


def test_the_legacy_api_cannot_take_a_broken_store_for_missing_clients(
    participant: Callable[[str], Channel], tmp_path: Path
) -> None:
    for email in OWNERS:
        participant(email).publish_identity([AGGREGATOR])
    me = participant(AGGREGATOR)
    settings = resolve(
        None,
        environ={},
        home=tmp_path,
        role="aggregator",
        email=AGGREGATOR,
        app_name=APP,
        datasites=OWNERS,
        transport="local",
        root=tmp_path / "root",
    )

    def server_fn(context: object) -> ServerAppComponents:
        strategy = FedAvg(initial_parameters=ndarrays_to_parameters([np.zeros(3)]))
        return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=3))

    session = Session(me, settings, Metered(me.transport.once), None)
    with pytest.raises(TransportError, match="The disk is full"):
        run_server_app(
            session, lambda: ServerApp(server_fn=server_fn), runtime.make_context(0, 1, {}), RunOptions()
        )
    unfinished = me.journal.unfinished_run("aggregator")
    assert unfinished is not None, "the run can be taken up when the store is mended"
    store = me.transport.once
    assert isinstance(store, Refusing)
    assert store.refused <= len(OWNERS), "after the first round nothing more is tried"
    session.close()


def test_a_request_that_waited_for_a_key_goes_out_when_the_store_is_mended(
    participant: Callable[[str], Channel], tmp_path: Path
) -> None:
    me = participant(AGGREGATOR)
    store = me.transport.once
    assert isinstance(store, Refusing)
    grid = SyftGrid(APP, OWNERS[:1], me)
    grid.set_run(5)
    (node,) = grid.get_node_ids()
    (mid,) = grid.push_messages([Message(RecordDict(), node, "query")])
    participant(OWNERS[0]).publish_identity([AGGREGATOR])
    until(lambda: store.refused, "an attempt to write the request")
    assert list(grid.pull_messages([mid])) == []
    store.mended = True
    until(lambda: list((tmp_path / "root" / AGGREGATOR).rglob(f"{mid}.request")), "the request")
    grid.close()


def test_a_grid_that_is_closed_still_says_who_is_there(participant: Callable[[str], Channel]) -> None:
    """A thread of Flower's legacy API asks every three seconds, also after its ServerApp has failed."""
    grid = SyftGrid(APP, OWNERS, participant(AGGREGATOR))
    grid.set_run(5)
    nodes = grid.get_node_ids()
    grid.close()
    assert grid.get_node_ids() == nodes
    assert [info.name for info in grid.get_nodes()] == list(OWNERS)
