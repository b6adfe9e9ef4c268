"""Says what came, and sends the same back: made anew, or exactly what came."""

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from .contents import MAKERS, digest

app = ClientApp()


@app.query("echo")
def echo(message: Message, context: Context) -> Message:
    return Message(message.content, reply_to=message)


@app.query("made_anew")
def made_anew(message: Message, context: Context) -> Message:
    return Message(MAKERS[message.metadata.group_id](), reply_to=message)


@app.query("told")
def told(message: Message, context: Context) -> Message:
    said = RecordDict({"told": ConfigRecord({"digest": digest(message.content)})})
    return Message(said, reply_to=message)
