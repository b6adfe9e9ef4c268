"""Putting messages of one's own into envelopes: header, seal and signature, alike for requests and responses.

Every envelope of an app that leaves this participant is made here, so that every one names the newest entry of
its audit log, and none is sent in the clear where the others are sealed. Does no I/O but to ask for that entry.
"""

from syft_flwr_cli.delivery.channel import Channel
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.suites import SUITE, SUITE_NONE
from syft_flwr_cli.security.envelope import Envelope, Header, read_envelope, stating, write_envelope
from syft_flwr_cli.security.identity import PublicIdentity

__all__ = ["Sealer", "kept_of"]


class Sealer:
    """Makes the envelopes of one participant in one app."""

    def __init__(self, channel: Channel) -> None:
        self._email, self._app = channel.email, channel.app
        self._identity = channel.account.identity
        self._encryption = channel.encryption
        self._audit, self._keys = channel.audit, channel.keys

    def request(
        self, mid: str, run: str, recipient: PublicIdentity, body: bytes, created: float, expires: float
    ) -> bytes:
        """A request that may be answered until ``expires`` (seconds since 1970).

        Raises
        ------
        RefusedError, TrustError
            If nothing can be sealed for the recipient: the key is none, or is revoked.
        """
        return self._write(
            Header(
                kind="request",
                id=mid,
                app=self._app,
                run=run,
                sender=self._email,
                recipient=recipient.email,
                endpoint=names.MESSAGES_ENDPOINT,
                created=created,
                expires=expires,
                suite=self.suite,
                audit=self._audit.head(),
                seen=self._keys.seen_head(recipient.email),
            ),
            recipient,
            body,
        )

    def response(self, asked: Envelope, recipient: PublicIdentity, body: bytes, now: float) -> bytes:
        """The response to the request ``asked``; raises as `request` does."""
        header = asked.header
        return self.response_to(
            header.id, header.run, asked.digest, recipient, body, now, max(header.expires, now)
        )

    def response_to(
        self,
        mid: str,
        run: str,
        answers: str,
        recipient: PublicIdentity,
        body: bytes,
        now: float,
        expires: float,
    ) -> bytes:
        """The response to the request ``mid`` of the digest ``answers``; raises as `request` does."""
        return self._write(
            Header(
                kind="response",
                id=mid,
                app=self._app,
                run=run,
                sender=self._email,
                recipient=recipient.email,
                endpoint=names.MESSAGES_ENDPOINT,
                created=now,
                expires=expires,
                suite=self.suite,
                answers=answers,
                audit=self._audit.head(),
                seen=self._keys.seen_head(recipient.email),
            ),
            recipient,
            body,
        )

    @property
    def suite(self) -> str:
        """How messages are sealed here."""
        return SUITE if self._encryption else SUITE_NONE

    def is_as_now(self, envelope: bytes) -> bool:
        """Whether an envelope of an earlier process is sealed in the way that is wanted now."""
        return (read_envelope(envelope).header.suite != SUITE_NONE) == self._encryption

    def _write(self, header: Header, recipient: PublicIdentity, body: bytes) -> bytes:
        stated = stating(header, body)
        return write_envelope(stated, body, self._identity, recipient if self._encryption else None)


def kept_of(envelope: Envelope) -> dict[str, str]:
    """What an audit entry keeps of a message that a peer has signed: its first line, and the head it stated."""
    return {
        "peer_head": envelope.header.audit or "",
        "header": envelope.line.decode("utf-8", "replace").rstrip("\n"),
    }
