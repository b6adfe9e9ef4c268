"""The data and the model: what is learned, and from what. Everything federated stands in the other two files."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Model = dict[str, Floats]

LABEL = "malignant"

# Column, centre, spread. The scale is part of the model, the same for everybody: an owner who scaled with its own mean
# and spread would train another model, and would tell the others something about its rows.
COLUMNS = (
    ("radius", 14.0, 3.5),
    ("texture", 19.0, 4.3),
    ("perimeter", 92.0, 24.0),
    ("area", 650.0, 350.0),
    ("smoothness", 0.096, 0.014),
    ("compactness", 0.10, 0.053),
    ("concavity", 0.089, 0.080),
    ("concave_points", 0.049, 0.039),
    ("symmetry", 0.18, 0.027),
    ("fractal_dimension", 0.063, 0.007),
)


@dataclass(frozen=True)
class Table:
    """Rows of scaled columns, and the label of each row (1.0 or 0.0)."""

    rows: Floats
    labels: Floats

    def __len__(self) -> int:
        return len(self.labels)


def load_data(partition: int, partitions: int) -> tuple[Table, Table]:
    """Return (training, test) rows of this data owner.

    They come from the folder that DATA_DIR names: all its *.csv (with a line of column names) and *.jsonl files.
    Without it, as in a simulation, the owner gets its share of the mock data: part `partition` of `partitions`.
    """
    folder = os.environ.get("DATA_DIR", "")
    records = _records(Path(folder) if folder else Path(__file__).parent / "mock_data")
    order = np.random.default_rng(0).permutation(len(records))
    if not folder:
        order = order[partition::partitions]  # the same order at every owner, so no row goes to two of them
    labels = np.array([float(records[i][LABEL]) for i in order])
    rows = np.array([[(float(records[i][name]) - mid) / spread for name, mid, spread in COLUMNS] for i in order])
    cut = len(order) * 3 // 4
    return Table(rows[:cut], labels[:cut]), Table(rows[cut:], labels[cut:])


def _records(place: Path) -> list[dict[str, Any]]:
    files = sorted(place.iterdir()) if place.is_dir() else [place]
    records: list[dict[str, Any]] = []
    for file in files:
        if file.suffix == ".csv":
            with file.open(encoding="utf-8", newline="") as stream:
                records += csv.DictReader(stream)
        elif file.suffix == ".jsonl":
            lines = file.read_text(encoding="utf-8").splitlines()
            records += [json.loads(line) for line in lines if line.strip()]
    if not records:
        raise FileNotFoundError(f"no rows in {place}: put *.csv or *.jsonl files there, with the columns of mock_data")
    return records


def new_model(seed: int) -> Model:
    """A logistic regression; it starts at random and knows nothing."""
    return {"weights": np.random.default_rng(seed).normal(size=len(COLUMNS)), "bias": np.zeros(1)}


NAMES = ("weights", "bias")
"""The arrays of a model, in the order in which they travel."""


def to_list(model: Model) -> list[Floats]:
    """The model as Flower sends it."""
    return [model[name] for name in NAMES]


def from_list(arrays: list[Floats]) -> Model:
    """The model that Flower received; the arrays are copies and may be changed."""
    return {name: np.array(array, dtype=np.float64) for name, array in zip(NAMES, arrays, strict=True)}


def train(
    model: Model, data: Table, *, epochs: int, batch_size: int, rate: float, seed: int
) -> tuple[Model, float]:
    """Return the model after `epochs` of stochastic gradient descent, and its loss on the rows it trained on."""
    model = {name: values.copy() for name, values in model.items()}
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for batch in _batches(len(data), batch_size, rng):
            error = (_chances(model, data.rows[batch]) - data.labels[batch]) / len(batch)
            model["weights"] -= rate * (data.rows[batch].T @ error)
            model["bias"] -= rate * error.sum()
    return model, _loss(_chances(model, data.rows), data.labels)


def evaluate(model: Model, data: Table) -> tuple[float, float]:
    """Return (mean loss, share of rows with the right label)."""
    chances = _chances(model, data.rows)
    return _loss(chances, data.labels), float(np.mean((chances > 0.5) == (data.labels > 0.5)))


def _chances(model: Model, rows: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(rows @ model["weights"] + model["bias"], -30.0, 30.0)))


def _loss(chances: Floats, labels: Floats) -> float:
    chances = np.clip(chances, 1e-12, 1.0 - 1e-12)
    return float(-(labels * np.log(chances) + (1.0 - labels) * np.log(1.0 - chances)).mean())


def _batches(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]
