"""The data, what may be asked about it, and the rule that keeps single rows out of the answers."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_COUNT = 5
"""No answer is about fewer rows than this. An owner can raise it: --node-config "min-count=20"."""

MAX_BINS = 50

Floats = NDArray[np.float64]


def load_rows(partition: int, partitions: int) -> list[dict[str, Any]]:
    """Return this data owner's rows.

    They come from the folder that DATA_DIR names: all its *.csv (with a line of column names) and *.jsonl files.
    Without it, as in a simulation, the owner gets its share of the mock data: part `partition` of `partitions`.
    """
    folder = os.environ.get("DATA_DIR", "")
    rows = _rows(Path(folder) if folder else Path(__file__).parent / "mock_data")
    if not folder:
        order = np.random.default_rng(0).permutation(len(rows))  # the same order at every owner
        rows = [rows[i] for i in order[partition::partitions]]
    return rows


def _rows(place: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in sorted(place.iterdir()) if place.is_dir() else [place]:
        if file.suffix == ".csv":
            with file.open(encoding="utf-8", newline="") as stream:
                rows += csv.DictReader(stream)
        elif file.suffix == ".jsonl":
            lines = file.read_text(encoding="utf-8").splitlines()
            rows += [json.loads(line) for line in lines if line.strip()]
    if not rows:
        raise FileNotFoundError(f"no rows in {place}: put *.csv or *.jsonl files there, with the columns of mock_data")
    return rows


def groups(rows: list[dict[str, Any]], group_by: str, column: str) -> dict[str, Floats]:
    """The values of `column`, apart for each value of the column `group_by`; missing values are left out."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row.get(column) not in (None, ""):
            found.setdefault(str(row.get(group_by, "all")), []).append(float(row[column]))
    return {group: np.array(values) for group, values in sorted(found.items())}


def moments(values: Floats, min_count: int) -> list[float]:
    """Return [count, sum, sum of squares], or zeros where that would be about too few rows."""
    if len(values) < min_count:
        return [0.0, 0.0, 0.0]
    return [float(len(values)), float(values.sum()), float((values**2).sum())]


def histogram(values: Floats, edges: list[float], min_count: int) -> list[int]:
    """Count the values between `edges` (the outer bins are open) and hide the small counts.

    Where one bin alone would be hidden, its count could be had from the total: then the next smallest is hidden too.
    """
    bins = np.searchsorted(np.array(edges[1:-1]), values, side="right")
    counts = np.bincount(bins, minlength=len(edges) - 1)
    hidden = (counts > 0) & (counts < min_count)
    if hidden.sum() == 1 and (counts >= min_count).any():
        hidden[np.where(counts >= min_count, counts, len(values) + 1).argmin()] = True
    return [int(count) for count in np.where(hidden, 0, counts)]
