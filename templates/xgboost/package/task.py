"""The data and the model: what is learned, and from what. Everything federated stands in the other two files."""

import csv
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from flwr.app import ArrayRecord
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LABEL = "malignant"

# Trees need no scale: they compare values with thresholds.
COLUMNS = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)


@dataclass(frozen=True)
class Table:
    """Rows of columns, and the label of each row (1.0 or 0.0)."""

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
    rows = np.array([[float(records[i][name]) for name in COLUMNS] for i in order])
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


def to_record(model: bytes) -> ArrayRecord:
    """Trees, in XGBoost's JSON, as Flower sends them."""
    return ArrayRecord([np.frombuffer(model, dtype=np.uint8)])


def from_record(record: ArrayRecord) -> bytes:
    """The trees that Flower received; empty if there are none yet."""
    return record["0"].numpy().tobytes()


def train(model: bytes, data: Table, *, depth: int, rate: float, seed: int) -> bytes:
    """Grow a tree on top of `model`, and return it alone: one, as Flower's bagging takes it."""
    settings = {
        "objective": "binary:logistic",
        "base_score": 0.5,  # the same at every owner: a mean of one's own labels would go into the model
        "max_depth": depth,
        "eta": rate,
        "seed": seed,
        "nthread": 1,
    }
    before = _booster(model)
    known = 0 if before is None else before.num_boosted_rounds()
    after = xgboost.train(settings, _matrix(data), num_boost_round=1, xgb_model=before)
    return bytes(after[known : known + 1].save_raw("json"))


def evaluate(model: bytes, data: Table) -> tuple[float, float]:
    """Return (mean loss, share of rows with the right label)."""
    booster = _booster(model)
    if booster is None:
        raise ValueError("there is no model to evaluate yet")
    chances = np.clip(booster.predict(_matrix(data)).astype(np.float64), 1e-12, 1.0 - 1e-12)
    loss = -(data.labels * np.log(chances) + (1.0 - data.labels) * np.log(1.0 - chances)).mean()
    return float(loss), float(np.mean((chances > 0.5) == (data.labels > 0.5)))


def _booster(model: bytes) -> xgboost.Booster | None:
    if not model:
        return None
    booster = xgboost.Booster()
    booster.load_model(bytearray(model))
    return booster


def _matrix(data: Table) -> xgboost.DMatrix:
    return xgboost.DMatrix(data.rows, label=data.labels, feature_names=list(COLUMNS))
