"""At the aggregator: averages, and writes the model to the file that ``save-to`` names."""

from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()

SHAPES = {"large": (512, 272), "small": (8,)}
"""A payload of more than one chunk, and an array that travels inside the body."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    arrays = {
        name: Array(np.arange(np.prod(shape), dtype=np.float64).reshape(shape))
        for name, shape in SHAPES.items()
    }
    result = FedAvg(min_train_nodes=2, min_evaluate_nodes=2, min_available_nodes=2).start(
        grid, ArrayRecord(arrays), num_rounds=int(context.run_config["num-server-rounds"])
    )
    if context.run_config["save-to"]:
        with Path(str(context.run_config["save-to"])).open("wb") as stream:
            np.savez(stream, **{name: array.numpy() for name, array in result.arrays.items()})
