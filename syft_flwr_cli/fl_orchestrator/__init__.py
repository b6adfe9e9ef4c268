"""Flower over the messaging core; names are loaded when they are asked for, flwr with the first of them."""

from importlib import import_module
from typing import Any

__all__ = ["SyftGrid", "syftbox_flwr_client", "syftbox_flwr_server"]

_WHERE = {
    "SyftGrid": "syft_grid",
    "syftbox_flwr_client": "flower_client",
    "syftbox_flwr_server": "flower_server",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
