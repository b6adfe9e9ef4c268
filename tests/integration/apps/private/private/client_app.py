"""Moves far from the model that came; a mod, chosen by the run config, bounds how far."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.clientapp.mod import LocalDpMod, adaptiveclipping_mod, fixedclipping_mod
from flwr.clientapp.typing import ClientAppCallable


def chosen(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    place = context.run_config["place"]
    if place == "client-fixed":
        return fixedclipping_mod(message, context, call_next)
    if place == "client-adaptive":
        return adaptiveclipping_mod(message, context, call_next)
    if place == "local":
        noise = float(context.run_config["noise"])
        mod = LocalDpMod(clipping_norm=1.0, sensitivity=noise, epsilon=10.0, delta=1e-5)
        return mod(message, context, call_next)
    return call_next(message, context)


app = ClientApp()


@app.train(mods=[chosen])
def train(message: Message, context: Context) -> Message:
    far = 3.0 * (1 + int(context.node_config["partition-id"]))
    arrays = {name: Array(array.numpy() + far) for name, array in message.content["arrays"].items()}
    return Message(
        RecordDict({"arrays": ArrayRecord(arrays), "metrics": MetricRecord({"num-examples": 10})}),
        reply_to=message,
    )


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    mean = float(np.mean(message.content["arrays"]["weights"].numpy()))
    metrics = MetricRecord({"mean": mean, "num-examples": 10})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
