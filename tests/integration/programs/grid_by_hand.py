"""A program that uses SyftGrid itself, under the names of the original: ``grid_by_hand.py APP-NAME EMAIL,EMAIL``."""

import json
import sys
import time

from flwr.app import ConfigRecord, RecordDict

from syft_flwr_cli.aggregator.grid import SyftGrid

app_name, datasites = sys.argv[1], sys.argv[2].split(",")
grid = SyftGrid(app_name=app_name, datasites=datasites)
grid.set_run(12345)
nodes = list(grid.get_node_ids())


def message(node: int, number: int):
    content = RecordDict({"config": ConfigRecord({"number": number})})
    return grid.create_message(content, message_type="train.double", dst_node_id=node, group_id="1", ttl=60.0)


together = list(grid.send_and_receive([message(node, 21) for node in nodes], timeout=60.0))
ids = list(grid.push_messages([message(node, 4) for node in nodes]))
came = []
while len(came) < len(ids):
    have = {reply.metadata.reply_to_message_id for reply in came}
    came += grid.pull_messages([mid for mid in ids if mid not in have])
    time.sleep(0.02)
told = {
    "run": grid.run.run_id,
    "nodes": len(set(nodes)),
    "large": all(1 < node < 2**64 for node in nodes),
    "together": [reply.content["metrics"]["doubled"] for reply in together],
    "by hand": [reply.content["metrics"]["doubled"] for reply in came],
    "told": grid.send_stop_signal(group_id="final", reason="that was all", ttl=3600.0),
}
grid.close()
print(json.dumps(told))
