"""A channel: what belongs to one app of a person, and how its messages get in and out.

It holds the app's journal, its view of the store, and whether messages are sealed, together with what is made of
them and of the account: the keys of peers, the quarantine, and the feed of the audit log. Whoever delivers
messages is given a channel and takes from it what it needs; it holds no state of its own, waits for nothing and
does not know what messages mean.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.delivery.account import Account
from syft_flwr_cli.delivery.audit_feed import AuditFeed
from syft_flwr_cli.delivery.payloads import OwnPayloads
from syft_flwr_cli.delivery.peer_keys import PeerKeys
from syft_flwr_cli.delivery.quarantine import Quarantine
from syft_flwr_cli.errors import DiskError, TransportError
from syft_flwr_cli.events import Emit, StoreFailed, nobody
from syft_flwr_cli.protocol.names import IDENTITY_PATH
from syft_flwr_cli.storage.journal import Journal
from syft_flwr_cli.transports.base import BytesContent, Transport
from syft_flwr_cli.transports.retry import RETRY_TIMEOUT, Retrying

__all__ = ["Channel", "open_channel"]


@dataclass(frozen=True, slots=True)
class Channel:
    """See the module's first paragraph; made by `open_channel`.

    Parameters
    ----------
    account : Account
        Whose app it is.
    app : str
        The app's name.
    directory : Path
        The person's own directory for this app, 0700.
    transport : Retrying
        The store, tried again where it fails on a write; ``transport.once`` fails at once.
    journal : Journal
        What was sent, received and done.
    keys : PeerKeys
        Who peers are.
    quarantine : Quarantine
        What is refused.
    audit : AuditFeed
        What the audit log hears.
    payloads : OwnPayloads
        The payload files of this participant.
    encryption : bool
        False only for debugging: envelopes are signed but not sealed.
    emit : callable
        Hears what happens.
    clock : callable
        Seconds since 1970.
    """

    account: Account
    app: str
    directory: Path
    transport: Retrying
    journal: Journal
    keys: PeerKeys
    quarantine: Quarantine
    audit: AuditFeed
    payloads: OwnPayloads
    encryption: bool
    emit: Emit
    clock: Callable[[], float]

    @property
    def email(self) -> str:
        """Whose channel it is."""
        return self.account.email

    @property
    def received_payloads(self) -> Path:
        """Where payloads of peers are kept while a run may need them again."""
        return self.directory / "store"

    def publish_identity(self, readers: Collection[str]) -> None:
        """Put the public identity document where peers look for it, for all of them to read.

        Done at every start: somebody may have joined who could not read it so far.
        """
        document = BytesContent(self.account.identity.public.to_bytes())
        self.transport.publish(IDENTITY_PATH, document, readers)

    def close(self) -> None:
        """Tell the audit log what it has not heard yet, and let go of the transport and the journal."""
        try:
            self.quarantine.flush()
            self.audit.flush()
        except DiskError as error:  # the journal keeps it for the next process
            self.emit(StoreFailed(error.what, error.hint))
        finally:
            self.transport.close()
            self.journal.close()


def open_channel(
    account: Account,
    app: str,
    directory: Path,
    transport: Transport,
    journal: Journal,
    *,
    encryption: bool = True,
    expected: Mapping[str, str] | None = None,
    emit: Emit = nobody,
    clock: Callable[[], float] = time.time,
    retry_timeout: float = RETRY_TIMEOUT,
) -> Channel:
    """Put a channel together.

    Parameters
    ----------
    account, app, directory, transport, journal, encryption, emit, clock
        As `Channel` has them.
    expected : mapping, optional
        Fingerprints that the project pins, by e-mail.
    retry_timeout : float
        Seconds for which a write that the store refuses is tried again before it is an error.
    """

    def failed(error: TransportError) -> None:
        emit(StoreFailed(error.what, error.hint))

    quarantine = Quarantine(journal, clock, emit)
    keys = PeerKeys(
        account.identity,
        account.roster,
        account.audit,
        transport,
        journal,
        quarantine,
        encryption=encryption,
        expected=expected or {},
        clock=clock,
        emit=emit,
    )
    retrying = Retrying(transport, retry_timeout, on_failure=failed)
    return Channel(
        account=account,
        app=app,
        directory=directory,
        transport=retrying,
        journal=journal,
        keys=keys,
        quarantine=quarantine,
        audit=AuditFeed(app, journal, account.audit),
        payloads=OwnPayloads(account.email, journal, retrying, directory / "sent"),
        encryption=encryption,
        emit=emit,
        clock=clock,
    )
