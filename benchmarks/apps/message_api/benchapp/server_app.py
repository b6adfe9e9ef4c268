"""Flower's FedAvg, with a clock around each round."""

import time
from collections.abc import Iterable

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from benchapp.task import LAYERS, Marks, random_model

app = ServerApp()


class Timed(FedAvg):
    """A round lasts from the moment it is configured until the next model is there."""

    def __init__(self, marks: Marks, size: float, owners: int, changed: int) -> None:
        super().__init__(
            fraction_evaluate=0.0,
            min_train_nodes=owners,
            min_available_nodes=owners,
            min_evaluate_nodes=0,
        )
        self._marks = marks
        self._size = size
        self._owners = owners
        self._changed = changed
        self._begun = 0.0
        self._model = ArrayRecord()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        if server_round == 2:
            # `start` holds the first model to the end; nobody needs it any more.
            for key in list(self._model):
                del self._model[key]
        self._model = arrays
        config["changed"] = self._changed
        self._begun = time.perf_counter()
        return super().configure_train(server_round, arrays, config, grid)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        received = time.perf_counter()
        replies = list(replies)
        failed = [reply.error.reason for reply in replies if reply.has_error()]
        if failed or len(replies) < self._owners:
            self._marks.say(mark="failed", why=f"{len(replies)} replies; {failed[:1]}")
            raise RuntimeError("a round without all data owners measures nothing")
        arrays, metrics = super().aggregate_train(server_round, replies)
        assert arrays is not None
        if self._changed < LAYERS:
            # What is frozen stays what it was to the last bit, which an average does not.
            keys = list(arrays)
            kept = {key: self._model[key] for key in keys[self._changed :]}
            arrays = ArrayRecord({key: kept.get(key, arrays[key]) for key in keys})
        done = time.perf_counter()
        facts = {"size": self._size, "number": server_round}
        facts |= {"seconds": done - self._begun, "aggregation": done - received}
        if server_round == 1:
            self._marks.wait(mark="round", **facts)
        else:
            self._marks.say(mark="round", **facts)
        return arrays, metrics


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    marks = Marks(config)
    owners, rounds, changed = int(config["owners"]), int(config["rounds"]), int(config["changed"])
    while len(list(grid.get_node_ids())) < owners:
        time.sleep(0.2)
    marks.wait(mark="begin")
    for seed, size in enumerate(float(word) for word in str(config["sizes"]).split(",")):
        model = ArrayRecord(random_model(size, seed))
        strategy = Timed(marks, size, owners, changed)
        strategy.start(grid, model, num_rounds=rounds, timeout=3600.0)
        marks.wait(mark="end", size=size)
    marks.say(mark="over")
