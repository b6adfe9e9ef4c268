"""All checks of a machine, in the order in which a person would look: machine, home, project, store."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import NotAProjectError, SyftFlwrError
from syft_flwr_cli.project.config import Project, load_project
from syft_flwr_cli.project.settings import resolve
from syft_flwr_cli.services.doctor.finding import Finding, failed, fine, noticed
from syft_flwr_cli.services.doctor.machine import check_machine
from syft_flwr_cli.services.doctor.own import check_own
from syft_flwr_cli.services.doctor.store import check_store

__all__ = ["examine"]


def examine(
    home: Path, folder: Path | None, email: str | None, places: Mapping[str, Any]
) -> Iterator[Finding]:
    """Look at everything once; a check that fails does not keep the others from being done.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    folder : Path, optional
        A project's folder; the current one if it is a project.
    email : str, optional
        Whom it is about.
    places : mapping
        What was given for ``transport``, ``root`` and ``syftbox_config``.
    """
    yield from check_machine(home)
    yield from check_own(home, email)
    project = None
    try:
        project = load_project(Path() if folder is None else folder)
    except NotAProjectError as error:
        if folder is not None or Path("pyproject.toml").exists():
            yield failed("project", error.what, error.hint)
    if project is not None:
        yield from _project(project)
    if project is None and not any(places.values()):
        yield noticed(
            "store",
            "No project is looked at here, so no store.",
            "Name one: syft-flwr doctor PROJECT --root DIR",
        )
        return
    # Without a project any app will do: what is looked at is the store.
    stand_in: dict[str, Any] = {
        "app_name": "doctor_0",
        "aggregator": email,
        "datasites": (f"doctor-{email}",),
    }
    given: dict[str, Any] = {**({} if project is not None else stand_in), **places}
    try:
        settings = resolve(project, home=home, email=email, **given)
    except SyftFlwrError as error:
        yield failed("settings", error.what, error.hint)
        return
    yield from check_store(settings)
    data = settings.data
    if data is not None and not (data.is_dir() and os.access(data, os.R_OK | os.X_OK)):
        yield failed("data", f"The data folder {data} cannot be read.", "Give another with --data DIR.")


def _project(project: Project) -> Iterator[Finding]:
    if project.app_name is None or project.aggregator is None or not project.datasites:
        yield noticed(
            "project",
            f"{project.name} is a Flower app and is not federated yet.",
            f"Type: syft-flwr bootstrap {shlex.quote(str(project.path))}",
        )
        return
    for part in (project.serverapp, project.clientapp):
        module = part.partition(":")[0].replace(".", "/")
        roots = (project.path, project.path / "src")
        places = (root / name for root in roots for name in (f"{module}.py", f"{module}/__init__.py"))
        if not any(place.is_file() for place in places):
            yield failed(
                "project",
                f"{part} of {project.name} is not in its folder.",
                "Correct [tool.flwr.app.components] in pyproject.toml.",
            )
            return
    yield fine(
        "project",
        f"{project.name} is federated: {project.aggregator} with {', '.join(project.datasites)}.",
    )
