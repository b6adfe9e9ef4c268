"""An account: what belongs to a person, whatever app they take part in.

Keys, the keys of peers that are trusted, and the audit log. It knows no app, no store and no message.
"""

from dataclasses import dataclass
from pathlib import Path

from syft_flwr_cli.audit.log import AuditLog
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.security.roster import Roster

__all__ = ["Account"]


@dataclass(frozen=True, slots=True)
class Account:
    """A person on this machine.

    Parameters
    ----------
    home : Path
        The person's own directory, 0700.
    identity : Identity
        Their keys.
    roster : Roster
        The participants and the keys that are trusted for them.
    audit : AuditLog
        What they have done, in all apps.
    """

    home: Path
    identity: Identity
    roster: Roster
    audit: AuditLog

    @property
    def email(self) -> str:
        """Whose account it is."""
        return self.identity.email
