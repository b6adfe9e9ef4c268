"""The rounds of a run as a table for people."""

from typing import Any

from rich.table import Table
from rich.text import Text

from syft_flwr_cli.protocol.printable import shortened, visible
from syft_flwr_cli.ui import output

__all__ = ["print_rounds", "size_text"]

MOST_METRICS = 6


def print_rounds(rounds: list[dict[str, Any]]) -> None:
    """Print one row per round and phase, with the metrics aggregated over the data owners."""
    if not rounds:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("round", "phase", "answered", "seconds", "written"):
        table.add_column(name, justify="left" if name == "phase" else "right")
    remote = any("api_calls" in facts for entry in rounds for facts in entry["phases"].values())
    for name in ("calls", "units") if remote else ():
        table.add_column(name, justify="right")
    table.add_column("metrics")
    for entry in rounds:
        for phase, facts in entry["phases"].items():
            metrics = facts["metrics"]["aggregated"]
            shown = _listed({name: value for name, value in metrics.items() if name != "num-examples"})
            table.add_row(
                str(entry["round"]),
                phase,
                f"{facts['answered']}/{facts['asked']}",
                f"{facts['seconds']:.2f}",
                size_text(facts["bytes_written"]),
                *([str(facts.get(name, 0)) for name in ("api_calls", "quota_units")] if remote else []),
                Text(visible(shown)),  # metrics are called as data owners call them
            )
    output.err().print(table)


def _listed(metrics: dict[str, Any]) -> str:
    """Some of the metrics; an app may report ten thousand, under names of any length."""
    told = [
        f"{shortened(str(name), 30)} {_short(value)}" for name, value in list(metrics.items())[:MOST_METRICS]
    ]
    return "  ".join(told) + (
        f"  and {len(metrics) - MOST_METRICS} more" if len(metrics) > MOST_METRICS else ""
    )


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else shortened(str(value), 30)


def size_text(count: int) -> str:
    """A number of bytes for people, in powers of a thousand."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
