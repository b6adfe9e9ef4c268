"""For the attacks: scenes whose processes are ended when their test, or their module, is over."""

from collections.abc import Callable, Iterator

import pytest
from scene import Scene


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A federation of this test alone."""
    made = Scene(tmp_path_factory.mktemp("scene"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def new_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Scene]]:
    """Makes federations that live as long as the tests of a module."""
    made: list[Scene] = []

    def make(**how: str) -> Scene:
        made.append(Scene(tmp_path_factory.mktemp("scene"), **how))
        return made[-1]

    yield make
    for one in made:
        one.close()
