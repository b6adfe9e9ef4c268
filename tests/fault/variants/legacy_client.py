"""Adds a whole number of its own, and counts its calls in the state."""

import os
from pathlib import Path

from flwr.app import Context, MetricRecord
from flwr.client import Client, NumPyClient
from flwr.clientapp import ClientApp


class Adder(NumPyClient):
    """Adds its number, times the number of calls so far, to every parameter."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.number = int(context.node_config["partition-id"]) + 1

    def _count(self, what: str) -> int:
        state = self.context.state
        calls = int(state["calls"]["count"]) + 1 if "calls" in state else 1
        state["calls"] = MetricRecord({"count": calls})
        with (Path(os.environ["DATA_DIR"]) / "calls.log").open("a") as log:
            log.write(f"{what} {calls}\n")
        return calls

    def fit(self, parameters, config):  # type: ignore[no-untyped-def]
        calls = self._count("fit")
        return [array + self.number * calls * 8 for array in parameters], 1, {"calls": calls}

    def evaluate(self, parameters, config):  # type: ignore[no-untyped-def]
        calls = self._count("evaluate")
        return float(parameters[0][0, 0]), 1, {"calls": calls}


def client_fn(context: Context) -> Client:
    return Adder(context).to_client()


app = ClientApp(client_fn=client_fn)
