"""Which data an app gets at a data owner: said on the command line, remembered, or from the environment; never guessed.

An app that got no data may well make some up, so nothing runs until it was said that it may: with ``--mock`` or
``--no-data``. What was chosen is said at the start, kept for the next command, and told the aggregator as
``private``, ``mock`` or ``none``; where the data are is not.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.own_settings import layers, read_own, remember
from syft_flwr_cli.project.settings import Settings, variable_path

__all__ = ["DataChoice", "DataUse", "choose_data", "remember_data"]

DataUse = Literal["private", "mock", "none"]

MAX_COUNTED = 100_000
"""Files of a data folder that are counted; there may be more."""


@dataclass(frozen=True, slots=True)
class DataChoice:
    """What an app gets as ``DATA_DIR``: ``path`` is None where it gets nothing; files and bytes of what is there."""

    use: DataUse
    path: Path | None = None
    files: int = 0
    bytes: int = 0


def choose_data(
    settings: Settings,
    home: Path,
    *,
    data: Path | None = None,
    mock: bool = False,
    no_data: bool = False,
    environ: Mapping[str, str] | None = None,
) -> DataChoice:
    """What was said about the data, the narrowest first: flag, environment, remembered.

    Raises
    ------
    UsageError
        If nothing was said, two things were, or the folder is not there.
    """
    if (data is not None) + mock + no_data > 1:
        raise UsageError("--data, --mock and --no-data exclude each other.", hint="Give one of them.")
    if mock or no_data:
        return DataChoice("mock" if mock else "none")
    if data is None and variable_path("DATA_DIR", environ) is None:
        use = next(
            (
                table[key]
                for table in layers(read_own(home), settings.app_name, settings.email)
                for key in ("data_use", "data")
                if key in table
            ),
            None,
        )
        if use in ("mock", "none"):
            return DataChoice(use)
    if settings.data is None:
        raise UsageError(
            "Which data the app is to use was never said.",
            hint="Give yours with --data DIR (or DATA_DIR); or say --mock, for data that the app makes up, or "
            "--no-data, for an app that needs none. It is remembered.",
        )
    if not settings.data.exists():
        raise UsageError(
            f"There is no {settings.data}.", hint="Give the folder with your data with --data DIR."
        )
    return DataChoice("private", settings.data, *_count(settings.data))


def remember_data(home: Path, settings: Settings, choice: DataChoice) -> None:
    """Note the choice for the next command."""
    remember(home, settings.app_name, email=settings.email, data=choice.path, data_use=choice.use)


def _count(place: Path) -> tuple[int, int]:
    """Files and bytes at ``place``, links not followed."""
    if place.is_file():
        return 1, place.stat().st_size
    files = size = 0
    for folder, _, found in os.walk(place):
        for name in found:
            try:
                facts = (Path(folder) / name).lstat()
            except OSError:
                continue
            files, size = files + 1, size + facts.st_size
            if files >= MAX_COUNTED:
                return files, size
    return files, size
