"""FedAvg of the legacy API with aggregated metrics; a file gets what came of each round."""

import json
from pathlib import Path

import numpy as np
from flwr.app import Context
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg


def weighted(metrics):
    total = sum(count for count, _ in metrics)
    return {key: sum(n * m[key] for n, m in metrics) / total for key in metrics[0][1]}


def server_fn(context: Context) -> ServerAppComponents:
    save_to = str(context.run_config["save-to"])

    def note(server_round, parameters, config):
        if save_to:
            line = json.dumps([server_round, [array.tolist() for array in parameters]])
            with Path(save_to).open("a") as file:
                file.write(line + "\n")
        return 0.0, {}

    own = ndarrays_to_parameters([np.ones(4), np.ones(1)])
    strategy = FedAvg(
        initial_parameters=own if context.run_config["own-start"] else None,
        min_fit_clients=2,
        min_evaluate_clients=2,
        min_available_clients=2,
        fit_metrics_aggregation_fn=weighted,
        evaluate_metrics_aggregation_fn=weighted,
        on_fit_config_fn=lambda server_round: {"steps": server_round},
        evaluate_fn=note,
    )
    config = ServerConfig(
        num_rounds=int(context.run_config["num-server-rounds"]),
        round_timeout=float(context.run_config["round-timeout"]) or None,
    )
    return ServerAppComponents(strategy=strategy, config=config)


app = ServerApp(server_fn=server_fn)
