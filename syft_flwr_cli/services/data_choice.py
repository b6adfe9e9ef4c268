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

from syft_flwr_cli.catalogue.datasets import DataRequest, check_folder, data_request
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.project.own_settings import layers, read_own, remember
from syft_flwr_cli.project.settings import Settings, variable_path
from syft_flwr_cli.services.own_data import own_data_sets, usable_by

__all__ = ["DataChoice", "DataUse", "choose_data", "remember_data", "requested_data"]

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
    dataset: str | None = None,
    project: Project | None = None,
    environ: Mapping[str, str] | None = None,
) -> DataChoice:
    """What was said about the data, the narrowest first: flag, environment, remembered, what the project asks for.

    Parameters
    ----------
    settings, home
        The data owner's.
    data, mock, no_data, dataset
        The flags.
    project : Project, optional
        What is to run: it may ask for a data set of the owner's by its name, and for columns.
    environ : mapping, optional
        The environment, if not this process's.

    Raises
    ------
    UsageError
        If nothing was said, two things were, the folder is not there, or the data are not what the project asks for.
    """
    request = None if project is None else requested_data(project)
    choice = _chosen(settings, home, data, mock, no_data, dataset, request, environ)
    problems = [] if request is None or choice.path is None else check_folder(choice.path, request.columns)
    if problems:
        name = "the project" if project is None else project.name
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UsageError(
            f"The data do not fit what {name} asks for: {'; '.join(problems[:3])}{more}.",
            hint=f"Correct the data, name others (--data DIR, --dataset NAME), or tell {settings.aggregator}.",
        )
    return choice


def requested_data(project: Project) -> DataRequest | None:
    """What ``[tool.syft_flwr.dataset]`` of a project asks for; None if nothing; `UsageError` if it is no request."""
    tool = project.raw.get("tool", {})
    return data_request(tool.get("syft_flwr", {}) if isinstance(tool, Mapping) else {})


def _chosen(
    settings: Settings,
    home: Path,
    data: Path | None,
    mock: bool,
    no_data: bool,
    dataset: str | None,
    request: DataRequest | None,
    environ: Mapping[str, str] | None,
) -> DataChoice:
    if (data is not None) + (dataset is not None) + mock + no_data > 1:
        raise UsageError(
            "--data, --dataset, --mock and --no-data exclude each other.", hint="Give one of them."
        )
    if dataset is not None:
        found = usable_by(home, settings.email, dataset, settings.aggregator).private
        return DataChoice("private", found, *_count(found))
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
    if settings.data is None and request is not None and request.name is not None:
        if any(one.name == request.name for one in own_data_sets(home, settings.email)):
            found = usable_by(home, settings.email, request.name, settings.aggregator).private
            return DataChoice("private", found, *_count(found))
        raise UsageError(
            f"The project asks for the data set {request.name!r}, and you have none of this name.",
            hint=f"Name your data so: syft-flwr data add {request.name} --private DIR; or give them with --data DIR.",
        )
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
