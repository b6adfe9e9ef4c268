"""A project's ``pyproject.toml`` under the original's names."""

import tomllib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import tomlkit

from syft_flwr_cli.errors import NotAProjectError
from syft_flwr_cli.project.config import load_project

__all__ = ["load_flwr_pyproject", "load_toml", "write_toml"]


def load_flwr_pyproject(path: str | PathLike[str], check_module: bool = True) -> dict[str, Any]:
    """A Flower project's ``pyproject.toml``, checked; ``path`` is the file or its folder.

    Raises
    ------
    NotAProjectError
        If it is no Flower project, or, with ``check_module``, one of its apps' modules is not in it.
    """
    project = load_project(Path(path))
    for reference in (project.serverapp, project.clientapp) if check_module else ():
        place = project.path / reference.partition(":")[0].replace(".", "/")
        if not place.with_suffix(".py").is_file() and not (place / "__init__.py").is_file():
            raise NotAProjectError(
                f"{project.path} has no module {reference.partition(':')[0]}.",
                hint="Correct [tool.flwr.app.components] in its pyproject.toml.",
            )
    return dict(project.raw)


def load_toml(path: str | PathLike[str]) -> dict[str, Any]:
    """A TOML file."""
    return tomllib.loads(Path(path).read_text(encoding="utf-8"))


def write_toml(path: str | PathLike[str], val: Mapping[str, Any]) -> None:
    """Write a mapping as a TOML file. (Comments that a file had are lost; `bootstrap` keeps them.)"""
    Path(path).write_text(tomlkit.dumps(val), encoding="utf-8")
