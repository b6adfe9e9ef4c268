"""No strategy: pushes several messages to each node at once, and pulls until every one has come."""

import json
import time
from pathlib import Path

from flwr.app import ConfigRecord, Context, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    told = []
    for number in range(int(context.run_config["rounds"])):
        messages = []
        for node in grid.get_node_ids():
            for index in range(int(context.run_config["messages"])):
                content = RecordDict({"config": ConfigRecord({"number": 100 * number + index})})
                messages.append(grid.create_message(content, "train.double", node, f"hand-{number}"))
        ids = list(grid.push_messages(messages))
        pending, came = set(ids), []
        while pending:
            for reply in grid.pull_messages(pending):
                pending.remove(reply.metadata.reply_to_message_id)
                came.append(reply)
            time.sleep(0.02)
        by_id = {reply.metadata.reply_to_message_id: reply for reply in came}
        told.append(
            {
                "ids": len(set(ids)),
                "came": len(came),
                "again": sum(reply.has_content() for reply in grid.pull_messages(ids)),
                "groups": sorted({reply.metadata.group_id for reply in came}),
                "nodes": len({reply.metadata.src_node_id for reply in came}),
                "doubled": [
                    by_id[mid].content["metrics"]["doubled"] if by_id[mid].has_content() else None
                    for mid in ids
                ],
                "errors": [reply.error.reason for reply in came if reply.has_error()],
            }
        )
    if context.run_config["save-to"]:
        Path(str(context.run_config["save-to"])).write_text(json.dumps(told))
