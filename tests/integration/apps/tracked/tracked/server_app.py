"""At the aggregator: a run in MLflow, through its REST interface, with a metric for each round and data owner."""

import json
import os
import time
import urllib.request

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


def call(name: str, body: dict) -> dict:
    request = urllib.request.Request(
        f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/{name}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@app.main()
def main(grid: Grid, context: Context) -> None:
    experiment = call("experiments/create", {"name": "federation"})["experiment_id"]
    run = call("runs/create", {"experiment_id": experiment, "start_time": int(time.time() * 1000)})
    run_id = run["run"]["info"]["run_id"]
    port = int(os.environ["MLFLOW_TRACKING_URI"].rpartition(":")[2])
    for number in range(1, int(context.run_config["num-server-rounds"]) + 1):
        content = RecordDict({"config": ConfigRecord({"server-round": number, "port": port})})
        messages = [Message(content, node, "train") for node in sorted(grid.get_node_ids())]
        metrics = [dict(reply.content["metrics"]) for reply in grid.send_and_receive(messages)]
        for key in ("loss", "reached", "named"):
            mean = sum(found[key] for found in metrics) / len(metrics)
            moment = int(time.time() * 1000)
            call(
                "runs/log-metric",
                {"run_id": run_id, "key": key, "value": mean, "timestamp": moment, "step": number},
            )
    call("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": int(time.time() * 1000)})
