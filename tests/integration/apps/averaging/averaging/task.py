"""Rows that differ from owner to owner, and gradient descent on them; no chance in it."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SLOPES = np.array([1.5, -2.0, 0.5])


def load(partition: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(100 + partition)
    rows = rng.normal(size=(40 + 17 * partition, 3))
    return rows, rows @ SLOPES + 0.25 + rng.normal(scale=0.01, size=len(rows))


def train(weights: Floats, bias: Floats, rows: Floats, targets: Floats, steps: int) -> tuple[Floats, Floats]:
    for _ in range(steps):
        error = rows @ weights + bias - targets
        weights = weights - 0.1 * rows.T @ error / len(rows)
        bias = bias - 0.1 * error.mean()
    return weights, bias


def loss(weights: Floats, bias: Floats, rows: Floats, targets: Floats) -> float:
    return float(np.mean((rows @ weights + bias - targets) ** 2))
