"""Counts the messages it gets in the state of its context, and keeps an array there; notes its lifespan."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


def note(word: str) -> None:
    with (Path(os.environ["DATA_DIR"]) / "lifespan.txt").open("a") as file:
        file.write(word + "\n")


@app.lifespan()
def lifespan(context: Context) -> Iterator[None]:
    note("begin")
    yield
    note("end")


@app.train()
def train(message: Message, context: Context) -> Message:
    note("train")
    if "memory" not in context.state:
        context.state["memory"] = ConfigRecord({"count": 0})
        context.state["sums"] = ArrayRecord({"large": Array(np.zeros(5000)), "small": Array(np.zeros(()))})
    count = int(context.state["memory"]["count"]) + 1
    context.state["memory"]["count"] = count
    sums = context.state["sums"]
    context.state["sums"] = ArrayRecord(
        {name: Array(np.asarray(array.numpy() + count)) for name, array in sums.items()}
    )
    large = context.state["sums"]["large"].numpy()
    metrics = MetricRecord({"count": count, "sum": float(large[-1]), "small": float(sums["small"].numpy())})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


@app.evaluate()
def forgetful(message: Message, context: Context) -> Message:
    """What it writes into its state before it fails is not kept."""
    context.state["memory"]["count"] = 1000
    raise RuntimeError("and so it was lost")
