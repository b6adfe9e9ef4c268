"""The import path of `SyftGrid` that callers of the original know."""

from syft_flwr_cli.aggregator.grid import SyftGrid

__all__ = ["SyftGrid"]
