"""FedAvg that notes the errors that come back, and fails itself in a round that the run config names."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


class Noting(FedAvg):
    fails_in = 0
    errors: list[str]
    replies: list[int]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        replies = list(replies)
        if server_round == self.fails_in:
            raise ArithmeticError(f"cannot add up round {server_round}")
        self.replies.append(len(replies))
        self.errors += [reply.error.reason for reply in replies if reply.has_error()]
        return super().aggregate_train(server_round, [reply for reply in replies if reply.has_content()])


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    strategy = Noting(min_available_nodes=2)
    strategy.fails_in, strategy.errors, strategy.replies = int(config["server-fails-in"]), [], []
    result = strategy.start(
        grid, ArrayRecord({"weights": Array(np.zeros(3))}), num_rounds=int(config["num-server-rounds"])
    )
    if config["save-to"]:
        weights = result.arrays["weights"].numpy().tolist()
        told = {"errors": strategy.errors, "replies": strategy.replies, "weights": weights}
        Path(str(config["save-to"])).write_text(json.dumps(told))
