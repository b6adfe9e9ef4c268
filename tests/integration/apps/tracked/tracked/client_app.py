"""At a data owner: a loss that falls with the rounds; and whether the tracking server can be reached from here."""

import os
import socket

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    number = int(message.content["config"]["server-round"])
    reached = 0
    try:
        socket.create_connection(("127.0.0.1", int(message.content["config"]["port"])), 2).close()
        reached = 1
    except OSError:
        pass
    named = int("MLFLOW_TRACKING_URI" in os.environ)
    metrics = MetricRecord({"loss": 1.0 / number, "num-examples": 4, "reached": reached, "named": named})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
