"""Trains, evaluates, and says how many rows there are."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from .task import load, loss, train

app = ClientApp()


@app.train()
def train_here(message: Message, context: Context) -> Message:
    rows, targets = load(int(context.node_config["partition-id"]))
    weights, bias = (message.content["arrays"][name].numpy() for name in ("secret_weights", "secret_bias"))
    steps = int(message.content["config"]["steps"])
    weights, bias = train(weights, bias, rows, targets, steps)
    table = message.content["arrays"]["secret_table"].numpy() * 0.5 + rows[0, 0]
    arrays = ArrayRecord(
        {
            "secret_weights": Array(weights),
            "secret_bias": Array(np.asarray(bias)),
            "secret_table": Array(table),
        }
    )
    metrics = MetricRecord({"train-loss": loss(weights, bias, rows, targets), "num-examples": len(rows)})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate_here(message: Message, context: Context) -> Message:
    rows, targets = load(int(context.node_config["partition-id"]))
    weights, bias = (message.content["arrays"][name].numpy() for name in ("secret_weights", "secret_bias"))
    metrics = MetricRecord({"loss": loss(weights, bias, rows, targets), "num-examples": len(rows)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


@app.query()
def count_here(message: Message, context: Context) -> Message:
    rows, _ = load(int(context.node_config["partition-id"]))
    metrics = MetricRecord({"rows": len(rows), "sum": [float(x) for x in rows.sum(axis=0)]})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
