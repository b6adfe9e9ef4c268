"""What runs at the aggregator: hand the model out, average what comes back, and again."""

import os

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from .task import new_model

FOR_TRAINING = ("local-epochs", "batch-size", "learning-rate", "seed")
"""What of the run config travels to the data owners with every model."""

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run federated averaging for as many rounds as the run config says."""
    config = context.run_config
    nodes = int(config["min-nodes"])
    strategy = FedAvg(
        fraction_train=float(config["fraction-train"]),
        min_train_nodes=nodes,
        min_evaluate_nodes=nodes,
        min_available_nodes=nodes,
    )
    result = strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord(new_model(int(config["seed"])).state_dict()),
        num_rounds=int(config["num-server-rounds"]),
        train_config=ConfigRecord({key: config[key] for key in FOR_TRAINING}),
    )
    place = _model_file(str(config["save-model"]))
    if place:
        torch.save(result.arrays.to_torch_state_dict(), place)
        print(f"The model is kept as {os.path.basename(place)}")


def _model_file(asked: str) -> str:
    """Where the model is kept: in the file that was asked for, else in RESULTS_DIR, which syft-flwr names."""
    folder = os.environ.get("RESULTS_DIR", "")
    return asked or (os.path.join(folder, "model.pt") if folder else "")
