"""No strategy: analytics by query, custom actions, push and pull by hand, and pushes whose replies nobody pulls."""

import time

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from .common import Noted, data, keep, train

client = ClientApp()


@client.query()
def query(message: Message, context: Context) -> Message:
    rows, _ = data(context)
    found = MetricRecord({"n": len(rows), "sums": [float(x) for x in rows.sum(axis=0)]})
    return Message(RecordDict({"found": found}), reply_to=message)


@client.query("histogram")
def histogram(message: Message, context: Context) -> Message:
    counts, _ = np.histogram(data(context)[0][:, 0], bins=message.content["config"]["edges"])
    return Message(RecordDict({"found": MetricRecord({"counts": counts.tolist()})}), reply_to=message)


@client.train("half")
def half(message: Message, context: Context) -> Message:
    """Vertical: this node knows one column, and sends what it makes of it."""
    rows, _ = data(context)
    column = rows[:30, int(context.node_config["partition-id"])]
    return Message(RecordDict({"part": ArrayRecord({"e": Array(column * 2)})}), reply_to=message)


@client.train("gradients")
def gradients(message: Message, context: Context) -> Message:
    context.state["g"] = ArrayRecord({"g": message.content["g"]["g"]})
    return Message(RecordDict(), reply_to=message)


@client.train()
def fit(message: Message, context: Context) -> Message:
    rows, targets = data(context)
    weights = train(message.content["arrays"]["w"].numpy(), rows, targets)
    return Message(RecordDict({"arrays": ArrayRecord({"w": Array(weights)})}), reply_to=message)


def pulled(grid: Grid, ids: list[str]) -> list[Message]:
    found: dict[str, Message] = {}
    while len(found) < len(ids):
        for reply in grid.pull_messages([mid for mid in ids if mid not in found]):
            found[reply.metadata.reply_to_message_id] = reply
        time.sleep(0.02)
    return [found[mid] for mid in ids]


analytics, vertical, loop = ServerApp(), ServerApp(), ServerApp()


@analytics.main()
def analyse(grid: Grid, context: Context) -> None:
    noted = Noted(grid)
    nodes = list(noted.get_node_ids())
    found = [
        r.content["found"] for r in noted.send_and_receive([Message(RecordDict(), n, "query") for n in nodes])
    ]
    sums = np.sum([f["sums"] for f in found], axis=0)
    edges = RecordDict({"config": ConfigRecord({"edges": [-9.0, -1.0, 0.0, 1.0, 9.0]})})
    replies = noted.send_and_receive([Message(edges, n, "query.histogram") for n in nodes])
    counts = np.sum([r.content["found"]["counts"] for r in replies], axis=0)
    keep(context, noted, [sums, counts], {"n": sum(f["n"] for f in found)})


@vertical.main()
def join(grid: Grid, context: Context) -> None:
    noted, total = Noted(grid), np.zeros(30)
    nodes = list(noted.get_node_ids())
    for _ in range(2):
        replies = noted.send_and_receive([Message(RecordDict(), n, "train.half") for n in nodes])
        total = total + np.sum([r.content["part"]["e"].numpy() for r in replies], axis=0)
        back = RecordDict({"g": ArrayRecord({"g": Array(total)})})
        noted.push_messages([Message(back, n, "train.gradients") for n in nodes])
    keep(context, noted, [total], {})


@loop.main()
def hand(grid: Grid, context: Context) -> None:
    noted, weights = Noted(grid), np.zeros(3)
    for _ in range(3):
        content = RecordDict({"arrays": ArrayRecord({"w": Array(weights)})})
        ids = list(noted.push_messages([Message(content, n, "train") for n in noted.get_node_ids()]))
        weights = np.mean([r.content["arrays"]["w"].numpy() for r in pulled(noted, ids)], axis=0)
    keep(context, noted, [weights], {})
