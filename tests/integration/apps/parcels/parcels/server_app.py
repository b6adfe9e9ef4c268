"""Sends every content, and compares what is told, and what comes back, with what was sent."""

import json
from pathlib import Path

from flwr.app import Context, Message
from flwr.serverapp import Grid, ServerApp

from .contents import MAKERS, digest

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    result = {}
    for name, make in MAKERS.items():
        expected = digest(make())
        for action in ("told", "echo", "made_anew"):
            sent = [Message(make(), node, f"query.{action}", group_id=name) for node in grid.get_node_ids()]
            (reply,) = grid.send_and_receive(sent)
            if reply.has_error():
                result[f"{name}/{action}"] = reply.error.reason
            elif action == "told":
                result[f"{name}/{action}"] = reply.content["told"]["digest"] == expected
            else:
                result[f"{name}/{action}"] = digest(reply.content) == expected
    Path(str(context.run_config["save-to"])).write_text(json.dumps(result))
