"""Asks everybody once a round; between two rounds it waits for a file if it is told where."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()
spans: list[str] = []


@app.lifespan()
def lifespan(context: Context) -> Iterator[None]:
    spans.append("begin")
    yield
    spans.append("end")
    if context.run_config["save-to"]:
        told = json.loads(Path(str(context.run_config["save-to"])).read_text())
        Path(str(context.run_config["save-to"])).write_text(json.dumps({**told, "spans": spans}))


@app.main()
def main(grid: Grid, context: Context) -> None:
    config, told = context.run_config, []
    while len(list(grid.get_node_ids())) < int(config["least"]):
        time.sleep(0.5)
    for number in range(1, int(config["rounds"]) + 1):
        if config["gate"] and number > 1:
            gate = Path(str(config["gate"]))
            (gate / f"before-{number}").touch()
            while not (gate / f"go-{number}").exists():
                time.sleep(0.02)
        nodes = list(grid.get_node_ids())
        kinds = ["train"] if number != 2 else ["evaluate", "train"]
        for kind in kinds:
            replies = grid.send_and_receive(
                [Message(RecordDict(), node, kind, group_id=str(number)) for node in nodes]
            )
            told.append([dict(r.content["metrics"]) if r.has_content() else r.error.code for r in replies])
    if config["save-to"]:
        Path(str(config["save-to"])).write_text(json.dumps({"told": told}))
