"""Masks what it sends, with Flower's own mod; adds a number of its own."""

import numpy as np
from flwr.app import Context
from flwr.client import Client, NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp


class Adder(NumPyClient):
    """Adds half its number; the average tells whether all were counted, and once."""

    def __init__(self, number: int) -> None:
        self.number = number

    def fit(self, parameters, config):  # type: ignore[no-untyped-def]
        return [array + 0.5 * self.number for array in parameters], 10, {}

    def evaluate(self, parameters, config):  # type: ignore[no-untyped-def]
        return float(np.mean(parameters[0])), 10, {}


def client_fn(context: Context) -> Client:
    return Adder(int(context.node_config["partition-id"]) + 1).to_client()


app = ClientApp(client_fn=client_fn, mods=[secaggplus_mod])
