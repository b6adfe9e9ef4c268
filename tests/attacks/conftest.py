"""For the attacks: scenes whose processes are ended when their test is over."""

from collections.abc import Iterator

import pytest
from scene import Scene


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A federation of this test alone."""
    made = Scene(tmp_path_factory.mktemp("scene"))
    yield made
    made.close()
