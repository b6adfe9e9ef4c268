"""Asks for one grief after the other, and writes down how each was answered."""

import json
import os
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    heard = []
    for wish in str(context.run_config["wishes"]).split():
        for node in grid.get_node_ids():
            content = RecordDict({"config": ConfigRecord({"wish": wish})})
            (reply,) = grid.send_and_receive([Message(content, node, "query")])
            if reply.has_error():
                heard.append([wish, reply.error.code, reply.error.reason])
            else:
                answer = reply.content["answer"]
                heard.append([wish, answer["calls"], answer["pid"]])
    with Path(os.environ["STEADY_OUT"]).open("w") as stream:
        json.dump(heard, stream)
