"""The original's strategy: a legacy FedAvg that saves the model of every round."""

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from flwr.common import NDArrays, Parameters, Scalar, parameters_to_ndarrays
from flwr.server.strategy import FedAvg

__all__ = ["FedAvgWithModelSaving"]

_DTYPES = {
    "f2": "F16", "f4": "F32", "f8": "F64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64",
    "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64", "b1": "BOOL",
}  # fmt: skip


class FedAvgWithModelSaving(FedAvg):
    """FedAvg that writes the global model of each round to ``save_path/parameters_round_N.safetensors``.

    Parameters
    ----------
    save_path : path
        The folder; made if it is not there. A relative one lies in the app's working folder, whose new files move to
        the run's results.
    *args, **kwargs
        Those of `flwr.server.strategy.FedAvg`.
    """

    def __init__(self, save_path: str | PathLike[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.save_path = Path(save_path)

    def evaluate(self, server_round: int, parameters: Parameters) -> tuple[float, dict[str, Scalar]] | None:
        """Save the model, then evaluate it as FedAvg does."""
        self.save_path.mkdir(parents=True, exist_ok=True)
        file = self.save_path / f"parameters_round_{server_round}.safetensors"
        file.write_bytes(safetensors(parameters_to_ndarrays(parameters)))
        return super().evaluate(server_round, parameters)


def safetensors(arrays: NDArrays) -> bytes:
    """Arrays in the safetensors format, named ``0000``, ``0001``, …

    The format (https://github.com/huggingface/safetensors#format): the length of the header as u64 little-endian,
    the header (JSON), the arrays' bytes. It is written here because the strategy also runs in environments where
    nothing but Flower is installed.
    """
    header, pieces, offset = {}, [], 0
    for index, array in enumerate(arrays):
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        data = plain.tobytes()
        header[f"{index:04}"] = {
            "dtype": _DTYPES[plain.dtype.str[1:]],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        pieces.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, *pieces))
