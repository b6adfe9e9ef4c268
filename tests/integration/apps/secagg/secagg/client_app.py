"""Masks what it sends, with Flower's own mod."""

import numpy as np
from flwr.app import Context
from flwr.client import Client, NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp


class Adder(NumPyClient):
    """Adds a number of its own to every parameter; the average tells whether all were counted."""

    def __init__(self, partition: int) -> None:
        self.partition = partition

    def fit(self, parameters, config):
        step = np.float64(0.5 * (self.partition + 1))
        return [array + step for array in parameters], 10 * (self.partition + 1), {}

    def evaluate(self, parameters, config):
        return float(np.mean(parameters[0])), 10, {"mean": float(np.mean(parameters[0]))}


def client_fn(context: Context) -> Client:
    return Adder(int(context.node_config["partition-id"])).to_client()


app = ClientApp(client_fn=client_fn, mods=[secaggplus_mod])
