"""Data sets that others describe, as a data scientist sees them: list them, and unpack their mock data.

Prints nothing and asks nobody.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.catalogue.bundle import unpack
from syft_flwr_cli.catalogue.datasets import DataSet, read_data_set
from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.consent.manifest import remove_copy
from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.services.federation import Federation

__all__ = ["OfferedData", "find_data", "offered_data", "save_mock"]


@dataclass(frozen=True, slots=True)
class OfferedData:
    """A data set of somebody's; ``seen`` in seconds since 1970."""

    owner: str
    data: DataSet
    seen: float


def offered_data(store: RecordStore) -> list[OfferedData]:
    """Every data set that is described to this participant now, by name and owner."""
    found = [
        OfferedData(received.sender, read_data_set(received.record.content), received.seen)
        for received in store.received("dataset")
    ]
    return sorted(
        (one for one in found if not one.data.withdrawn), key=lambda one: (one.data.name, one.owner)
    )


def find_data(store: RecordStore, name: str) -> OfferedData:
    """The data set that is called ``NAME`` or ``OWNER/NAME``; `UsageError` if there is none, or several."""
    owner, _, plain = name.rpartition("/")
    everything = offered_data(store)
    found = [one for one in everything if one.data.name == plain and owner in ("", one.owner)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{one.owner}/{one.data.name}" for one in found)
        raise UsageError(f"Several owners have a data set {plain!r}.", hint=f"Name one of them: {names}.")
    known = ", ".join(f"{one.owner}/{one.data.name}" for one in everything)
    raise UsageError(
        f"No data set {name[:80]!r} is described to you.",
        hint=f"There are: {known}." if known else "Look for them with: syft-flwr data list --from OWNER",
    )


def save_mock(federation: Federation, one: OfferedData, destination: Path) -> int:
    """Make the folder ``destination`` with the mock data of a data set, one's own to change; how many files.

    Raises
    ------
    UsageError
        If the folder is there already, or the data set has no mock data.
    TransportError
        If the mock data have not arrived yet.
    RefusedError
        If they are not what the description says.
    """
    if os.path.lexists(destination):
        raise UsageError(f"{destination} is there already.", hint="Give a new folder with -o DIR.")
    check_email(one.owner)
    if one.data.mock is None or one.data.mock_digest is None:
        raise UsageError(f"{one.owner} gives no mock data with {one.data.name}.", hint="Ask for some.")
    data = federation.mailbox.read_payload(one.owner, one.data.mock)
    if data is None:
        raise TransportError(
            f"The mock data of {one.owner}/{one.data.name} are not there yet.",
            hint="Try again when the shared folder has caught up.",
        )
    scratch = Path(tempfile.mkdtemp(prefix="mock-", dir=federation.directory))
    try:
        manifest = unpack(data, one.data.mock_digest, scratch / "data")
        for entry in manifest.entries:
            place = destination / entry.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(scratch / "data" / entry.path, place)
    finally:
        remove_copy(scratch)
    return len(manifest.entries)
