"""Doubles."""

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train("double")
def double(message: Message, context: Context) -> Message:
    doubled = 2 * int(message.content["config"]["number"])
    return Message(RecordDict({"metrics": MetricRecord({"doubled": doubled})}), reply_to=message)
