"""What is removed of what one has written, and when: payloads once consumed, the rest after the retention time.

Owners remove only their own files. Of an unfinished run only what is proven delivered goes (`withdrawal`), and
nothing for being old; of runs that are over everything does. The newest run's stop signals stay until another run
begins, for owners who have not seen them. Files go before the journal forgets them, so that a crash in between
leaves nothing that nobody knows of. It knows no command line, and sets no time: that is for whoever calls.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.delivery.tombstones import TOMBSTONES, Tombstones
from syft_flwr_cli.errors import DiskError, NotThereError, TransportError, UsageError
from syft_flwr_cli.events import StoreFailed
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.header import MAX_HEADER, parse_header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.storage import crash_points
from syft_flwr_cli.storage.journal import Journal, Run
from syft_flwr_cli.transports.base import FileInfo, Usage

__all__ = ["Cleaned", "clean", "clean_finished", "prune_expired"]

ENVELOPES: Final = (".request", ".response")

_ReadRun = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was removed, or would be; sizes in bytes.

    Parameters
    ----------
    freed, left : Usage
        Of the participant's own space in the store, for this app.
    paths : tuple of str
        The files, by their paths in the store.
    runs : int
        Runs that the journal forgot, or would forget.
    """

    freed: Usage
    left: Usage
    paths: tuple[str, ...]
    runs: int


def clean_finished(channel: Channel) -> None:
    """Finish what a process that died at the end of a run has left: its payloads and stored replies go."""
    over = {run.run for run in channel.journal.runs() if run.ended is not None}
    channel.payloads.remove([row for row in channel.journal.payloads() if row.run in over])
    unfinished = {run.run for run in channel.journal.runs() if run.ended is None}
    if channel.received_payloads.is_dir():
        for place in channel.received_payloads.iterdir():
            if place.name not in unfinished:
                shutil.rmtree(place, ignore_errors=True)
    channel.journal.erase()


def clean(channel: Channel, peers: Collection[str], older_than: float, *, dry_run: bool = False) -> Cleaned:
    """Remove what belongs to runs that ended more than ``older_than`` seconds ago.

    Parameters
    ----------
    channel : Channel
        Whose files.
    peers : collection of str
        To whom it has written; those of earlier runs are added.
    dry_run : bool
        Only say what would be removed.

    Raises
    ------
    TransportError
        If the store fails; what was removed until then stays removed.
    """
    if not dry_run:
        clean_finished(channel)
    before = channel.clock() - older_than
    rules = _Rules(channel.journal, before)
    files = list(_own_files(channel, {*peers, *rules.peers}))
    going = [(path, entry) for path, entry in files if rules.may_go(entry, _run_in_header(channel, path))]
    freed = Usage(len(going), sum(entry.size for _, entry in going))
    left = Usage(len(files) - freed.files, sum(entry.size for _, entry in files) - freed.bytes)
    paths = tuple(path for path, _ in going)
    if dry_run:
        return Cleaned(freed, left, paths, len(channel.journal.prunable(before)))
    for path in paths:
        crash_points.point("clean.before-remove")
        channel.transport.remove(path)
    if paths:
        entry = {"event": "removed", "time": channel.clock(), "files": freed.files, "bytes": freed.bytes}
        channel.journal.hear([{**entry, "why": "the retention time is over"}])
    Tombstones(channel.directory / TOMBSTONES, channel.account.identity).forget(
        channel.journal.prunable(before)
    )
    runs = channel.journal.prune(before)
    channel.audit.flush()
    return Cleaned(freed, left, paths, runs)


def prune_expired(channel: Channel, peers: Collection[str], older_than: float) -> None:
    """`clean` at the start and at the end of a command: what fails here does not keep it from its work."""
    try:
        clean(channel, peers, older_than)
    except (TransportError, DiskError) as error:
        channel.emit(StoreFailed(error.what, error.hint))


def _own_files(channel: Channel, peers: Collection[str]) -> Iterator[tuple[str, FileInfo]]:
    folders = [
        names.app_folder(channel.email, peer, channel.app) for peer in sorted(peers) if peer != channel.email
    ]
    for folder in [*folders, names.payload_folder(channel.email, channel.app)]:
        for path, entry in channel.transport.list_own(folder):
            if _is_ours(path):
                yield path, entry


def _is_ours(path: str) -> bool:
    """Whether we write files of such a name: others may have put theirs into our space."""
    *folders, name = path.split("/")
    try:
        for folder in folders:
            names.check_component(folder)
    except UsageError:
        return False
    return any(names.message_of(name, kind) for kind in (*ENVELOPES, ".payload"))


def _run_in_header(channel: Channel, path: str) -> _ReadRun:
    def read() -> str | None:
        try:
            with channel.transport.open(channel.email, path) as stream:
                return parse_header(stream.read(MAX_HEADER))[0].run
        except (NotThereError, RefusedError):
            return None

    return read


class _Rules:
    """Which files may go, by what the journal knows of their runs."""

    def __init__(self, journal: Journal, before: float) -> None:
        self._before = before
        runs = journal.runs()
        self._runs: Mapping[str, Run] = {run.run: run for run in runs}
        self._newest = runs[0].run if runs else None
        self._messages = journal.message_runs()
        self._payloads = {row.id for row in journal.payloads()}
        self.peers = {str(peer) for run in runs for peer in run.facts.get("datasites", ())}

    def may_go(self, entry: FileInfo, read_run: _ReadRun) -> bool:
        stem, dot, kind = entry.name.rpartition(".")
        if f"{dot}{kind}" not in ENVELOPES:
            return stem not in self._payloads and entry.created < self._before
        known = self._messages.get(stem)
        run = self._runs.get(known[0] if known is not None else read_run() or "")
        if run is None:  # the journal was lost, or has forgotten it
            return entry.created < self._before
        if run.ended is None or run.ended >= self._before:
            return False
        return not (run.run == self._newest and known is not None and known[1])
