"""The Message API's quickstart, with the strategy, the mods and the custom parts that the run config names."""

import random
from collections.abc import Iterable

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import fixedclipping_mod
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp import strategy as strategies
from flwr.serverapp.strategy import FedAvg

from .common import Noted, data, keep, loss, train


def calls_mod(message: Message, context: Context, call_next):
    reply = call_next(message, context)
    if reply.has_content() and "metrics" in reply.content:
        reply.content["metrics"]["seen-by-mod"] = 1
    return reply


def local_mod(message: Message, context: Context, call_next):
    return call_next(message, context)


client = ClientApp(mods=[calls_mod])
clipped = ClientApp(mods=[fixedclipping_mod])


def train_here(message: Message, context: Context) -> Message:
    rows, targets = data(context)
    weights = train(message.content["arrays"]["w"].numpy(), rows, targets)
    count = context.state.metric_records.get("count", MetricRecord({"n": 0}))
    context.state["count"] = MetricRecord({"n": int(count["n"]) + 1})
    metrics = MetricRecord(
        {"train-loss": loss(weights, rows, targets), "num-examples": len(rows), "times": int(count["n"]) + 1}
    )
    content = RecordDict({"arrays": ArrayRecord({"w": Array(weights)}), "metrics": metrics})
    return Message(content, reply_to=message)


def evaluate_here(message: Message, context: Context) -> Message:
    rows, targets = data(context)
    value = loss(message.content["arrays"]["w"].numpy(), rows, targets)
    return Message(
        RecordDict({"metrics": MetricRecord({"eval-loss": value, "num-examples": len(rows)})}),
        reply_to=message,
    )


for app in (client, clipped):
    app.train()(train_here)
    app.evaluate()(evaluate_here)


class Halved(FedAvg):
    """A custom strategy: halves the step that was agreed on, and passes a setting on."""

    def configure_train(self, server_round, arrays, config, grid) -> Iterable[Message]:
        config["half"] = True
        self.before = arrays["w"].numpy()
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(self, server_round, replies):
        arrays, metrics = super().aggregate_train(server_round, replies)
        if arrays is not None:
            arrays = ArrayRecord({"w": Array((self.before + arrays["w"].numpy()) / 2)})
        return arrays, metrics


server = ServerApp()


@server.main()
def main(grid: Grid, context: Context) -> None:
    random.seed(5)  # strategies sample nodes
    config, noted = context.run_config, Noted(grid)
    name = str(config["strategy"])
    chosen = {"Halved": Halved}.get(name) or getattr(strategies, name)
    options = {"Krum": {"num_malicious_nodes": 0}, "FedProx": {"proximal_mu": 0.1}}.get(name, {})
    if name == "FedTrimmedAvg":
        options = {"beta": 0.2}
    strategy = chosen(min_available_nodes=2, **options)
    if config["dp"]:
        np.random.seed(7)
        side = "ServerSide" if config["dp"] == "server" else "ClientSide"
        strategy = getattr(strategies, f"DifferentialPrivacy{side}FixedClipping")(
            strategy, noise_multiplier=0.1, clipping_norm=1.0, num_sampled_clients=2
        )

    def evaluate(number: int, arrays: ArrayRecord) -> MetricRecord:
        return MetricRecord({"norm": float(np.linalg.norm(arrays["w"].numpy()))})

    result = strategy.start(
        grid=noted,
        initial_arrays=ArrayRecord({"w": Array(np.zeros(3))}),
        num_rounds=3,
        train_config=ConfigRecord({"lr": 0.1}),
        evaluate_fn=evaluate,
    )
    parts = (
        result.train_metrics_clientapp,
        result.evaluate_metrics_clientapp,
        result.evaluate_metrics_serverapp,
    )
    told = [{str(number): dict(metrics) for number, metrics in part.items()} for part in parts]
    keep(context, noted, [array.numpy() for array in result.arrays.values()], told)
