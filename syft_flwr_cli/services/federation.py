"""A participant's part in the exchange of offers, decisions and data sets, opened: `Federation`.

Several processes of one participant may have it open at the same time. It says nothing and asks nobody; what
happens is published as events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from syft_flwr_cli.catalogue.mailbox import Mailbox
from syft_flwr_cli.catalogue.record_store import RecordStore
from syft_flwr_cli.catalogue.records import APP
from syft_flwr_cli.catalogue.rules import check_record
from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.events import Emit, nobody
from syft_flwr_cli.project.settings import Settings, resolve
from syft_flwr_cli.security.roster import FILE_NAME, Roster
from syft_flwr_cli.session.session import Session, open_session
from syft_flwr_cli.storage.paths import participant_dir

__all__ = ["Federation", "known_peers", "open_federation", "open_for_peers", "record_store"]


@dataclass(slots=True)
class Federation:
    """The open account, its mailbox, and the participant's own directory."""

    session: Session
    mailbox: Mailbox
    directory: Path

    @property
    def store(self) -> RecordStore:
        """The records that are kept here."""
        return self.mailbox.store

    @property
    def email(self) -> str:
        """Whose part it is."""
        return self.session.settings.email

    def wait(self, token: int, timeout: float) -> None:
        """Wait until something may have changed since ``token``, or ``timeout`` seconds have passed."""
        self.session.channel.audit.wait_for_change(self.session.channel.transport, token, timeout)

    def token(self) -> int:
        """To be taken before one looks; see `wait`."""
        return self.session.channel.transport.token()

    def close(self) -> None:
        """Let go of everything."""
        self.mailbox.close()
        self.session.close()


def record_store(home: Path, email: str) -> RecordStore:
    """The records of a participant, without opening anything else."""
    return RecordStore(participant_dir(home, email) / "federation", email)


def open_federation(
    settings: Settings,
    home: Path,
    *,
    emit: Emit = nobody,
    fingerprints: Mapping[str, str] | None = None,
    require_verified: bool = False,
) -> Federation:
    """Open it, with the participants of ``settings`` as those who may read one's key.

    Parameters
    ----------
    settings : Settings
        Of any app of the participant's: the app name is replaced.
    home, emit, fingerprints, require_verified
        As for `open_session`.
    """
    session = open_session(
        replace(settings, app_name=APP),
        home,
        emit=emit,
        fingerprints=fingerprints,
        require_verified=require_verified,
        exclusive=False,
    )
    me = settings.email
    mailbox = Mailbox(
        session.channel, record_store(home, me), lambda sender, record: check_record(me, sender, record)
    )
    return Federation(session, mailbox, participant_dir(home, me))


def known_peers(home: Path, email: str) -> list[str]:
    """Everybody whose key is known to ``email``."""
    entries = Roster(participant_dir(home, email) / FILE_NAME).entries()
    return [entry.email for entry in entries if entry.email != email and not entry.revoked]


def open_for_peers(
    home: Path, email: str, peers: Sequence[str], *, emit: Emit = nobody, **places: Any
) -> Federation:
    """Open it to exchange records with ``peers``, whatever their part in any project.

    Parameters
    ----------
    home, email : Path, str
        Whose.
    peers : sequence of str
        At least one.
    emit : callable
        Hears what happens.
    places
        ``transport``, ``root`` and ``syftbox_config`` as they were typed; what is remembered otherwise.

    Raises
    ------
    UsageError
        If there are no peers, or the store is not known.
    """
    if not peers:
        raise UsageError("There is nobody to look for.", hint="Name them with --from OWNER,OWNER.")
    settings = resolve(
        None,
        home=home,
        role="aggregator",
        email=email,
        app_name=APP,
        aggregator=email,
        datasites=peers,
        **places,
    )
    return open_federation(settings, home, emit=emit)
