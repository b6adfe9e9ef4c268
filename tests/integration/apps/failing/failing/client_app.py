"""Fails at the first owner in round 1, in a way that the run config chooses."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


def stumble(how: str) -> None:
    if how == "raise":
        raise ValueError("the ledger of ward seven is missing")
    if how == "wait":
        while not (Path(os.environ["DATA_DIR"]) / "go").exists():
            time.sleep(0.02)
    if how == "exit":
        sys.exit(3)
    if how == "killed":
        print("about to be killed", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


@app.train()
def train(message: Message, context: Context) -> Message:
    first = int(context.node_config["partition-id"]) == 0
    if first and message.content["config"]["server-round"] == 1:
        stumble(str(context.run_config["how"]))
    arrays = {name: Array(array.numpy() + 1.0) for name, array in message.content["arrays"].items()}
    metrics = MetricRecord({"num-examples": 10})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    mean = float(np.mean(message.content["arrays"]["weights"].numpy()))
    return Message(
        RecordDict({"metrics": MetricRecord({"mean": mean, "num-examples": 10})}), reply_to=message
    )
