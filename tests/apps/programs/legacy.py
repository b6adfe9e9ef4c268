"""The legacy API: NumPyClient and a strategy, a custom Server, and SecAgg+."""

import random

import numpy as np
from flwr.app import Context
from flwr.client import ClientApp, NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import (
    LegacyContext,
    Server,
    ServerApp,
    ServerAppComponents,
    ServerConfig,
    SimpleClientManager,
)
from flwr.server.strategy import FedAvg
from flwr.server.workflow import DefaultWorkflow, SecAggPlusWorkflow

from .common import data, keep, loss, train


class Client(NumPyClient):
    def __init__(self, context: Context) -> None:
        self.rows, self.targets = data(context)

    def fit(self, parameters, config):
        weights = train(parameters[0], self.rows, self.targets)
        return [weights], len(self.rows), {"loss": loss(weights, self.rows, self.targets)}

    def evaluate(self, parameters, config):
        value = loss(parameters[0], self.rows, self.targets)
        return value, len(self.rows), {"loss": value}


def client_fn(context: Context):
    return Client(context).to_client()


client = ClientApp(client_fn=client_fn)
masked = ClientApp(client_fn=client_fn, mods=[secaggplus_mod])


def mean(metrics):
    total = sum(n for n, _ in metrics)
    return {"loss": sum(n * m["loss"] for n, m in metrics) / total}


class Kept(FedAvg):
    """Keeps the result of the last round."""

    def __init__(self, context: Context, rounds: int) -> None:
        super().__init__(
            min_available_clients=2,
            initial_parameters=ndarrays_to_parameters([np.zeros(3)]),
            fit_metrics_aggregation_fn=mean,
            evaluate_metrics_aggregation_fn=mean,
        )
        self.context, self.rounds, self.told = context, rounds, []
        random.seed(5)  # strategies sample clients

    def aggregate_fit(self, server_round, results, failures):
        parameters, metrics = super().aggregate_fit(server_round, results, failures)
        self.model = parameters_to_ndarrays(parameters)
        self.told.append(metrics)
        return parameters, metrics

    def aggregate_evaluate(self, server_round, results, failures):
        found = super().aggregate_evaluate(server_round, results, failures)
        self.told.append(found)
        if server_round == self.rounds:
            keep(self.context, None, self.model, self.told)
        return found


class Own(Server):
    """A custom Server that says which round it is at."""

    def fit_round(self, server_round, timeout):
        print("round", server_round)
        return super().fit_round(server_round, timeout)


def server_fn(context: Context) -> ServerAppComponents:
    return ServerAppComponents(strategy=Kept(context, 3), config=ServerConfig(num_rounds=3))


def own_fn(context: Context) -> ServerAppComponents:
    server = Own(client_manager=SimpleClientManager(), strategy=Kept(context, 2))
    return ServerAppComponents(server=server, config=ServerConfig(num_rounds=2))


server, custom, secagg = ServerApp(server_fn=server_fn), ServerApp(server_fn=own_fn), ServerApp()


@secagg.main()
def main(grid, context: Context) -> None:
    legacy = LegacyContext(context=context, config=ServerConfig(num_rounds=2), strategy=Kept(context, 2))
    workflow = DefaultWorkflow(
        fit_workflow=SecAggPlusWorkflow(num_shares=3, reconstruction_threshold=2, clipping_range=4.0)
    )
    workflow(grid, legacy)
