"""A home that was restored from an older state: recognised by what lies in the store and is signed with its key.

A backup brings back a journal that knows less than the store shows. That looks like tampering to whoever does not
know, and a run stalls where an answer refers to a request that the journal does not know of. What is signed with
our own key was written by us, so it can be taken up again: requests of ours whose answers must be accepted, and
responses of ours to requests that must not be executed twice. Reads, and writes nothing.
"""

from collections.abc import Collection

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.errors import NotThereError
from syft_flwr_cli.events import MessagesForgotten
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.security.envelope import MAX_FILE, Envelope, is_signed_by, read_envelope
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.retry import Retrying

__all__ = ["issued_later", "own_envelope", "tell_restored"]


def issued_later(channel: Channel, run: str, datasites: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The digests of requests of ours of ``run`` that the journal has never heard of, by message id.

    If there are any, this home was restored from an older state, and says so. Done before anything is written,
    so a store that fails is tried again as it is for a write.

    Raises
    ------
    TransportError
        If it fails for longer than it is waited for.
    """
    patient = Retrying(channel.transport, read_timeout=channel.transport.retry_timeout)
    known = {row.id: row.digests for row in channel.journal.open_sent(run)}
    found: dict[str, tuple[str, ...]] = {}
    head = ""
    for recipient in sorted(datasites):
        folder = names.rpc_folder(channel.email, recipient, channel.app)
        for path, entry in patient.list_own(folder):
            mid = names.message_of(entry.name, ".request")
            if mid is None or (mid not in known and channel.journal.sent(mid) is not None):
                continue
            envelope = own_envelope(channel, path, patient)
            if envelope is None or envelope.header.run != run or envelope.digest in known.get(mid, ()):
                continue
            found[mid] = (envelope.digest,)
            head = envelope.header.audit or head
    if found:
        tell_restored(channel, run, head)
    return found


def own_envelope(channel: Channel, path: str, transport: Transport) -> Envelope | None:
    """The message in our own space at ``path``, if we have signed it."""
    try:
        with transport.open(channel.email, path) as stream:
            envelope = read_envelope(stream.read(MAX_FILE + 1))
    except (NotThereError, RefusedError):
        return None
    return envelope if is_signed_by(envelope, channel.account.identity.public) else None


def tell_restored(channel: Channel, run: str, head: str) -> None:
    """Say, and have the audit log hear, that this home is of an older state than what it has written."""
    entry = {"event": "restored", "time": channel.clock(), "run": run, "head": head}
    channel.journal.hear([entry])
    channel.emit(MessagesForgotten(channel.email, run))
