"""What runs at every data owner: grow a tree on what lies there, and say how good the model is on it."""

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from .task import Table, evaluate, from_record, load_data, to_record, train

app = ClientApp()


def _data(context: Context) -> tuple[Table, Table]:
    partition = int(context.node_config.get("partition-id", 0))
    return load_data(partition, int(context.node_config.get("num-partitions", 1)))


@app.train()
def train_here(message: Message, context: Context) -> Message:
    """Grow a tree on top of the model that came; it alone goes back."""
    training, _ = _data(context)
    config = message.content["config"]
    tree = train(
        from_record(message.content["arrays"]),
        training,
        depth=int(config["max-depth"]),
        rate=float(config["learning-rate"]),
        seed=int(config["seed"]) + int(config["server-round"]),
    )
    metrics = MetricRecord({"num-examples": len(training)})
    return Message(RecordDict({"arrays": to_record(tree), "metrics": metrics}), reply_to=message)


@app.evaluate()
def evaluate_here(message: Message, context: Context) -> Message:
    """Try the model that came on rows that it never trained on."""
    _, test = _data(context)
    loss, accuracy = evaluate(from_record(message.content["arrays"]), test)
    metrics = MetricRecord({"accuracy": accuracy, "loss": loss, "num-examples": len(test)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
