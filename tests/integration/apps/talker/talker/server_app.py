"""Talks when it is imported, at the ends of its life, and in each round; leaves a thread that goes on talking."""

import threading
import time
from collections.abc import Iterator

import numpy as np
from flwr.app import Array, ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from .voice import say

say("server-import")


def lifespan(context: Context) -> Iterator[None]:
    say("server-begin")
    yield
    say("server-end")


app = ServerApp()
app.lifespan()(lifespan)


def evaluate(number: int, arrays: ArrayRecord) -> MetricRecord:
    say(f"server-evaluate-{number}")
    return MetricRecord({"loss": 0.25})


def chatter() -> None:
    while True:
        print("python-server-thread", flush=True)
        time.sleep(0.01)


@app.main()
def main(grid: Grid, context: Context) -> None:
    threading.Thread(target=chatter, daemon=True).start()
    print('{"schema_version": 1, "status": "ok", "data": {}}')
    result = FedAvg(min_available_nodes=2).start(
        grid=grid,
        initial_arrays=ArrayRecord({"w": Array(np.ones(3))}),
        num_rounds=int(context.run_config["num-server-rounds"]),
        evaluate_fn=evaluate,
    )
    say("server-main")
    print(result)
