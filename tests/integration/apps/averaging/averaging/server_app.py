"""Federated averaging by a strategy, then a question to everybody; the results go to a file."""

import json

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    result = FedAvg(min_available_nodes=2).start(
        grid=grid,
        initial_arrays=ArrayRecord(
            {
                "secret_weights": Array(np.full(3, 0.125)),
                "secret_bias": Array(np.array(0.5)),
                "secret_table": Array(np.full((96, 96), 2.5)),
            }
        ),
        num_rounds=int(config["num-server-rounds"]),
        train_config=ConfigRecord({"steps": 2}),
    )
    question = RecordDict({"config": ConfigRecord({"what": "rows"})})
    nodes = sorted(grid.get_node_ids())
    asked = [Message(question, node, "query") for node in nodes]
    replies = [reply for reply in grid.send_and_receive(asked) if reply.has_content()]
    context.state["rows"] = MetricRecord({"rows": sum(reply.content["metrics"]["rows"] for reply in replies)})
    if config["save-to"]:
        arrays = {name: array.numpy() for name, array in result.arrays.items()}
        rounds = [result.train_metrics_clientapp, result.evaluate_metrics_clientapp]
        told = {
            "rounds": [{number: dict(metrics) for number, metrics in part.items()} for part in rounds],
            "rows": context.state["rows"]["rows"],
            "sums": sorted(reply.content["metrics"]["sum"] for reply in replies),
        }
        np.savez(str(config["save-to"]), told=np.array(json.dumps(told, sort_keys=True)), **arrays)
