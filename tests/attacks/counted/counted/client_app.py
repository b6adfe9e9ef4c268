"""At a data owner: every execution leaves a line, and waits at a gate if a test has put one there.

All arithmetic is exact in binary, so that the order of additions cannot change a bit of the result.
"""

import os
from pathlib import Path

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


def executed(message: Message) -> tuple[int, float]:
    """Leave a line; the round, and the one number that is this owner's data."""
    place = Path(os.environ["DATA_DIR"])
    number = int(message.content["config"]["server-round"])
    what = f"{message.metadata.message_type} {number}"
    with (place / "executions.log").open("a") as log:
        log.write(f"{what}\n")
    gate = place / f"gate {what}"
    if gate.exists():
        gate.read_bytes()
    return number, float((place / "value.txt").read_text())


@app.train()
def train(message: Message, context: Context) -> Message:
    number, value = executed(message)
    arrays = {
        name: Array(array.numpy() * 0.5 + value + number) for name, array in message.content["arrays"].items()
    }
    metrics = MetricRecord({"num-examples": 4})
    return Message(RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    executed(message)
    metrics = MetricRecord({"num-examples": 4, "first": float(message.content["arrays"]["small"].numpy()[0])})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
