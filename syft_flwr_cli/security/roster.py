"""The roster: the participants we have met, and the key that is trusted for each.

One file, 0600, replaced whole, written by several processes in turn. `Roster.admit` applies the rules of
`admission` to what a participant has published; `verify`, `trust` and `revoke` are what a person decides.
With ``require_verified`` a key that nobody compared is pinned, but not accepted. Asks nobody, has no
clock, and knows no transport.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from syft_flwr_cli.errors import TrustError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import canonical, read_object
from syft_flwr_cli.security.public_identity import PublicIdentity, parse_public
from syft_flwr_cli.security.trust_rules import Admission, Entry, decide, matches, never_compared, revoked
from syft_flwr_cli.storage.paths import file_state, locked, read_private, write_private

__all__ = ["FILE_NAME", "Admission", "Entry", "Roster"]

FILE_NAME: Final = "roster.json"
"""The roster in a participant's directory."""

MAX_ROSTER: Final = 32 * 1024 * 1024

_FORMAT = "syft-flwr roster"


class Roster:
    """The keys that one participant trusts.

    Parameters
    ----------
    path : Path
        The file; made with the first entry.
    require_verified : bool
        Accept only keys that a person has compared.
    """

    def __init__(self, path: Path, *, require_verified: bool = False) -> None:
        self._path = path
        self._require_verified = require_verified
        self._last: tuple[tuple[int, ...], dict[str, Entry]] | None = None

    @property
    def require_verified(self) -> bool:
        """Whether only keys that a person has compared are accepted."""
        return self._require_verified

    def get(self, email: str) -> Entry | None:
        """The entry of ``email``, trusted or revoked; None if it was never met."""
        return self._read().get(check_email(email))

    def current(self, email: str) -> PublicIdentity | None:
        """The key that is trusted for ``email`` now; None if it was never met. Costs a look at the file's status.

        Raises
        ------
        TrustError
            If it is revoked, or was never compared where only compared keys are accepted.
        """
        entry = self.get(email)
        if entry is None:
            return None
        if entry.revoked:
            raise revoked(entry, None)
        if self._require_verified and entry.verified is None:
            raise never_compared(entry.identity)
        return entry.identity

    def entries(self) -> list[Entry]:
        """Every entry, by e-mail."""
        return [entry for _, entry in sorted(self._read().items())]

    def admit(
        self, document: PublicIdentity, now: float, expected: str | None = None, *, email: str | None = None
    ) -> Admission:
        """Decide whether the key in ``document`` is trusted for its e-mail.

        Parameters
        ----------
        document : PublicIdentity
            What the participant has published, as `parse_public` read it.
        now : float
            Seconds since 1970.
        expected : str, optional
            The fingerprint (hexadecimal, or its words) that the approved project names for it.
        email : str, optional
            Under whose name the document was found.

        Raises
        ------
        TrustError
            If not; the text names both keys, since when, and what to do.
        """
        if email is not None and check_email(email) != document.email:
            raise TrustError(
                f"What {check_email(email)} shows as its key is the key of {document.email}.",
                hint="Somebody may be posing as somebody else; ask them, and trust neither until you know.",
            )
        names = {} if expected is None else {document.email: expected}
        verdict = self.admit_all([document], now, names)[document.email]
        if isinstance(verdict, TrustError):
            raise verdict
        return verdict

    def admit_all(
        self, documents: Iterable[PublicIdentity], now: float, expected: Mapping[str, str]
    ) -> dict[str, Admission | TrustError]:
        """As `admit`, for documents found under the names of their own e-mails; the file is written once.

        Parameters
        ----------
        documents : iterable of PublicIdentity
            What was published.
        now : float
            Seconds since 1970.
        expected : mapping
            Fingerprints that the approved project names, by e-mail.

        Returns
        -------
        dict
            The admission by e-mail, or in its place the error that `admit` raises.
        """
        verdicts: dict[str, Admission | TrustError] = {}
        with locked(self._path):
            entries, before = dict(self._read()), self._read()
            for document in documents:
                email = document.email
                changed, verdicts[email] = decide(entries.get(email), document, now, expected.get(email))
                if changed is not None:
                    entries[email] = changed
            if entries != before:
                self._write(entries)
        for email, verdict in verdicts.items():
            if self._require_verified and isinstance(verdict, Admission) and verdict.entry.verified is None:
                verdicts[email] = never_compared(verdict.entry.identity)
        return verdicts

    def verify(self, email: str, words: str, now: float) -> Entry:
        """Note that a person has compared the pinned key; ``words`` may be the hexadecimal fingerprint too.

        Raises
        ------
        TrustError
            If the words are not those of the pinned key, it is revoked, or there is none.
        """

        def compare(entry: Entry) -> Entry:
            if entry.revoked:
                raise revoked(entry, None)
            if not matches(entry.identity, words):
                raise TrustError(
                    f"These are not the words of the key pinned for {entry.email}: "
                    f"that key has {entry.identity.words}.",
                    hint="If the words were read out to you by its owner, somebody is in between: "
                    f"do not exchange messages with {entry.email} until you know.",
                )
            return replace(entry, verified=now)

        return self._change(email, compare)

    def trust(self, document: PublicIdentity, now: float, *, verified: bool) -> Entry:
        """Make this key the trusted one, because a person says so; `TrustError` if it is revoked."""
        if document.revoked:
            raise TrustError(
                f"The key of {document.email} is revoked by itself; it cannot be trusted.",
                hint=f"Ask {document.email} for its new key.",
            )
        if not document.is_sound:
            raise TrustError(
                f"The key of {document.email} proves nothing, whoever shows it; it cannot be trusted.",
                hint=f"Ask {document.email} for a key that syft-flwr has made.",
            )
        with locked(self._path):
            entries = self._read()
            known = entries.get(document.email)
            same = known is not None and known.identity.fingerprint == document.fingerprint
            entry = Entry(
                identity=document,
                pinned=known.pinned if known is not None and same else now,
                verified=now if verified else known.verified if known is not None and same else None,
                before=known.before if known is not None and same else (),
                replaced=() if known is None else known.replaced if same else _gone(known),
            )
            self._write({**entries, document.email: entry})
        return entry

    def revoke(self, email: str) -> Entry:
        """Trust the key of ``email`` no more; `TrustError` if there is none."""
        return self._change(email, lambda entry: replace(entry, revoked=True))

    def _change(self, email: str, change: Callable[[Entry], Entry]) -> Entry:
        with locked(self._path):
            entries = self._read()
            entry = entries.get(check_email(email))
            if entry is None:
                raise TrustError(
                    f"No key of {check_email(email)} is known here yet.",
                    hint="It is pinned at first contact, or now with: syft-flwr keys import FILE",
                )
            changed = change(entry)
            self._write({**entries, changed.email: changed})
        return changed

    def _read(self) -> dict[str, Entry]:
        try:
            state, last = file_state(self._path), self._last
            if last is not None and last[0] == state:
                return last[1]
            entries = self._parse(read_private(self._path, MAX_ROSTER))
        except FileNotFoundError:
            return {}
        # The state is from before it was read, so that a file replaced in between is read again.
        self._last = (state, entries)
        return entries

    def _parse(self, data: bytes) -> dict[str, Entry]:
        try:
            found = read_object(data, "The roster")
            if found.get("format") != _FORMAT or found.get("version") != 1:
                raise RefusedError("version", "it was written by another version of syft-flwr")
            entries = [_entry_of(item) for item in found["entries"]]
        except (RefusedError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise TrustError(
                f"The roster {self._path} cannot be read: {error}",
                hint="Restore it from a backup; or move it away, and compare every fingerprint again.",
            ) from error
        return {entry.email: entry for entry in entries}

    def _write(self, entries: dict[str, Entry]) -> None:
        rows = [_row_of(entry) for _, entry in sorted(entries.items())]
        write_private(self._path, canonical({"format": _FORMAT, "version": 1, "entries": rows}))
        # Nobody else writes it while we hold its lock: what lies there now need not be read again.
        self._last = (file_state(self._path), entries)


def _gone(known: Entry) -> tuple[str, ...]:
    """The keys that are no longer those of a participant once a person trusts others."""
    return (*known.replaced, *known.before, known.identity.fingerprint)


def _row_of(entry: Entry) -> dict[str, Any]:
    return {
        "identity": entry.identity.to_bytes().decode("ascii"),
        "pinned": entry.pinned,
        "verified": entry.verified,
        "revoked": entry.revoked,
        "offered": None if entry.offered is None else entry.offered.to_bytes().decode("ascii"),
        "before": list(entry.before),
        "replaced": list(entry.replaced),
    }


def _entry_of(row: dict[str, Any]) -> Entry:
    # Keys that prove nothing were pinned by versions that did not know them; they count as revoked.
    identity = parse_public(row["identity"].encode(), sound=False)
    return Entry(
        identity=identity,
        pinned=float(row["pinned"]),
        verified=None if row["verified"] is None else float(row["verified"]),
        revoked=bool(row["revoked"]) or not identity.is_sound,
        offered=None if row["offered"] is None else parse_public(row["offered"].encode(), sound=False),
        before=tuple(str(fingerprint) for fingerprint in row["before"]),
        replaced=tuple(str(fingerprint) for fingerprint in row.get("replaced", ())),
    )
