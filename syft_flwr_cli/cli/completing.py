"""Values for the shell's completion: templates, participants, projects, runs. Prints nothing and never fails.

Asked between two key strokes, so it looks at this machine alone, and at little of it.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["participants", "peers", "projects", "runs", "templates", "transports"]

MOST: Final = 200


def _quiet(find: Callable[[], Iterable[str]], incomplete: str) -> list[str]:
    try:
        return sorted({name for name in find() if name.startswith(incomplete)})[:MOST]
    except (
        Exception
    ):  # whatever is wrong here is said when the command itself is run, not between two key strokes
        return []


def templates(incomplete: str) -> list[str]:
    """The templates of `init` and `demo`."""
    from syft_flwr_cli.project.scaffold import TEMPLATES

    return _quiet(lambda: TEMPLATES, incomplete)


def transports(incomplete: str) -> list[str]:
    """The names of transports."""
    from syft_flwr_cli.transports.registry import all_specs

    return _quiet(all_specs, incomplete)


def participants(incomplete: str) -> list[str]:
    """Who has a home on this machine."""
    return _quiet(_own, incomplete)


def peers(incomplete: str) -> list[str]:
    """Whose keys are known on this machine."""
    from syft_flwr_cli.security.roster import FILE_NAME, Roster
    from syft_flwr_cli.storage.paths import home, participant_dir

    def find() -> Iterator[str]:
        here = home()
        for email in _own():
            yield from (entry.email for entry in Roster(participant_dir(here, email) / FILE_NAME).entries())

    return _quiet(find, incomplete)


def runs(incomplete: str) -> list[str]:
    """The runs on this machine."""
    from syft_flwr_cli.services.runs import local_runs
    from syft_flwr_cli.storage.paths import home

    return _quiet(lambda: [one.view.run for one in local_runs(home())], incomplete)


def projects(incomplete: str) -> list[str]:
    """Folders, and projects that were received."""
    from syft_flwr_cli.storage.paths import home

    def find() -> Iterator[str]:
        folder, _, begun = incomplete.rpartition("/")
        place = Path(f"{folder}/" if folder or incomplete.startswith("/") else ".").expanduser()
        for path in place.iterdir():
            if path.name.startswith(begun) and not path.name.startswith(".") and path.is_dir():
                yield f"{folder}/{path.name}" if "/" in incomplete else path.name
        if "/" not in incomplete:
            yield from (path.name for path in home().glob("participants/*/projects/*") if path.is_dir())

    return _quiet(find, incomplete)


def _own() -> list[str]:
    from syft_flwr_cli.services.status import participants as found
    from syft_flwr_cli.storage.paths import home

    return found(home())
