"""Mock data for a simulation: those of the data set that a project asks for by name, as far as they are on hand here.

A data owner's own lie on this machine; what others describe to the aggregator of the project is taken from the store
that it was received through. A data owner who gives none is simulated on those of another, which have the same shape.
Prints nothing and asks nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.errors import SyftFlwrError
from syft_flwr_cli.events import Emit, nobody
from syft_flwr_cli.project.config import Project
from syft_flwr_cli.services.data_choice import requested_data
from syft_flwr_cli.services.federation import open_for_peers, record_store
from syft_flwr_cli.services.offered_data import OfferedData, offered_data, save_mock
from syft_flwr_cli.services.own_data import own_data_sets
from syft_flwr_cli.services.status import participants

__all__ = ["MockData", "mock_data_for"]


@dataclass(frozen=True, slots=True)
class MockData:
    """A folder for each data owner, in their order, or none at all; whose they are; and what could not be had."""

    folders: tuple[Path, ...] = ()
    owners: tuple[str, ...] = ()
    name: str = ""
    problem: str = ""


def mock_data_for(
    home: Path, project: Project, datasites: Sequence[str], place: Path, emit: Emit = nobody
) -> MockData:
    """The mock data of the data set that ``project`` asks for.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``: its participants' data sets, and what was described to them.
    project : Project
        The project.
    datasites : sequence of str
        Who is simulated.
    place : Path
        A folder for what is taken from the store.
    emit : callable
        Hears what happens.
    """
    request = requested_data(project)
    if request is None or request.name is None:
        return MockData()
    name, found, problem = request.name, dict[str, Path](), ""
    for me in participants(home):
        for own in own_data_sets(home, me):
            if own.name == name and own.mock is not None and own.mock.exists():
                found[me] = own.mock
    aggregator = project.aggregator
    if aggregator in participants(home):
        offers = [
            one
            for one in offered_data(record_store(home, aggregator))
            if one.data.name == name and one.data.mock is not None and one.owner not in found
        ]
        problem = _save(home, aggregator, offers, place, found, emit)
    if not found:
        return MockData(name=name, problem=problem)
    spare = [found[owner] for owner in sorted(found)]
    folders = [found.get(owner, spare[index % len(spare)]) for index, owner in enumerate(datasites)]
    return MockData(tuple(folders), tuple(sorted(found)), name, problem)


def _save(
    home: Path, me: str, offers: Sequence[OfferedData], place: Path, found: dict[str, Path], emit: Emit
) -> str:
    """Add what is offered to ``found``, by owner; why some could not be had, else nothing."""
    if not offers:
        return ""
    problem = ""
    try:
        federation = open_for_peers(home, me, [one.owner for one in offers], emit=emit)
    except SyftFlwrError as error:
        return error.what
    try:
        for one in offers:
            try:
                save_mock(federation, one, place / one.owner)
                found[one.owner] = place / one.owner
            except SyftFlwrError as error:
                problem = error.what
    finally:
        federation.close()
    return problem
