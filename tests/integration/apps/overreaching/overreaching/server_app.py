"""At the aggregator: three rounds, each of which writes down what came of it."""

import json
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    came = []
    for number in (1, 2, 3):
        content = RecordDict({"config": ConfigRecord({"server-round": number})})
        nodes = sorted(grid.get_node_ids())
        replies = grid.send_and_receive([Message(content, node, "train") for node in nodes])
        found = {str(reply.metadata.src_node_id): reply for reply in replies}
        came.append(
            [
                found[str(node)].error.reason
                if found[str(node)].has_error()
                else sorted(found[str(node)].content)
                for node in nodes
            ]
        )
    Path(str(context.run_config["save-to"])).write_text(json.dumps(came))
