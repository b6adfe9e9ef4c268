"""Packages that are installed beside ours, for a while."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ANOTHER_PACKAGE = Path(__file__).parent / "another_package"


@contextmanager
def installed(place: Path) -> Iterator[None]:
    """Have what lies in ``place`` installed, as ``pip install --target`` would do it."""
    sys.path.append(str(place))
    try:
        yield
    finally:
        sys.path.remove(str(place))
