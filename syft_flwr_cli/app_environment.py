"""What an app may ask about where it runs: its data set, and whether syft-flwr runs it.

Both answers come from two environment variables that syft-flwr sets for the process an app runs in:
``DATA_DIR`` (what the data owner gave as ``--data``) and ``SYFT_FLWR_APP_NAME``. Imports nothing, so an app
may ask without paying for it, and an app that also runs under plain Flower can ask and go its own way.
"""

import os
from pathlib import Path

from syft_flwr_cli.errors import UsageError

__all__ = [
    "APP_NAME_VARIABLE",
    "DATA_VARIABLE",
    "RESULTS_VARIABLE",
    "get_data_dir",
    "get_results_dir",
    "is_running_under_syft_flwr",
    "load_syftbox_dataset",
    "run_syft_flwr",
]

DATA_VARIABLE = "DATA_DIR"
"""Names the folder (or file) with the data owner's data."""

RESULTS_VARIABLE = "RESULTS_DIR"
"""Names a folder outside the project, one for each run, whose files stay when the run is over."""

APP_NAME_VARIABLE = "SYFT_FLWR_APP_NAME"
"""Set to the app name in every process in which syft-flwr runs a ServerApp or a ClientApp."""


def get_data_dir() -> Path:
    """Return the path of this data owner's data.

    Raises
    ------
    UsageError
        If ``DATA_DIR`` is not set, or names nothing that is there.
    """
    text = os.environ.get(DATA_VARIABLE, "").strip()
    if not text:
        raise UsageError(
            f"This app needs data, and {DATA_VARIABLE} is not set.",
            hint=f"Start it with: syft-flwr run-client --data DIR, or set {DATA_VARIABLE} yourself.",
        )
    path = Path(text).expanduser()
    if not path.exists():
        raise UsageError(
            f"{DATA_VARIABLE} names {path}, which is not there.",
            hint="Give the folder with your data: syft-flwr run-client --data DIR.",
        )
    return path


def get_results_dir() -> Path:
    """Return the folder in which this run may leave files that stay.

    Raises
    ------
    UsageError
        If ``RESULTS_DIR`` is not set: the app is not run by syft-flwr.
    """
    text = os.environ.get(RESULTS_VARIABLE, "").strip()
    if not text:
        raise UsageError(
            f"{RESULTS_VARIABLE} is not set.",
            hint=f"Run the app with syft-flwr, or set {RESULTS_VARIABLE} yourself.",
        )
    return Path(text)


def load_syftbox_dataset() -> Path:
    """The same as `get_data_dir`, under the name that apps of the original call."""
    return get_data_dir()


def is_running_under_syft_flwr() -> bool:
    """Whether this process is run by syft-flwr, and not by plain Flower or by hand."""
    return bool(os.environ.get(APP_NAME_VARIABLE, "").strip())


def run_syft_flwr() -> bool:
    """The same as `is_running_under_syft_flwr`, under the name that apps of the original call."""
    return is_running_under_syft_flwr()
