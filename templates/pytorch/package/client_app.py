"""What runs at every data owner: train on what lies there, and say how good the model is on it."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from torch.utils.data import TensorDataset

from .task import Net, evaluate, load_data, train

app = ClientApp()


def _data(context: Context) -> tuple[TensorDataset, TensorDataset]:
    partition = int(context.node_config.get("partition-id", 0))
    return load_data(partition, int(context.node_config.get("num-partitions", 1)))


def _model(message: Message) -> Net:
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    return net


@app.train()
def train_here(message: Message, context: Context) -> Message:
    """Train the model that came on the data that is here; only the weights go back."""
    training, _ = _data(context)
    config = message.content["config"]
    net = _model(message)
    loss = train(
        net,
        training,
        epochs=int(config["local-epochs"]),
        batch_size=int(config["batch-size"]),
        rate=float(config["learning-rate"]),
        seed=int(config["seed"]) + int(config["server-round"]),
    )
    metrics = MetricRecord({"train-loss": loss, "num-examples": len(training)})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": metrics})
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate_here(message: Message, context: Context) -> Message:
    """Try the model that came on examples that it never trained on."""
    _, test = _data(context)
    loss, accuracy = evaluate(_model(message), test)
    metrics = MetricRecord({"accuracy": accuracy, "loss": loss, "num-examples": len(test)})
    return Message(RecordDict({"metrics": metrics}), reply_to=message)
