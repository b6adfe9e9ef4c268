"""Gives the model back changed, after a while."""

import time

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train_model(message: Message, context: Context) -> Message:
    draw = np.random.default_rng()
    before = message.content["arrays"]
    # Every number becomes another, so that nothing of a reply is known from before.
    after = ArrayRecord(
        {key: Array(layer.numpy() + np.float32(draw.random())) for key, layer in before.items()}
    )
    time.sleep(float(context.run_config["work"]))
    metrics = MetricRecord({"num-examples": 1})
    return Message(RecordDict({"arrays": after, "metrics": metrics}), reply_to=message)
