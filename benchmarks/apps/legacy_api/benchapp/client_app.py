"""Gives every model back changed, through the legacy API."""

from typing import Any

from flwr.app import Context
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp

from benchapp.task import train


class Node(NumPyClient):
    """Takes part in training; is never asked to evaluate."""

    def fit(self, parameters: list[Any], config: dict[str, Any]) -> tuple[list[Any], int, dict[str, Any]]:
        return [train(layer) for layer in parameters], 1, {}


def make(context: Context) -> Client:
    return Node().to_client()


app = ClientApp(client_fn=make)
