"""Answers two kinds of questions; to anything else it has no answer."""

import numpy as np
from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


def ages(context: Context) -> np.ndarray:
    return np.random.default_rng(int(context.node_config["partition-id"])).integers(0, 100, 200)


@app.query("age_range")
def age_range(message: Message, context: Context) -> Message:
    found = ages(context)
    metrics = MetricRecord({"low": int(found.min()), "high": int(found.max())})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)


@app.query("histogram")
def histogram(message: Message, context: Context) -> Message:
    counts, _ = np.histogram(ages(context), bins=list(message.content["config"]["edges"]))
    return Message(RecordDict({"metrics": MetricRecord({"counts": counts.tolist()})}), reply_to=message)
