"""What runs at the aggregator: ask all owners, add up what they answer, ask again with what was learned."""

import json
import time
from logging import INFO, WARNING
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.common.logger import log
from flwr.serverapp import Grid, ServerApp
from numpy.typing import NDArray

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Ask for means first, then for histograms whose bins fit the data that nobody has seen."""
    config = context.run_config
    columns = [column.strip() for column in str(config["columns"]).split(",")]
    asked = {"columns": ",".join(columns), "group-by": str(config["group-by"])}
    timeout = float(config["timeout"])
    while len(list(grid.get_node_ids())) < int(config["min-nodes"]):
        time.sleep(1)

    totals = ask(grid, "moments", ConfigRecord({"server-round": 1, **asked}), timeout)
    edges = {column: fit_edges(column, totals, int(config["bins"])) for column in columns}
    question = ConfigRecord({"server-round": 2, **asked})
    for column in columns:
        question[f"edges/{column}"] = edges[column]
    counts = ask(grid, "histogram", question, timeout)

    report = {}
    for name, (count, total, squares) in totals.items():
        mean, spread = mean_and_spread(count, total, squares)
        report[name] = {"count": int(count), "mean": mean, "spread": spread}
        report[name] |= {"edges": edges[name.split("/")[0]], "bins": [int(n) for n in counts.get(name, [])]}
        context.state[name] = MetricRecord({"count": int(count), "mean": mean, "spread": spread})
        log(INFO, "%-24s %4d rows, mean %8.3f, spread %7.3f  %s", name, count, mean, spread, report[name]["bins"])
    if config["save-report"]:
        Path(str(config["save-report"])).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def ask(grid: Grid, action: str, question: ConfigRecord, timeout: float) -> dict[str, NDArray[np.float64]]:
    """Send one question to every owner, wait for the answers, and return their sums."""
    messages = [
        Message(RecordDict({"config": question}), dst_node_id=node, message_type=f"query.{action}")
        for node in grid.get_node_ids()
    ]
    sums: dict[str, NDArray[np.float64]] = {}
    for reply in grid.send_and_receive(messages, timeout=timeout):
        if reply.has_error():
            log(WARNING, "%s: no answer from node %d: %s", action, reply.metadata.src_node_id, reply.error.reason)
            continue
        for name, values in reply.content["metrics"].items():
            if name != "num-examples":
                sums[name] = sums.get(name, 0.0) + np.array(values, dtype=np.float64)
    if not sums:
        raise RuntimeError(f"nobody answered the question for {action}")
    return dict(sorted(sums.items()))


def mean_and_spread(count: float, total: float, squares: float) -> tuple[float, float]:
    """The mean and the standard deviation, from sums alone."""
    if count == 0:
        return 0.0, 0.0
    mean = total / count
    return float(mean), float(max(squares / count - mean**2, 0.0) ** 0.5)


def fit_edges(column: str, totals: dict[str, NDArray[np.float64]], bins: int) -> list[float]:
    """Edges of equal bins over three standard deviations to both sides of the mean of all groups together."""
    together = sum((values for name, values in totals.items() if name.split("/")[0] == column), np.zeros(3))
    mean, spread = mean_and_spread(*together)
    return [float(edge) for edge in np.linspace(mean - 3 * spread, mean + 3 * spread, bins + 1)]
