"""What runs at every data owner: train on what lies there, and mask the outcome before it leaves (SecAgg+)."""

from flwr.app import Context
from flwr.client import Client, NumPyClient
from flwr.client.mod import secaggplus_mod
from flwr.clientapp import ClientApp
from flwr.common import NDArrays, Scalar

from .task import evaluate, from_list, load_data, to_list, train


class Owner(NumPyClient):
    """One data owner; SecAgg+ in Flower works on this kind of client."""

    def __init__(self, context: Context) -> None:
        partition = int(context.node_config.get("partition-id", 0))
        self.training, self.test = load_data(partition, int(context.node_config.get("num-partitions", 1)))

    def fit(self, parameters: NDArrays, config: dict[str, Scalar]) -> tuple[NDArrays, int, dict[str, Scalar]]:
        """Train the model that came; the mod masks the weights, so that only the sum over all owners can be read.

        No metric goes back: it would not be masked.
        """
        model, _ = train(
            from_list(parameters),
            self.training,
            epochs=int(config["local-epochs"]),
            batch_size=int(config["batch-size"]),
            rate=float(config["learning-rate"]),
            seed=int(config["seed"]) + int(config["server-round"]),
        )
        return to_list(model), len(self.training), {}

    def evaluate(self, parameters: NDArrays, config: dict[str, Scalar]) -> tuple[float, int, dict[str, Scalar]]:
        """Try the averaged model on rows that it never trained on. These numbers are not masked."""
        loss, accuracy = evaluate(from_list(parameters), self.test)
        return loss, len(self.test), {"accuracy": accuracy}


def client_fn(context: Context) -> Client:
    """A client for one message."""
    return Owner(context).to_client()


app = ClientApp(client_fn=client_fn, mods=[secaggplus_mod])
