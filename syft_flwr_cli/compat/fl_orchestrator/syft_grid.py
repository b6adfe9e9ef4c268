"""The original's ``syft_flwr.fl_orchestrator.syft_grid``."""

from syft_flwr_cli.aggregator.grid import SyftGrid
from syft_flwr_cli.flower.runtime import SERVER_NODE_ID as AGGREGATOR_NODE_ID

__all__ = ["AGGREGATOR_NODE_ID", "SyftGrid"]
