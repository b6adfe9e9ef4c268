"""Doubles, and notes in which order it was asked to."""

import os
from pathlib import Path

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train("double")
def double(message: Message, context: Context) -> Message:
    number = int(message.content["config"]["number"])
    if folder := os.environ.get("DATA_DIR"):
        with (Path(folder) / "order.txt").open("a") as file:
            file.write(f"{number}\n")
    return Message(RecordDict({"metrics": MetricRecord({"doubled": 2 * number})}), reply_to=message)
