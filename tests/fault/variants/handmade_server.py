"""Pushes and pulls by hand, and sums in the order in which replies come: what it sends next depends on it."""

import os
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    model = np.full(20_000, 0.1)
    ttl = context.run_config.get("time-to-live")
    for number in range(1, int(context.run_config["num-server-rounds"]) + 1):
        content = {
            "model": ArrayRecord({"w": Array(model)}),
            "config": ConfigRecord({"server-round": number}),
        }
        messages = [Message(RecordDict(content), node, "train", ttl=ttl) for node in grid.get_node_ids()]
        waiting = set(grid.push_messages(messages))
        total = np.zeros_like(model)
        while waiting:
            for reply in grid.pull_messages(waiting):
                waiting.discard(reply.metadata.reply_to_message_id)
                # Not associative on purpose: another order is another sum.
                total = (total + reply.content["model"]["w"].numpy()) * 1.0000001
            time.sleep(0.005)
        model = total / len(messages)
    out = os.environ.get("STEADY_OUT")
    if out:
        with Path(out).open("wb") as stream:
            np.savez(stream, w=model)
