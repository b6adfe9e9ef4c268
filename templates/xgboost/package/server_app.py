"""What runs at the aggregator: hand the trees out, add those that come back, and again (bagging)."""

import os
from pathlib import Path

from flwr.app import ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedXgbBagging

from .task import from_record, to_record

FOR_TRAINING = ("max-depth", "learning-rate", "seed")
"""What of the run config travels to the data owners with every model."""

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Collect trees for as many rounds as the run config says."""
    config = context.run_config
    nodes = int(config["min-nodes"])
    strategy = FedXgbBagging(
        fraction_train=float(config["fraction-train"]),
        min_train_nodes=nodes,
        min_evaluate_nodes=nodes,
        min_available_nodes=nodes,
    )
    result = strategy.start(
        grid=grid,
        initial_arrays=to_record(b""),
        num_rounds=int(config["num-server-rounds"]),
        train_config=ConfigRecord({key: config[key] for key in FOR_TRAINING}),
    )
    place = _model_file(str(config["save-model"]))
    if place:
        Path(place).write_bytes(from_record(result.arrays))
        print(f"The model is kept as {os.path.basename(place)}; load it with xgboost.Booster(model_file=...)")


def _model_file(asked: str) -> str:
    """Where the model is kept: in the file that was asked for, else in RESULTS_DIR, which syft-flwr names."""
    folder = os.environ.get("RESULTS_DIR", "")
    return asked or (os.path.join(folder, "model.json") if folder else "")
