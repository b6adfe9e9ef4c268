"""Federations for the fault tests, on a fast file system where there is one."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fault.federation import Federation, Zygote


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked ``full`` run only where they are asked for."""
    if "full" in (config.option.markexpr or ""):
        return
    here = Path(__file__).parent
    wanted = [item for item in items if here not in item.path.parents or not item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Starts participants."""
    made = Zygote()
    yield made
    made.close()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for a federation; what it holds is written and removed quickly where memory is a disk."""
    memory = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="syft-flwr-fault-", dir=memory if memory.is_dir() else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def federation(zygote: Zygote, place: Path) -> Iterator[Callable[..., Federation]]:
    """Makes federations below one place, and sees that none of their processes is left."""
    made: list[Federation] = []

    def make(name: str = "one", **how: Any) -> Federation:
        made.append(Federation(zygote, place / name, **how))
        return made[-1]

    yield make
    for one in made:
        one.kill_all()
