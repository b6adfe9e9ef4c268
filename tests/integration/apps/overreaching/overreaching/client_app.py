"""At a data owner: a model of 160 kB and a loss; and, in the rounds that the data folder names, more than that."""

from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from syft_flwr_cli import get_data_dir

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    number = int(message.content["config"]["server-round"])
    more = (Path(get_data_dir()) / f"round-{number}").read_text() if number < 3 else ""
    model = np.full(20_000, float(number))
    content = RecordDict(
        {
            "model": ArrayRecord({"weights": Array(model)}),
            "metrics": MetricRecord({"train-loss": 1.0 / number, "num-examples": 4}),
        }
    )
    if more == "metric":
        content["metrics"]["patients-with-diabetes"] = 17
    if more == "model":
        content["second-model"] = ArrayRecord({"weights": Array(model + 1)})
    if more == "larger":
        content["model"] = ArrayRecord({"weights": Array(np.concatenate([model, model]))})
    return Message(content, reply_to=message)
