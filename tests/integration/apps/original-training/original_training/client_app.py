"""A legacy client."""

from typing import Any

from flwr.client import ClientApp, NumPyClient
from flwr.common import Context

from .task import load, train


class Client(NumPyClient):
    def __init__(self, partition: int) -> None:
        self.rows, self.targets = load(partition)

    def fit(self, parameters: Any, config: Any) -> Any:
        return [train(parameters[0], self.rows, self.targets)], len(self.rows), {}

    def evaluate(self, parameters: Any, config: Any) -> Any:
        loss = float(((self.rows @ parameters[0] - self.targets) ** 2).mean())
        return loss, len(self.rows), {"loss": loss}


def client_fn(context: Context) -> Any:
    return Client(int(context.node_config["partition-id"])).to_client()


app = ClientApp(client_fn=client_fn)
