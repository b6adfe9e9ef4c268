"""Channels without settings or a command line: two participants in one test, on whatever store they share."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.delivery.account import Account
from syft_flwr_cli.delivery.channel import Channel, open_channel
from syft_flwr_cli.events import Emit, nobody
from syft_flwr_cli.security.identity import SECRETS_SIZE, Identity
from syft_flwr_cli.security.roster import Roster
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.transports.base import Transport


def identity_of(email: str, seed: str = "") -> Identity:
    """The same keys each time, quickly made."""
    return Identity.create(email, 1.0, hashlib.shake_256((email + seed).encode()).digest(SECRETS_SIZE))


def channel_of(
    place: Path,
    email: str,
    transport: Transport,
    app: str = "study",
    *,
    emit: Emit = nobody,
    clock: Callable[[], float] = time.time,
    encryption: bool = True,
    retry_timeout: float = 0.3,
    journal: Callable[[Path], Journal] = Journal,
) -> Channel:
    """A channel of ``email`` whose home is ``place``."""
    place.mkdir(parents=True, exist_ok=True)
    identity = identity_of(email)
    account = Account(
        place, identity, Roster(place / "roster.json"), AuditLog(place / "audit.jsonl", identity)
    )
    return open_channel(
        account,
        app,
        place,
        transport,
        journal(place / "journal.sqlite3"),
        encryption=encryption,
        emit=emit,
        clock=clock,
        retry_timeout=retry_timeout,
    )
