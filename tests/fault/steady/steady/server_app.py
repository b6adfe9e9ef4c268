"""At the aggregator: the model begins at random, the owners are drawn at random, and the end is written down."""

import os
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()

SHAPES = {"payload": (96, 96), "inline": (128,), "tiny": (8,)}
"""One array for each way to travel: a payload file, the body, the protobuf inside the body."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run federated averaging and write the model to the file that STEADY_OUT names."""
    arrays = ArrayRecord({name: Array(np.random.standard_normal(shape)) for name, shape in SHAPES.items()})
    strategy = FedAvg(
        fraction_train=float(context.run_config["fraction-train"]),
        min_train_nodes=1,
        min_evaluate_nodes=1,
        min_available_nodes=1,
    )
    result = strategy.start(grid, arrays, num_rounds=int(context.run_config["num-server-rounds"]))
    out = os.environ.get("STEADY_OUT")
    if out:
        whole = Path(f"{out}.tmp")
        with whole.open("wb") as stream:
            np.savez(stream, **{name: array.numpy() for name, array in result.arrays.items()})
        whole.replace(out)
