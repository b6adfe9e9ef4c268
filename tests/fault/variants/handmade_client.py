"""Takes turns in being slow, so that replies come in another order each round."""

import time

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    number = int(message.content["config"]["server-round"])
    owner = int(context.node_config["partition-id"])
    time.sleep(0.06 * ((owner + number) % int(context.node_config["num-partitions"])))
    noise = np.random.default_rng([owner, number]).standard_normal(20_000)
    values = message.content["model"]["w"].numpy() / 3 + noise
    return Message(RecordDict({"model": ArrayRecord({"w": Array(values)})}), reply_to=message)
