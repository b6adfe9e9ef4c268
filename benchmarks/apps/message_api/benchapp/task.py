"""The model, what training does to it, and the marks by which the benchmark knows where the app is."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

LAYERS = 10


def random_model(megabytes: float, seed: int) -> list[np.ndarray]:
    """Ten layers of random float32, ``megabytes`` million bytes together; of one number each for 0."""
    random = np.random.default_rng(seed)
    count = max(1, int(megabytes * 1_000_000) // 4 // LAYERS)
    return [random.random(count, dtype=np.float32) for _ in range(LAYERS)]


def train(layer: np.ndarray) -> np.ndarray:
    """The cheapest change that makes every number another, never the same twice."""
    return layer + np.float32(np.random.default_rng().random())


class Marks:
    """Says into one pipe what the app has done, and waits at another until it may go on."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._marks = Path(str(config["marks"])) if config["marks"] else None
        self._go_on = Path(str(config["go-on"])) if config["go-on"] else None

    def say(self, **facts: Any) -> None:
        """Say it; it is one write, so it comes whole."""
        if self._marks is not None:
            with self._marks.open("w") as pipe:
                pipe.write(json.dumps({**facts, "at": time.monotonic()}) + "\n")

    def wait(self, **facts: Any) -> None:
        """Say it, and wait for an answer: nothing happens while the benchmark looks at the processes."""
        self.say(**facts)
        if self._go_on is not None:
            with self._go_on.open() as pipe:
                pipe.readline()
