"""Answers with the numbers it was sent, each one more."""

from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    (array,) = message.content["model"].to_numpy_ndarrays()
    return Message(RecordDict({"model": ArrayRecord([array + 1])}), reply_to=message)
