"""Environments of their own for apps, apart from the one that this tool is installed in; made when first needed.

Each lies beside the project's own as ``.venv-NAME`` and is made again when what it should hold has changed. An
interpreter that has it all already is named with ``SYFT_FLWR_APPS_PYTHON``. Where the packages cannot be had (no
network), the test is skipped and says why.
"""

import importlib.metadata
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from syft_flwr_cli.storage.locks import lock_descriptor

__all__ = ["LIBRARIES", "SIMULATION", "interpreter"]

ROOT = Path(__file__).parents[2]
FLWR = importlib.metadata.version("flwr")

LIBRARIES = (f"flwr=={FLWR}", "numpy", "scikit-learn", "pandas", "xgboost-cpu", "torch")
"""PyTorch's wheel on PyPI is the one for GPUs on Linux: 2.5 GB with what it depends on."""
SIMULATION = (f"flwr[simulation]=={FLWR}",)


def interpreter(name: str, requirements: Sequence[str]) -> Path:
    """The interpreter of an environment with ``requirements``; skips the test where it cannot be made."""
    given = os.environ.get("SYFT_FLWR_APPS_PYTHON")
    if given is not None:
        return Path(given)
    place = ROOT / f".venv-{name}"
    mark, wanted = place / "requirements.txt", "\n".join((sys.version, *requirements)) + "\n"
    python = place / "bin" / "python"
    place.mkdir(exist_ok=True)
    with (place / "lock").open("w") as lock:
        lock_descriptor(lock.fileno(), wait=True)
        if mark.exists() and mark.read_text() == wanted:
            return python
        venv.create(place, with_pip=True, symlinks=True)
        words = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or "pip ended with an error").splitlines()[-1]
            pytest.skip(f"no environment with {', '.join(requirements)}: {last}")
        mark.write_text(wanted)
    return python
