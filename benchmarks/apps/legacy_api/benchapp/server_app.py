"""The legacy API's FedAvg, with a clock around each round."""

import time
from typing import Any

from flwr.app import Context
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg

from benchapp.task import Marks, random_model


class Timed(FedAvg):
    """A round lasts from the moment it is configured until the next model is there."""

    def __init__(self, marks: Marks, size: float, owners: int, rounds: int, **rest: Any) -> None:
        super().__init__(**rest)
        self._marks = marks
        self._size = size
        self._owners = owners
        self._rounds = rounds
        self._begun = 0.0

    def configure_fit(self, server_round: int, parameters: Any, client_manager: Any) -> Any:
        if server_round == 1:
            self._marks.wait(mark="begin")
        self._begun = time.perf_counter()
        return super().configure_fit(server_round, parameters, client_manager)

    def aggregate_fit(self, server_round: int, results: Any, failures: Any) -> Any:
        received = time.perf_counter()
        if failures or len(results) < self._owners:
            self._marks.say(mark="failed", why=f"{len(results)} replies; {failures[:1]}")
            raise RuntimeError("a round without all data owners measures nothing")
        aggregated = super().aggregate_fit(server_round, results, failures)
        done = time.perf_counter()
        facts = {"size": self._size, "number": server_round}
        facts |= {"seconds": done - self._begun, "aggregation": done - received}
        if server_round == 1:
            self._marks.wait(mark="round", **facts)
        else:
            self._marks.say(mark="round", **facts)
        if server_round == self._rounds:
            self._marks.wait(mark="end", size=self._size)
            self._marks.say(mark="over")
        return aggregated


def components(context: Context) -> ServerAppComponents:
    config = context.run_config
    owners, rounds = int(config["owners"]), int(config["rounds"])
    size = float(str(config["sizes"]).split(",")[0])
    strategy = Timed(
        Marks(config),
        size,
        owners,
        rounds,
        fraction_evaluate=0.0,
        min_fit_clients=owners,
        min_available_clients=owners,
        min_evaluate_clients=0,
        initial_parameters=ndarrays_to_parameters(random_model(size, 0)),
    )
    return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=rounds))


app = ServerApp(server_fn=components)
