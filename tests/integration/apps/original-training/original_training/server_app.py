"""A legacy server whose strategy saves the model of every round."""

from pathlib import Path

import numpy as np
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig

from syft_flwr_cli.compat.strategy import FedAvgWithModelSaving


def server_fn(context: Context) -> ServerAppComponents:
    print("the server begins")
    strategy = FedAvgWithModelSaving(
        save_path=Path("weights"),
        fraction_fit=1.0,
        min_available_clients=2,
        initial_parameters=ndarrays_to_parameters([np.zeros(3)]),
    )
    config = ServerConfig(num_rounds=int(context.run_config["num-server-rounds"]))
    return ServerAppComponents(strategy=strategy, config=config)


app = ServerApp(server_fn=server_fn)
