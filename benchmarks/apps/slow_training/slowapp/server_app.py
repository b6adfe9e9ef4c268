"""Flower's FedAvg over ten layers of random numbers."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

LAYERS = 10

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    owners, count = int(config["owners"]), int(float(config["size"]) * 1_000_000) // 4 // LAYERS
    draw = np.random.default_rng(0)
    model = ArrayRecord({f"layer{i}": Array(draw.random(count, dtype=np.float32)) for i in range(LAYERS)})
    strategy = FedAvg(
        fraction_evaluate=0.0, min_train_nodes=owners, min_available_nodes=owners, min_evaluate_nodes=0
    )
    strategy.start(grid, model, num_rounds=int(config["rounds"]), timeout=3600.0)
