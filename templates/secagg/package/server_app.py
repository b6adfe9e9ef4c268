"""What runs at the aggregator: averages of models of which it never sees a single one (SecAgg+)."""

import os

import numpy as np
from flwr.app import Context
from flwr.common import Metrics, Scalar, ndarrays_to_parameters
from flwr.server import LegacyContext, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow
from flwr.serverapp import Grid, ServerApp

from .task import NAMES, new_model, to_list

FOR_TRAINING = ("local-epochs", "batch-size", "learning-rate", "seed")
"""What of the run config travels to the data owners with every model."""

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run federated averaging, with secure aggregation in place of plain training rounds."""
    config = context.run_config
    nodes, rounds = int(config["min-nodes"]), int(config["num-server-rounds"])

    def for_round(server_round: int) -> dict[str, Scalar]:
        return {key: config[key] for key in FOR_TRAINING} | {"server-round": server_round}

    strategy = FedAvg(
        min_fit_clients=nodes,
        min_evaluate_clients=nodes,
        min_available_clients=nodes,
        initial_parameters=ndarrays_to_parameters(to_list(new_model(int(config["seed"])))),
        on_fit_config_fn=for_round,
        evaluate_metrics_aggregation_fn=mean_accuracy,
    )
    legacy = LegacyContext(context=context, config=ServerConfig(num_rounds=rounds), strategy=strategy)
    masked = SecAggPlusWorkflow(
        num_shares=float(config["shares"]),
        reconstruction_threshold=float(config["threshold"]),
        max_weight=float(config["max-weight"]),
        timeout=float(config["timeout"]) or None,
    )
    DefaultWorkflow(fit_workflow=masked)(grid, legacy)

    for server_round, accuracy in legacy.history.metrics_distributed.get("accuracy", []):
        print(f"round {server_round}: accuracy {accuracy:.4f}")
    (arrays,) = legacy.state.array_records.values()
    place = _model_file(str(config["save-model"]))
    if place:
        np.savez(place, **dict(zip(NAMES, (array.numpy() for array in arrays.values()), strict=True)))
        print(f"The model is kept as {os.path.basename(place)}")


def mean_accuracy(results: list[tuple[int, Metrics]]) -> Metrics:
    """The mean accuracy over all test rows."""
    rows = sum(count for count, _ in results)
    return {"accuracy": sum(count * float(metrics["accuracy"]) for count, metrics in results) / max(rows, 1)}


def _model_file(asked: str) -> str:
    """Where the model is kept: in the file that was asked for, else in RESULTS_DIR, which syft-flwr names."""
    folder = os.environ.get("RESULTS_DIR", "")
    return asked or (os.path.join(folder, "model.npz") if folder else "")
