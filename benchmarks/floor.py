"""The raw floor: the same bytes through plain files, with nothing around them.

One model is written and read by every owner; every owner writes a model, and all of these are read. Each
file is written under another name, synced and renamed, as whoever wants to find it whole after a crash must.
Owners work in threads of one process, which is faster than any number of processes could be.
"""

import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.rounds import Series

__all__ = ["run"]

_BLOCK = 1 << 20


def _write(path: Path, content: memoryview) -> None:
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        rest = content
        while rest:
            rest = rest[os.write(descriptor, rest[:_BLOCK]) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path, into: bytearray) -> None:
    with path.open("rb", buffering=0) as stream:
        view, done = memoryview(into), 0
        while count := stream.readinto(view[done:]):
            done += count


def run(size: float, owners: int, rounds: int, place: Path) -> Series:
    """Measure; the model has ``size`` MB."""
    series = Series("floor", owners, size)
    models = [memoryview(secrets.token_bytes(series.model)) for _ in range(owners + 1)]
    buffers = [bytearray(series.model) for _ in range(owners)]
    down = place / "down"
    ups = [place / f"up{index}" for index in range(owners)]
    with ThreadPoolExecutor(min(owners, os.cpu_count() or 1)) as pool:

        def node(index: int) -> None:
            _read(down, buffers[index])
            _write(ups[index], models[index + 1])

        for _ in range(rounds):
            begun = time.perf_counter()
            _write(down, models[0])
            list(pool.map(node, range(owners)))
            for index in range(owners):
                _read(ups[index], buffers[0])
            series.seconds.append(time.perf_counter() - begun)
    series.carried = series.ideal
    return series
