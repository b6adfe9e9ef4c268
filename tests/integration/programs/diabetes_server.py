"""The aggregator's program, in the shape of the original's complete example: ``diabetes_server.py PROJECT``."""

import logging
import sys
from pathlib import Path

import numpy as np
from flwr.app import RecordDict
from flwr.common import Context, EvaluateRes, FitRes, Parameters, Scalar, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.client_proxy import ClientProxy
from flwr.server.strategy import FedAvg

from syft_flwr_cli.fl_orchestrator import syftbox_flwr_server


class DiabetesFedAvg(FedAvg):
    """FedAvg that says what comes back in every round."""

    def aggregate_fit(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, FitRes]],
        failures: list[tuple[ClientProxy, FitRes] | BaseException],
    ) -> tuple[Parameters | None, dict[str, Scalar]]:
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        if results:
            examples = sum(result.num_examples for _, result in results)
            print(
                f"fit {server_round}: {len(results)} clients, {examples} examples, {len(failures)} failures"
            )
            metrics["num_clients"] = len(results)
            metrics["total_examples"] = examples
        return parameters, metrics

    def aggregate_evaluate(
        self,
        server_round: int,
        results: list[tuple[ClientProxy, EvaluateRes]],
        failures: list[tuple[ClientProxy, EvaluateRes] | BaseException],
    ) -> tuple[float | None, dict[str, Scalar]]:
        if not results:
            return None, {}
        examples = sum(result.num_examples for _, result in results)
        loss = sum(result.loss * result.num_examples for _, result in results) / examples
        correct = sum(float(result.metrics["accuracy"]) * result.num_examples for _, result in results)
        print(f"evaluate {server_round}: loss {loss:.6f}, accuracy {correct / examples:.6f}")
        return loss, {"accuracy": correct / examples, "num_clients_evaluated": len(results)}


datasites = ["do1@a.example", "do2@b.example", "do3@c.example"]

strategy = DiabetesFedAvg(
    fraction_fit=1.0,
    fraction_evaluate=1.0,
    min_fit_clients=3,
    min_evaluate_clients=3,
    min_available_clients=3,
    initial_parameters=ndarrays_to_parameters([np.zeros(4), np.zeros(1)]),
)
config = ServerConfig(num_rounds=10)


def server_fn(context: Context) -> ServerAppComponents:
    if "--fail" in sys.argv:
        raise RuntimeError("the strategy is not ready")
    return ServerAppComponents(strategy=strategy, config=config)


app = ServerApp(server_fn=server_fn)

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    context = Context(run_id=0, node_id=0, node_config={}, state=RecordDict(), run_config={})
    final_context = syftbox_flwr_server(
        server_app=app,
        context=context,
        datasites=datasites,
        app_name="flwr/diabetes_prediction",
        project_dir=Path(sys.argv[1]),
    )
    print(f"the context that was given: {final_context is context}, run id {final_context.run_id}")
