"""Comes to grief in the way that the message asks for, and works again with the next."""

import os
import signal
import sys

import numpy as np
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    wish = str(message.content["config"]["wish"])
    if wish == "abort":
        os.abort()
    elif wish == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif wish == "exit":
        os._exit(3)
    elif wish == "memory":
        print(len(np.ones(1 << 31, dtype=np.uint8)))
    elif wish == "print":
        line = "x" * (1 << 20) + "\n"
        for _ in range(1 << 10):
            sys.stdout.write(line)
    calls = int(context.state["calls"]["count"]) + 1 if "calls" in context.state else 1
    context.state["calls"] = MetricRecord({"count": calls})
    return Message(
        RecordDict({"answer": ConfigRecord({"calls": calls, "pid": os.getpid()})}), reply_to=message
    )
