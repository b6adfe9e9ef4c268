"""Which interpreter a data owner's app is run with: never one that the project brings and nobody has approved.

A bare name is looked up on the ``PATH``, as a shell does it, and not in the current folder, which may be the
project's. A path that leads into the project's folder is the project's own environment, which has to be approved,
or it is refused. It does not know how an environment is approved.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from syft_flwr_cli.consent.environment import ENVIRONMENT
from syft_flwr_cli.errors import NotApprovedError, UsageError

__all__ = ["choose_interpreter"]


def choose_interpreter(
    given: Path | None, project: Path, search: Callable[[str], str | None] = shutil.which
) -> Path | None:
    """The interpreter that ``--python`` names, absolute; None for the project's own environment, or this one.

    Parameters
    ----------
    given : Path, optional
        What was typed.
    project : Path
        The project's folder.
    search : callable
        Finds a command on the ``PATH``.

    Raises
    ------
    UsageError
        If there is none.
    NotApprovedError
        If it lies in the project's folder and is not of its environment.
    """
    if given is None:
        return None
    found = Path(given).expanduser() if given.name != str(given) else _on_path(given.name, search)
    if not found.exists():
        raise UsageError(f"There is no {given}.", hint="Give an existing interpreter with --python PATH.")
    folder = os.path.realpath(project)
    # Where it is named, where that name leads, and where it really is: none of them may be the project's to change.
    places = {os.path.abspath(found), os.path.join(os.path.realpath(found.parent), found.name)}  # noqa: PTH100, PTH118
    places.add(os.path.realpath(found))
    inside = [place for place in places if _within(place, folder)]
    if not inside:
        return found.absolute()
    if all(_within(place, os.path.join(folder, ENVIRONMENT)) for place in inside):  # noqa: PTH118
        return None
    raise NotApprovedError(
        f"The interpreter {found} lies in the project's folder: whoever writes the project could change it.",
        hint=f"Name one from elsewhere, or leave --python out: an approved {ENVIRONMENT} of the project is used then.",
    )


def _on_path(name: str, search: Callable[[str], str | None]) -> Path:
    found = search(name)
    if found is None or not os.path.isabs(found):  # noqa: PTH117
        raise UsageError(
            f"There is no {name!r} on the PATH.",
            hint="Give an interpreter by its path, such as --python /usr/bin/python3.",
        )
    return Path(found)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
