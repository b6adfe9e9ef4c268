"""The names of the original, under which its programs move over: ``syft_flwr`` becomes ``syft_flwr_cli.compat``.

Thin: each name calls what the commands call. Names are loaded when they are asked for, flwr with the first that
needs it. docs/moving-from-the-original.md lists every public name of the original and what it is here.
"""

from importlib import import_module
from typing import Any

__all__ = ["bootstrap", "run"]

_WHERE = {"bootstrap": "syft_flwr_cli.compat.bootstrap", "run": "syft_flwr_cli.compat.run_simulation"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
