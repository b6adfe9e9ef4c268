"""A NumPyClient: parameters come from it, too, at the beginning."""

import numpy as np
from flwr.app import Context
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp


class Regression(NumPyClient):
    def __init__(self, partition: int) -> None:
        rng = np.random.default_rng(partition)
        self.rows = rng.normal(size=(30 + 10 * partition, 4))
        self.targets = self.rows @ np.arange(4.0)

    def get_parameters(self, config):
        return [np.full(4, 0.5), np.array([0.25])]

    def fit(self, parameters, config):
        weights, bias = parameters
        for _ in range(int(config["steps"])):
            error = self.rows @ weights + bias - self.targets
            weights = weights - 0.1 * self.rows.T @ error / len(error)
            bias = bias - 0.1 * error.mean()
        return [weights, bias], len(self.rows), {"steps": int(config["steps"]), "partition": len(self.rows)}

    def evaluate(self, parameters, config):
        weights, bias = parameters
        error = self.rows @ weights + bias - self.targets
        return float(np.mean(error**2)), len(self.rows), {"accuracy": float(np.mean(np.abs(error) < 1.0))}


def client_fn(context: Context) -> Client:
    return Regression(int(context.node_config["partition-id"])).to_client()


app = ClientApp(client_fn=client_fn)
