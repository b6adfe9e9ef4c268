"""For the integration tests: a federation of real processes, ended when its test is over."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from participants import OWNERS, Federation, federate


class Federate(Protocol):
    """Makes a federation of an app of these tests."""

    def __call__(
        self, app: str, owners: Sequence[str] = OWNERS, *, transport: str = "local"
    ) -> Federation: ...


@pytest.fixture
def federated(tmp_path: Path) -> Iterator[Federate]:
    made: list[Federation] = []

    def make(app: str, owners: Sequence[str] = OWNERS, *, transport: str = "local") -> Federation:
        federation = federate(tmp_path / f"f{len(made)}", app, owners, transport=transport)
        made.append(federation)
        return federation

    yield make
    for federation in made:
        federation.close()
