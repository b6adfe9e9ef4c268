"""The SecAgg+ workflow instead of the default one for fit."""

import numpy as np
from flwr.app import Context
from flwr.common import ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    strategy = FedAvg(
        min_fit_clients=3,
        min_evaluate_clients=3,
        min_available_clients=3,
        initial_parameters=ndarrays_to_parameters([np.zeros((4, 5)), np.ones(3)]),
    )
    legacy = LegacyContext(
        context=context, config=ServerConfig(num_rounds=int(config["num-server-rounds"])), strategy=strategy
    )
    fit = SecAggPlusWorkflow(
        num_shares=int(config["num-shares"]),
        reconstruction_threshold=int(config["threshold"]),
        max_weight=100.0,
    )
    DefaultWorkflow(fit_workflow=fit)(grid, legacy)
    (arrays,) = legacy.state.array_records.values()
    if config["save-to"]:
        np.savez(str(config["save-to"]), *[array.numpy() for array in arrays.values()])
