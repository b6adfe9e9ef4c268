"""The transports that the one conformance suite runs against.

A federation is three participants who share a store. To add a transport, write a function that makes
one from a `Setting` and put it into `FEDERATIONS`: nothing in the suite itself knows a transport.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from doubles.packages import ANOTHER_PACKAGE, installed
from doubles.syftbox_daemon import SyftBoxDaemon

from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.testing.faulty import Faulty
from syft_flwr_cli.testing.memory_transport import MemoryFaults, MemoryStore, MemoryTransport
from syft_flwr_cli.transports.base import BytesContent, Properties, Transport
from syft_flwr_cli.transports.folder.transport import FolderTransport
from syft_flwr_cli.transports.metered import Metered
from syft_flwr_cli.transports.pieces import Pieces
from syft_flwr_cli.transports.registry import Opening, open_transport
from syft_flwr_cli.transports.retry import Retrying
from syft_flwr_cli.transports.syftbox.transport import SyftBoxTransport

ALICE, BOB, CAROL = "alice@a.example", "bob@b.example", "carol@c.example"
PEOPLE = (ALICE, BOB, CAROL)

POLL = 0.2
"""Seconds between two looks where nothing wakes a participant: short, to keep the suite short."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a factory is given: an empty folder, and where to leave what is to be closed at the end."""

    place: Path
    stack: ExitStack


@dataclass(frozen=True, slots=True)
class Federation:
    """Three participants who share a store.

    Parameters
    ----------
    open : Callable[[str], Transport]
        One more view of the store for the participant of this e-mail.
    patience : float
        Seconds after which a change that has not arrived counts as lost.
    enforces_readers : bool
        Whether the store itself keeps a file from those it is not for.
    outage : Callable[[], AbstractContextManager[None]] | None
        Takes the store away for a while; None if that cannot be staged.
    knows_order : bool
        Whether the store's times tell which of two files came first, however quickly they came.
    load : int
        How many files the heavier tests write.
    """

    open: Callable[[str], Transport]
    patience: float = 30.0
    enforces_readers: bool = False
    outage: Callable[[], AbstractContextManager[None]] | None = None
    knows_order: bool = True
    load: int = 40
    opened: list[Transport] = field(default_factory=list)

    def view(self, email: str) -> Transport:
        """Open one more view, which is closed at the end."""
        transport = self.open(email)
        self.opened.append(transport)
        return transport


def insistent(inner: Transport, seconds: float = 30.0) -> Transport:
    """A transport whose every call is tried again, soon."""
    return Retrying(inner, seconds, read_timeout=seconds, first=0.001, longest=0.01)


def memory(setting: Setting) -> Federation:
    store = MemoryStore()

    @contextmanager
    def outage() -> Iterator[None]:
        well, store.faults = store.faults, replace(store.faults, errors=1.0)
        yield
        store.faults = well

    return Federation(
        open=lambda email: MemoryTransport(store, email, POLL), enforces_readers=True, outage=outage
    )


def bad_memory(setting: Setting) -> Federation:
    store = MemoryStore(MemoryFaults(seed=7, lag=0.05, repeats=0.3, lost_events=True, errors=0.1))
    return Federation(
        open=lambda email: insistent(MemoryTransport(store, email, 0.05)),
        enforces_readers=True,
    )


def faulty_memory(setting: Setting) -> Federation:
    store = MemoryStore()
    return Federation(
        open=lambda email: insistent(Faulty(MemoryTransport(store, email, POLL), seed=len(email))),
        enforces_readers=True,
    )


def folder(setting: Setting) -> Federation:
    root = setting.place / "shared"
    return Federation(open=lambda email: FolderTransport(root, email, POLL), outage=lambda: moved_away(root))


def folder_without_events(setting: Setting) -> Federation:
    root = setting.place / "shared"
    return Federation(
        open=lambda email: FolderTransport(root, email, POLL, events=False), outage=lambda: moved_away(root)
    )


def folder_by_a_relative_path(setting: Setting) -> Federation:
    before = Path.cwd()
    setting.stack.callback(os.chdir, before)
    os.chdir(setting.place)

    def view(email: str) -> Transport:
        transport = FolderTransport(Path("shared"), email, POLL)
        os.chdir(before)  # a relative root is relative to where it was given
        os.chdir(setting.place)
        return transport

    return Federation(open=view)


def wrapped_folder(setting: Setting) -> Federation:
    root = setting.place / "shared"
    return Federation(open=lambda email: Metered(insistent(FolderTransport(root, email, POLL), 5.0)))


def syftbox_on_one_machine(setting: Setting) -> Federation:
    configs = {email: syftbox_config(setting.place, email, setting.place / "data") for email in PEOPLE}
    return Federation(open=lambda email: SyftBoxTransport(configs[email], None, POLL))


def syftbox(setting: Setting) -> Federation:
    homes = {email: setting.place / f"data of {email}" for email in PEOPLE}
    configs = {email: syftbox_config(setting.place, email, home) for email, home in homes.items()}
    daemon = SyftBoxDaemon(homes)
    daemon.start_full_scans(0.1)
    setting.stack.callback(daemon.close)
    return Federation(
        open=lambda email: SyftBoxTransport(configs[email], None, POLL), enforces_readers=True, load=16
    )


class QuickForSmallFiles(FolderTransport):
    """A store that is quick with files of up to 4 kB."""

    @property
    def properties(self) -> Properties:
        return replace(super().properties, largest_quick_file=4096, largest_in_pieces=1 << 20, pace=0.0001)


def folder_in_pieces(setting: Setting) -> Federation:
    """Payloads go as pieces, and nobody can tell."""
    root = setting.place / "shared"
    for email in PEOPLE:
        Pieces(QuickForSmallFiles(root, email)).publish(IDENTITY_PATH, BytesContent(b"{}"), PEOPLE)
        (root / email / IDENTITY_PATH).unlink()
    return Federation(
        open=lambda email: Pieces(QuickForSmallFiles(root, email, POLL)), outage=lambda: moved_away(root)
    )


def from_another_package(setting: Setting) -> Federation:
    """A transport that another package offers by its entry point; nothing here or in ours names its code."""
    setting.stack.enter_context(installed(ANOTHER_PACKAGE))

    def view(email: str) -> Transport:
        options = {"file": setting.place / "table.sqlite3"}
        return open_transport("sqlite", Opening(email, options, POLL, setting.place / "state"))

    return Federation(open=view, enforces_readers=True)


def syftbox_config(place: Path, email: str, data_dir: Path) -> Path:
    """Write a ``config.json`` as SyftBox has it."""
    data_dir.mkdir(exist_ok=True)
    config = place / f"config of {email}.json"
    config.write_text(json.dumps({"email": email, "data_dir": str(data_dir), "server_url": "https://x"}))
    return config


@contextmanager
def moved_away(root: Path) -> Iterator[None]:
    """Take a shared folder away, as when a network drive is not mounted."""
    aside = root.with_name("aside")
    root.rename(aside)
    yield
    aside.rename(root)


FEDERATIONS: dict[str, Callable[[Setting], Federation]] = {
    "memory": memory,
    "bad-memory": bad_memory,
    "faulty-memory": faulty_memory,
    "folder": folder,
    "folder-without-events": folder_without_events,
    "relative-folder": folder_by_a_relative_path,
    "wrapped-folder": wrapped_folder,
    "folder-in-pieces": folder_in_pieces,
    "another-package": from_another_package,
    "syftbox-one-machine": syftbox_on_one_machine,
    "syftbox": syftbox,
}
