"""SecAgg+ instead of the default workflow for fit: four exchanges a round, secrets in the owners' states."""

import os
from pathlib import Path

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
    count = int(config["owners"])
    strategy = FedAvg(
        min_fit_clients=count,
        min_evaluate_clients=count,
        min_available_clients=count,
        initial_parameters=ndarrays_to_parameters([np.zeros((100, 100)), np.ones(3)]),
    )
    rounds = ServerConfig(num_rounds=int(config["num-server-rounds"]))
    legacy = LegacyContext(context=context, config=rounds, strategy=strategy)
    fit = SecAggPlusWorkflow(num_shares=count, reconstruction_threshold=count - 1, max_weight=100.0)
    DefaultWorkflow(fit_workflow=fit)(grid, legacy)
    (arrays,) = legacy.state.array_records.values()
    out = os.environ.get("STEADY_OUT")
    if out:
        with Path(out).open("wb") as stream:
            np.savez(stream, *[array.numpy() for array in arrays.values()])
