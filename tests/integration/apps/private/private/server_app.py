"""FedAvg, with or without one of Flower's wrappers for differential privacy around it."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import (
    DifferentialPrivacyClientSideAdaptiveClipping,
    DifferentialPrivacyClientSideFixedClipping,
    DifferentialPrivacyServerSideFixedClipping,
    FedAvg,
    Strategy,
)

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    noise, place = float(config["noise"]), config["place"]
    strategy: Strategy = FedAvg(min_available_nodes=2)
    if place == "server":
        strategy = DifferentialPrivacyServerSideFixedClipping(strategy, noise, 1.0, 2)
    elif place == "client-fixed":
        strategy = DifferentialPrivacyClientSideFixedClipping(strategy, noise, 1.0, 2)
    elif place == "client-adaptive":
        strategy = DifferentialPrivacyClientSideAdaptiveClipping(strategy, noise, 2, clipped_count_stddev=0.0)
    initial = ArrayRecord({"weights": Array(np.zeros((3, 4))), "bias": Array(np.zeros(2))})
    result = strategy.start(grid, initial, num_rounds=int(config["num-server-rounds"]))
    if config["save-to"]:
        arrays = {name: array.numpy() for name, array in result.arrays.items()}
        np.savez(str(config["save-to"]), **arrays)
