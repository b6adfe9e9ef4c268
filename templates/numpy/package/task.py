"""The data and the model: what is learned, and from what. Everything federated stands in the other two files."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Model = dict[str, Floats]

PIXELS, HIDDEN, DIGITS = 64, 32, 10


@dataclass(frozen=True)
class Examples:
    """Images (one row of 64 values from 0 to 1 each) and the digits that they show."""

    images: Floats
    digits: Labels

    def __len__(self) -> int:
        return len(self.digits)


def load_data(partition: int, partitions: int) -> tuple[Examples, Examples]:
    """Return (training, test) examples of this data owner.

    They come from the folder that DATA_DIR names (all its *.jsonl files, in the form of mock_data). Without it, as in
    a simulation, the owner gets its share of the mock data: part `partition` of `partitions`.
    """
    folder = os.environ.get("DATA_DIR", "")
    if folder:
        lines = _lines(Path(folder))
    else:
        lines = _lines(Path(__file__).parent / "mock_data")
        order = np.random.default_rng(0).permutation(len(lines))  # the same order at every owner
        lines = [lines[i] for i in order[partition::partitions]]
    rows = [json.loads(line) for line in lines]
    images = np.array([[ord(letter) - ord("a") for letter in row["pixels"]] for row in rows]) / 16.0
    digits = np.array([row["digit"] for row in rows])
    cut = len(rows) * 4 // 5
    return Examples(images[:cut], digits[:cut]), Examples(images[cut:], digits[cut:])


def _lines(place: Path) -> list[str]:
    files = sorted(place.glob("*.jsonl")) if place.is_dir() else [place]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if not lines:
        raise FileNotFoundError(f"no examples in {place}: put *.jsonl files there, in the form of mock_data")
    return lines


def new_model(seed: int) -> Model:
    """A network with one hidden layer; its weights are drawn at random."""
    rng = np.random.default_rng(seed)
    return {
        "hidden.weight": rng.normal(0.0, (2.0 / PIXELS) ** 0.5, (PIXELS, HIDDEN)),
        "hidden.bias": np.zeros(HIDDEN),
        "output.weight": rng.normal(0.0, (2.0 / HIDDEN) ** 0.5, (HIDDEN, DIGITS)),
        "output.bias": np.zeros(DIGITS),
    }


def to_record(model: Model) -> ArrayRecord:
    """The model as Flower sends it."""
    return ArrayRecord({name: Array(values) for name, values in model.items()})


def from_record(record: ArrayRecord) -> Model:
    """The model that Flower received; the arrays are copies and may be changed."""
    return {name: array.numpy().copy() for name, array in record.items()}


def train(
    model: Model, data: Examples, *, epochs: int, batch_size: int, rate: float, seed: int
) -> tuple[Model, float]:
    """Return the model after `epochs` of stochastic gradient descent, and the mean loss of the last one."""
    model = {name: values.copy() for name, values in model.items()}
    rng = np.random.default_rng(seed)
    loss = 0.0
    for _ in range(epochs):
        losses = []
        for batch in _batches(len(data), batch_size, rng):
            images, digits = data.images[batch], data.digits[batch]
            hidden, chances = _forward(model, images)
            losses.append(_loss(chances, digits))
            error = (chances - np.eye(DIGITS)[digits]) / len(digits)
            back = (error @ model["output.weight"].T) * (hidden > 0)
            model["output.weight"] -= rate * (hidden.T @ error)
            model["output.bias"] -= rate * error.sum(axis=0)
            model["hidden.weight"] -= rate * (images.T @ back)
            model["hidden.bias"] -= rate * back.sum(axis=0)
        loss = float(np.mean(losses))
    return model, loss


def evaluate(model: Model, data: Examples) -> tuple[float, float]:
    """Return (mean loss, share of digits recognised)."""
    _, chances = _forward(model, data.images)
    return _loss(chances, data.digits), float(np.mean(chances.argmax(axis=1) == data.digits))


def _forward(model: Model, images: Floats) -> tuple[Floats, Floats]:
    hidden = np.maximum(images @ model["hidden.weight"] + model["hidden.bias"], 0.0)
    scores = hidden @ model["output.weight"] + model["output.bias"]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, powers / powers.sum(axis=1, keepdims=True)


def _loss(chances: Floats, digits: Labels) -> float:
    return float(-np.log(chances[np.arange(len(digits)), digits] + 1e-12).mean())


def _batches(count: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]
