"""Who offers a participant something in a shared folder, by the names of the folders alone.

For a data owner who was told the folder and not the e-mail of the aggregator. Only names and kinds of files are
looked at, a bounded number of them, and no link is followed; no key is trusted and nothing opened. What a name
promises is checked when the aggregator's offers are taken in.
"""

import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from syft_flwr_cli.catalogue.records import APP
from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.events import Emit, OfferAwaited
from syft_flwr_cli.protocol import names
from syft_flwr_cli.services.federation import open_for_peers
from syft_flwr_cli.transports.folder import posix
from syft_flwr_cli.transports.registry import PublicDocuments

__all__ = ["await_senders", "senders"]

MAX_SPACES = 10_000
"""Folders of a root that are looked at."""

MAX_FILES = 1_000
"""Files of one offer folder that are looked at."""

_PAUSE = 1.0


def senders(shared: PublicDocuments, me: str) -> list[str]:
    """The e-mails in whose spaces below ``shared`` an offer for ``me`` lies, sorted.

    Raises
    ------
    TransportError
        If the root cannot be looked into.
    """
    return [name for name in _spaces(shared) if name != me and _offers(shared, name, me)]


def await_senders(
    home: Path, me: str, shared: PublicDocuments, wait: float | None, emit: Emit, **places: str | Path | None
) -> list[str]:
    """Whoever offers something to ``me``, as soon as there is anybody.

    An offer is sealed for the key of who is asked, so that key is published first, for all who are there.

    Parameters
    ----------
    home, me : Path, str
        The data owner, and where its keys lie.
    shared : PublicDocuments
        Where to look.
    wait : float, optional
        Seconds to wait; without limit if None.
    emit : callable
        Hears what happens.
    places
        ``transport``, ``root`` and ``syftbox_config`` as they were typed.

    Raises
    ------
    TransportError
        If there is nobody in time.
    """
    begun, published = time.monotonic(), set[str]()
    while True:
        if found := senders(shared, me):
            return found
        there = {name for name in _spaces(shared) if name != me and _publishes(shared, name)}
        if there - published:
            open_for_peers(home, me, sorted(there), emit=emit, **places).close()
            published |= there
        emit(OfferAwaited("", known=False))
        if wait is not None and time.monotonic() >= begun + wait:
            raise TransportError(
                f"Nobody has offered a project to {me} in {shared.root} within {wait:g} s.",
                hint="Is it the shared folder, and your e-mail as the project has it? "
                "The aggregator sends offers with share and run-server; wait longer with --wait 1h.",
            )
        time.sleep(_PAUSE)


def _spaces(shared: PublicDocuments) -> list[str]:
    try:
        with os.scandir(shared.root) as entries:
            found = [entry.name for entry in islice(entries, MAX_SPACES)]
    except OSError as error:
        raise posix.explain(error, "look into", shared.root) from error
    return sorted(name for name in found if _is_email(name))


def _is_email(name: str) -> bool:
    try:
        return names.check_email(name) == name
    except UsageError:
        return False


def _offers(shared: PublicDocuments, sender: str, me: str) -> bool:
    folder = names.rpc_folder(sender, me, APP, "offer").split("/")
    return _holds(shared, sender, folder, lambda name: names.message_of(name, ".request") is not None)


def _publishes(shared: PublicDocuments, owner: str) -> bool:
    *folder, document = names.IDENTITY_PATH.split("/")
    return _holds(shared, owner, folder, lambda name: name == document)


def _holds(shared: PublicDocuments, owner: str, folder: list[str], wanted: Callable[[str], bool]) -> bool:
    """Whether a plain file that is ``wanted`` lies in a folder of ``owner``; not where that is no folder."""
    try:
        with posix.entered(shared.root, [owner, *shared.inside, *folder]) as here, os.scandir(here) as files:
            return any(
                wanted(file.name) and file.is_file(follow_symlinks=False) for file in islice(files, MAX_FILES)
            )
    except OSError:
        return False
