"""The import path that callers of the original know; names are loaded when they are asked for, flwr with the first."""

from importlib import import_module
from typing import Any

__all__ = ["SyftGrid", "syftbox_flwr_client", "syftbox_flwr_server"]

_WHERE = {
    "SyftGrid": "syft_flwr_cli.aggregator.grid",
    "syftbox_flwr_client": "syft_flwr_cli.compat.client",
    "syftbox_flwr_server": "syft_flwr_cli.aggregator.runs",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
