"""syft-flwr: federated learning over files. The public API, loaded when it is asked for.

Importing this package loads nothing heavy; ``flwr`` is imported with the first name that needs it.
"""

from importlib import import_module
from typing import Any

__all__ = [
    "SyftGrid",
    "__version__",
    "get_data_dir",
    "is_running_under_syft_flwr",
    "syftbox_flwr_client",
    "syftbox_flwr_server",
]

__version__ = "0.2.0"

_WHERE = {
    "SyftGrid": "syft_flwr_cli.aggregator.grid",
    "syftbox_flwr_server": "syft_flwr_cli.aggregator.runs",
    "syftbox_flwr_client": "syft_flwr_cli.node.node",
    "get_data_dir": "syft_flwr_cli.app_environment",
    "is_running_under_syft_flwr": "syft_flwr_cli.app_environment",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
