"""What a participant of the original starts: ``SYFTBOX_EMAIL=… python main.py``."""

import os
from pathlib import Path

from syft_flwr_cli.compat.run import load_flwr_pyproject, syftbox_run_flwr_client, syftbox_run_flwr_server

PROJECT = Path(__file__).parent

if __name__ == "__main__":
    config = load_flwr_pyproject(PROJECT)["tool"]["syft_flwr"]
    if os.environ["SYFTBOX_EMAIL"] == config["aggregator"]:
        syftbox_run_flwr_server(PROJECT)
    else:
        syftbox_run_flwr_client(PROJECT)
