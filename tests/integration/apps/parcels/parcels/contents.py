"""Contents that a message can have, each made the same wherever it is made."""

import hashlib

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

MIB = 1 << 20


def noise(size: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def arrays(**named: np.ndarray) -> RecordDict:
    return RecordDict({"arrays": ArrayRecord({name: Array(array) for name, array in named.items()})})


def config(**named: object) -> RecordDict:
    return RecordDict({"config": ConfigRecord(named)})


GRID = np.arange(60_000, dtype=np.float32).reshape(200, 300)

MAKERS = {
    "nothing": RecordDict,
    "empty-records": lambda: RecordDict({"a": ArrayRecord(), "m": MetricRecord(), "c": ConfigRecord()}),
    "large-bytes": lambda: config(blob=noise(300_000, 1), edge=noise(65_536, 2), one_less=noise(65_535, 3)),
    "list-of-bytes": lambda: config(blobs=[noise(70_000, 4), b"", b"short", noise(600, 5)], after="text"),
    "plain-values": lambda: RecordDict(
        {
            "config": ConfigRecord(
                {
                    "int": -3,
                    "float": 0.1,
                    "text": "żółć\n\0 end",
                    "flag": True,
                    "flags": [True, False],
                    "texts": ["", "b"],
                    "ints": [1, -(2**62)],
                    "floats": [0.0, 1e300],
                    "bytes": b"\0\xff",
                }
            ),
            "metrics": MetricRecord({"int": 2**60, "float": -0.0, "ints": [1, 2], "floats": [0.5]}),
        }
    ),
    "many-small-arrays": lambda: arrays(**{f"layer.{i}": np.full(i % 7, i, np.int32) for i in range(2000)}),
    "many-middling-arrays": lambda: arrays(**{f"layer.{i}": np.full(500, i, np.float64) for i in range(200)}),
    "zero-size-arrays": lambda: arrays(
        a=np.zeros(0), b=np.zeros((0, 3), np.float32), c=np.zeros((5, 0, 2), np.int64), d=np.ones(2)
    ),
    "scalars": lambda: arrays(f=np.array(1.5), i=np.array(-7, np.int8), b=np.array(True)),
    "all-types": lambda: arrays(
        **{
            name: np.arange(3000).astype(name)
            for name in (
                "float16",
                "float32",
                "float64",
                "int8",
                "uint8",
                "int16",
                "uint16",
                "int32",
                "uint32",
                "int64",
                "uint64",
                "bool",
                "complex64",
                "complex128",
                ">f4",
                "<i2",
            )
        }
    ),
    "not-contiguous": lambda: arrays(
        transposed=GRID.T,
        strided=GRID[::3, ::7],
        backwards=GRID[::-1],
        fortran=np.asfortranarray(GRID),
        broadcast=np.broadcast_to(np.float32(3.5), (300, 400)),
    ),
    "special-values": lambda: arrays(values=np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324] * 1000)),
    "fifty-megabytes": lambda: arrays(model=np.random.default_rng(6).random(50 * MIB // 8)),
    "same-array-twice": lambda: arrays(one=np.arange(40_000.0), two=np.arange(40_000.0), three=np.ones(9)),
}


def digest(content: RecordDict) -> str:
    """What a content is, to the bit: names, order, types, shapes, values."""
    told = hashlib.sha256()
    for name, record in content.items():
        told.update(f"{name} {type(record).__name__}\n".encode())
        for key, value in record.items():
            if isinstance(value, Array):
                array = value.numpy()
                told.update(f"{key} {value.dtype} {tuple(value.shape)} {value.stype} ".encode())
                told.update(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes("C"))
            else:
                told.update(f"{key} {type(value).__name__} {value!r}\n".encode())
    return told.hexdigest()
