"""What runs at every data owner: answer two kinds of questions, both with numbers about many rows only."""

from logging import INFO
from typing import Any

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.logger import log

from .task import MAX_BINS, MIN_COUNT, groups, histogram, load_rows, moments

app = ClientApp()


@app.query("moments")
def answer_moments(message: Message, context: Context) -> Message:
    """How many rows, their sum and their sum of squares, for each column and group."""
    rows, min_count = _rows(context), _min_count(context)
    config = message.content["config"]
    log(INFO, "asked for %s: %s", message.metadata.message_type, dict(config))
    answer: dict[str, Any] = {"num-examples": len(rows)}
    for column in str(config["columns"]).split(","):
        for group, values in groups(rows, str(config["group-by"]), column).items():
            answer[f"{column}/{group}"] = moments(values, min_count)
    return Message(RecordDict({"metrics": MetricRecord(answer)}), reply_to=message)


@app.query("histogram")
def answer_histogram(message: Message, context: Context) -> Message:
    """How many rows fall into each bin, for each column and group; the edges come with the question."""
    rows, min_count = _rows(context), _min_count(context)
    config = message.content["config"]
    log(INFO, "asked for %s: %s", message.metadata.message_type, dict(config))
    answer: dict[str, Any] = {"num-examples": len(rows)}
    for column in str(config["columns"]).split(","):
        edges = [float(edge) for edge in config[f"edges/{column}"]]
        if len(edges) > MAX_BINS + 1:
            raise ValueError(f"{len(edges) - 1} bins are asked for; this owner answers up to {MAX_BINS}")
        for group, values in groups(rows, str(config["group-by"]), column).items():
            answer[f"{column}/{group}"] = histogram(values, edges, min_count)
    return Message(RecordDict({"metrics": MetricRecord(answer)}), reply_to=message)


def _rows(context: Context) -> list[dict[str, Any]]:
    partition = int(context.node_config.get("partition-id", 0))
    return load_rows(partition, int(context.node_config.get("num-partitions", 1)))


def _min_count(context: Context) -> int:
    """The owner's own rule: it can be raised on the owner's machine, and from nowhere else."""
    return max(MIN_COUNT, int(context.node_config.get("min-count", MIN_COUNT)))
