"""Is not the same each time: in what it sends (``model``), to whom (``owners``), or how often (``ends``)."""

import os
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


def dice() -> int:
    """Another number in every process: what no seed can make the same."""
    return int.from_bytes(os.urandom(4), "big")


@app.main()
def main(grid: Grid, context: Context) -> None:
    kind = str(context.run_config["dice"])
    arrays = {"w": Array(np.full(50, float(dice() if kind == "model" else 1)))}
    rounds = 3
    for number in range(1, rounds + 1):
        if kind == "ends" and os.environ.get("STEADY_ENDS") and number == 2:
            break
        nodes = sorted(grid.get_node_ids())
        if kind == "owners":
            index = int(os.environ["STEADY_OWNER"])
            nodes = [nodes[index], nodes[2]]
        content = {"arrays": ArrayRecord(arrays), "config": ConfigRecord({"server-round": number})}
        messages = [Message(RecordDict(content), node, "train") for node in nodes]
        replies = grid.send_and_receive(messages)
        assert all(reply.has_content() for reply in replies)
    with Path(os.environ["STEADY_OUT"]).open("wb") as stream:
        np.savez(stream, done=np.ones(1))
