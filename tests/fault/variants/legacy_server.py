"""FedAvg of the legacy API: as many threads as owners, each with a request of its own.

It aggregates in the order in which replies come, so the parameters are such that order makes no difference:
sums of small whole numbers are exact.
"""

import os
from pathlib import Path

import numpy as np
from flwr.app import Context
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg


class Remembering(FedAvg):
    """Writes the latest parameters to the file that STEADY_OUT names."""

    def aggregate_fit(self, server_round, results, failures):  # type: ignore[no-untyped-def]
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        assert not failures and parameters is not None
        out = os.environ.get("STEADY_OUT")
        if out:
            with Path(out).open("wb") as stream:
                np.savez(stream, *parameters_to_ndarrays(parameters))
        return parameters, metrics


def server_fn(context: Context) -> ServerAppComponents:
    config = context.run_config
    count = int(config["owners"])
    strategy = Remembering(
        initial_parameters=ndarrays_to_parameters([np.zeros((100, 100)), np.zeros(3)]),
        min_fit_clients=count,
        min_evaluate_clients=count,
        min_available_clients=count,
    )
    rounds = ServerConfig(num_rounds=int(config["num-server-rounds"]))
    return ServerAppComponents(strategy=strategy, config=rounds)


app = ServerApp(server_fn=server_fn)
