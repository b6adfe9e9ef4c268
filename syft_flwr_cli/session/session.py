"""From settings to a channel that is ready: keys, roster, store, journal, audit log, and the lock.

The one place that puts these together, for the command line and for the Python API. One process holds a
participant's app at a time; a second one is told who does.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.delivery.account import Account
from syft_flwr_cli.delivery.channel import Channel, open_channel
from syft_flwr_cli.errors import BusyError, UsageError
from syft_flwr_cli.events import Emit, EncryptionOff, IdentityCreated, nobody
from syft_flwr_cli.project.config import load_project, require_federated
from syft_flwr_cli.project.settings import Settings, resolve
from syft_flwr_cli.protocol.names import payload_folder, rpc_folder
from syft_flwr_cli.security.identity import load_or_create
from syft_flwr_cli.security.passphrase import passphrase_source
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.session.own_key import check_published_key, note_published
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.storage.locks import FileLock
from syft_flwr_cli.storage.paths import app_dir, make_private_dir, participant_dir
from syft_flwr_cli.storage.paths import home as default_home
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.metered import Metered
from syft_flwr_cli.transports.registry import Opening, find_spec, open_transport

__all__ = ["Session", "open_for_api", "open_session", "participants_of"]


@dataclass(slots=True)
class Session:
    """A channel that is ready, its settings, and the meter on its transport."""

    channel: Channel
    settings: Settings
    meter: Metered
    lock: FileLock | None

    @property
    def journal(self) -> Journal:
        """What was sent, received and done in this app."""
        return self.channel.journal

    def spent(self) -> dict[str, int]:
        """Bytes written into the store so far; on a remote service also its calls and quota units."""
        spent = {"bytes_written": self.meter.snapshot().bytes_written}
        cost = self.meter.cost()
        if cost.calls:
            spent |= {"api_calls": cost.calls, "quota_units": cost.units}
        return spent

    def close(self) -> None:
        """Let go of everything."""
        try:
            self.channel.close()
        finally:
            if self.lock is not None:
                self.lock.release()


def participants_of(settings: Settings) -> list[str]:
    """Everybody in the federation, the aggregator first."""
    return [settings.aggregator, *settings.datasites]


def open_session(
    settings: Settings,
    home: Path,
    *,
    emit: Emit = nobody,
    fingerprints: Mapping[str, str] | None = None,
    require_verified: bool = False,
    exclusive: bool = True,
    replace_key: bool = False,
) -> Session:
    """Open a channel.

    Raises
    ------
    BusyError
        If another process holds this participant's app on this machine.
    ForeignHomeError
        If another key is published in this participant's name, and it is not to be replaced (``replace_key``).
    """
    directory = make_private_dir(app_dir(home, settings.email, settings.app_name))
    lock = _lock(directory, settings) if exclusive else None
    try:
        personal = participant_dir(home, settings.email)
        identity, created = load_or_create(
            personal, settings.email, time.time(), passphrase_source(settings.email)
        )
        roster = Roster(personal / "roster.json", require_verified=require_verified)
        transport = open_transport(
            settings.transport,
            Opening(
                email=settings.email,
                options=settings.transport_options,
                poll_interval=settings.poll_interval,
                state_dir=personal / "transport",
                sign=identity.sign,
                check=lambda owner, message, signature: _vouched(roster, owner, message, signature),
            ),
        )
        meter = Metered(transport)
        account = Account(personal, identity, roster, AuditLog(personal / "audit.jsonl", identity))
        channel = open_channel(
            account,
            settings.app_name,
            directory,
            meter,
            Journal(directory / "journal.sqlite3"),
            encryption=settings.encryption,
            expected=fingerprints,
            emit=emit,
        )
        if created:
            emit(IdentityCreated(settings.email, identity.public.words))
        if not settings.encryption:
            emit(EncryptionOff())
        channel.audit.flush()
        store = f"{settings.transport} {sorted((k, str(v)) for k, v in settings.transport_options.items())}"
        if not replace_key:
            folder = find_spec(settings.transport).public_documents(settings.transport_options) is not None
            check_published_key(meter, identity.public, personal, store, every_time=folder)
        channel.publish_identity([p for p in participants_of(settings) if p != settings.email])
        note_published(identity.public, personal, store)
        _prepare_outboxes(meter, settings)
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return Session(channel, settings, meter, lock)


def _prepare_outboxes(transport: Transport, settings: Settings) -> None:
    """Say who will read our folders before anybody waits for what comes into them."""
    me, app = settings.email, settings.app_name
    peers = settings.datasites if me == settings.aggregator else (settings.aggregator,)
    for peer in peers:
        transport.prepare(f"{rpc_folder(me, peer, app)}/any", (peer,))
    if me == settings.aggregator:
        transport.prepare(f"{payload_folder(me, app)}/any", peers)


def _vouched(roster: Roster, owner: str, message: bytes, signature: bytes) -> bool | None:
    """Whether a peer has signed where to look for its folders; None while that cannot be said."""
    entry = roster.get(owner)
    if entry is None:
        return None
    if entry.identity.verify(message, signature):
        return True
    # After a rotation the folders are still those that the key before has signed for.
    return None if entry.identity.version > 1 else False


def _lock(directory: Path, settings: Settings) -> FileLock:
    lock = FileLock(directory / "lock")
    info = json.dumps({"email": settings.email, "app": settings.app_name})
    if not lock.try_acquire(info):
        raise BusyError(
            f"{settings.email} already works on {settings.app_name} on this machine: {lock.holder()}.",
            hint="Wait until that process ends, or end it, and run this command again.",
        )
    return lock


def open_for_api(
    app_name: str,
    datasites: Sequence[str],
    project_dir: Path | None = None,
    *,
    emit: Emit = nobody,
    role: str = "aggregator",
    aggregator: str | None = None,
) -> Channel:
    """Open a channel for a program: from its arguments, the environment and the own settings."""
    session = open_api_session(app_name, datasites, project_dir, emit=emit, role=role, aggregator=aggregator)
    return session.channel


def open_api_session(
    app_name: str,
    datasites: Sequence[str],
    project_dir: Path | None = None,
    *,
    emit: Emit = nobody,
    role: str = "aggregator",
    aggregator: str | None = None,
) -> Session:
    """As `open_for_api`, with the settings and the meter."""
    home = default_home()
    project = load_project(project_dir) if project_dir is not None else None
    if role == "data owner" and project is not None and aggregator is None:
        aggregator = require_federated(project).aggregator
    settings = resolve(
        project,
        home=home,
        role="aggregator" if role == "aggregator" else "data owner",
        app_name=app_name.removeprefix("flwr/"),
        aggregator=aggregator,
        datasites=list(datasites) or None,
    )
    if role == "data owner" and not settings.aggregator:
        raise UsageError("The aggregator is not known.", hint="Give project_dir, or aggregator=…")
    fingerprints = project.fingerprints if project is not None else None
    return open_session(settings, home, emit=emit, fingerprints=fingerprints)


@contextmanager
def opened(session: Session) -> Iterator[Session]:
    """Close the session at the end, whatever happens."""
    try:
        yield session
    finally:
        session.close()
