"""For the integration tests: a federation of real processes, ended when its test is over."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from participants import OWNERS, Federate, Federation, federate


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
