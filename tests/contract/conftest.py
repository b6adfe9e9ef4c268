"""Fixtures of the conformance suite: one federation of three, for each transport."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from doubles.sampling import sample
from factories_gdrive import GDRIVE
from factories_object_store import OBJECT_STORES
from federations import ALICE, BOB, CAROL, FEDERATIONS, Federation, Setting

from syft_flwr_cli.transports.base import Transport

EVERY = FEDERATIONS | GDRIVE | OBJECT_STORES
NIGHTLY = {
    "gdrive-without-feed",
    "bad-moto-s3",
    "relative-folder",
    "folder-without-events",
    "syftbox-one-machine",
}
"""Siblings of others that are tried each time."""


@pytest.fixture(params=sample(sorted(EVERY), *(EVERY.keys() - NIGHTLY)))
def federation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Federation]:
    """Three participants who share a store."""
    place = tmp_path / "store"
    place.mkdir()
    with ExitStack() as stack:
        made = EVERY[request.param](Setting(place, stack))
        yield made
        for transport in made.opened:
            transport.close()


@pytest.fixture
def alice(federation: Federation) -> Transport:
    """Who publishes."""
    return federation.view(ALICE)


@pytest.fixture
def bob(federation: Federation) -> Transport:
    """Whom it is for."""
    return federation.view(BOB)


@pytest.fixture
def carol(federation: Federation) -> Transport:
    """Somebody else."""
    return federation.view(CAROL)
