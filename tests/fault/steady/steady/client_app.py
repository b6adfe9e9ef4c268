"""At a data owner: what comes back depends on the state, and every call of the app leaves a trace outside."""

import os
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


def count(message: Message, context: Context) -> int:
    """Advance the counter in the state; note outside that the app was called for this message."""
    before = context.state["calls"]["count"] if "calls" in context.state else 0
    context.state["calls"] = MetricRecord({"count": int(before) + 1})
    place = os.environ.get("DATA_DIR")
    if place:
        line = f"{message.metadata.message_type} {message.metadata.message_id} {int(before) + 1}\n"
        with (Path(place) / "calls.log").open("a") as log:
            log.write(line)
    time.sleep(float(context.run_config.get("pause", 0.0)))
    return int(before) + 1


@app.train()
def train(message: Message, context: Context) -> Message:
    """Move the model by what depends on owner, round, number of calls, and a vector in the state."""
    calls = count(message, context)
    number = int(message.content["config"]["server-round"])
    owner = int(context.node_config["partition-id"])
    draw = np.random.default_rng([owner, number, calls])
    drift = context.state["drift"]["v"].numpy() if "drift" in context.state else np.zeros(128)
    drift = 0.5 * drift + draw.standard_normal(128)
    context.state["drift"] = ArrayRecord({"v": Array(drift)})
    arrays = {}
    for name, array in message.content["arrays"].items():
        values = array.numpy()
        arrays[name] = Array(0.9 * values + 0.1 * draw.standard_normal(values.shape) + 1e-3 * drift.mean())
    metrics = MetricRecord({"num-examples": 10 * (owner + 1) + number, "calls": calls})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Say how large the model is."""
    calls = count(message, context)
    size = sum(float(np.abs(array.numpy()).sum()) for array in message.content["arrays"].values())
    metrics = MetricRecord({"num-examples": 7, "loss": size, "calls": calls})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
