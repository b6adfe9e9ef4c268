"""Values of a parameter of which some are tried each time, and all by ``make nightly``."""

from collections.abc import Sequence
from typing import Any

import pytest

__all__ = ["sample"]


def sample(values: Sequence[Any], *quick: Any) -> list[Any]:
    """All of ``values`` for ``pytest.mark.parametrize``; those not in ``quick`` are marked ``full``."""
    return [
        value if value in quick else pytest.param(*_values(value), marks=pytest.mark.full) for value in values
    ]


def _values(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
