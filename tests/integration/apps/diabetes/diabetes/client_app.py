"""Logistic regression on the rows that lie at this data owner; written for the original, one import changed."""

import numpy as np
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp
from flwr.common import Context

from syft_flwr_cli.app_environment import load_syftbox_dataset, run_syft_flwr


class DiabetesClient(NumPyClient):
    def __init__(self, steps: int) -> None:
        assert run_syft_flwr(), "this program runs under syft-flwr"
        rows = np.loadtxt(load_syftbox_dataset() / "patients.csv", delimiter=",", skiprows=1)
        self.features, self.outcome = rows[:, :-1], rows[:, -1]
        self.steps = steps

    def chances(self, parameters):
        weights, bias = parameters
        return 1.0 / (1.0 + np.exp(-(self.features @ weights + bias)))

    def fit(self, parameters, config):
        weights, bias = parameters
        for _ in range(self.steps):
            error = self.chances((weights, bias)) - self.outcome
            weights = weights - 0.5 * self.features.T @ error / len(error)
            bias = bias - 0.5 * error.mean(keepdims=True)
        return [weights, bias], len(self.outcome), {}

    def evaluate(self, parameters, config):
        chances = np.clip(self.chances(parameters), 1e-9, 1 - 1e-9)
        loss = -np.mean(self.outcome * np.log(chances) + (1 - self.outcome) * np.log(1 - chances))
        accuracy = np.mean((chances > 0.5) == self.outcome)
        return float(loss), len(self.outcome), {"accuracy": float(accuracy)}


def client_fn(context: Context) -> Client:
    return DiabetesClient(int(context.run_config.get("local-steps", 3))).to_client()


app = ClientApp(client_fn=client_fn)
