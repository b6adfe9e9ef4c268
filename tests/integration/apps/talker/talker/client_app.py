"""Talks when it is imported, at the ends of its life, and in each call."""

import logging
import sys
from collections.abc import Iterator

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from .voice import say

say("client-import")
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")


def lifespan(context: Context) -> Iterator[None]:
    say("client-begin")
    yield
    say("client-end")


app = ClientApp()
app.lifespan()(lifespan)


@app.train()
def train(message: Message, context: Context) -> Message:
    say("client-train")
    logging.getLogger("talker").info("logged-client-train")
    content = RecordDict({"arrays": message.content["arrays"], "metrics": MetricRecord({"num-examples": 1})})
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    say("client-evaluate")
    print('{"schema_version": 1, "status": "ok", "data": {}}')
    return Message(RecordDict({"metrics": MetricRecord({"num-examples": 1, "loss": 0.5})}), reply_to=message)
