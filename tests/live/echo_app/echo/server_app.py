"""Sends a model of each size so many times to everybody, and writes down how long the answers took."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    report = Path(str(context.run_config["report"]))
    sizes = [int(text) for text in str(context.run_config["sizes"]).split(",")]
    rounds = int(context.run_config["rounds"])
    generator = np.random.default_rng(7)
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(0.1)
    for size in sizes:
        for number in range(rounds):
            model = generator.integers(0, 255, size, dtype=np.uint8)
            record = RecordDict({"model": ArrayRecord([model])})
            messages = [Message(record, dst_node_id=node, message_type="train") for node in nodes]
            begun = time.perf_counter()
            replies = list(grid.send_and_receive(messages))
            seconds = time.perf_counter() - begun
            digest = hashlib.sha256()
            for reply in sorted(replies, key=lambda reply: reply.metadata.src_node_id):
                (array,) = reply.content["model"].to_numpy_ndarrays()
                assert np.array_equal(array, model + 1)
                digest.update(array.tobytes())
            row = {"size": size, "round": number, "seconds": seconds, "answers": len(replies)}
            with report.open("a") as stream:
                stream.write(json.dumps({**row, "digest": digest.hexdigest(), "at": time.time()}) + "\n")
