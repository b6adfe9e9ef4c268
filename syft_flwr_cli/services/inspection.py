"""A message told in words: what its header says, whether its signature holds, and with keys at hand what is in it.

Reads a file, or finds a message of this home by its id; trusts nothing, changes nothing, asks no peer. A body is opened
only if it is sealed for a participant of this machine and signed by the key that is known for its sender, or if it is
one's own and the journal still has it. Whatever the bytes, every length is checked before memory is taken.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from syft_flwr_cli.delivery.budget import available_memory
from syft_flwr_cli.delivery.payload_fetch import check_length, payload_of, stored_payload
from syft_flwr_cli.delivery.shared_memory import SharedBytes
from syft_flwr_cli.errors import SyftFlwrError, UsageError
from syft_flwr_cli.flower.outline import Outline, outline
from syft_flwr_cli.protocol import names
from syft_flwr_cli.protocol.body import Body, PayloadRef, decode_body
from syft_flwr_cli.protocol.header import MAX_HEADER, Header, parse_header
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.suites import SUITE_NONE
from syft_flwr_cli.security.envelope import MAX_FILE, Envelope, is_signed_by, open_envelope, read_envelope
from syft_flwr_cli.security.identity import FILE_NAME as OWN_KEYS
from syft_flwr_cli.security.identity import load, read_public
from syft_flwr_cli.security.passphrase import passphrase_source
from syft_flwr_cli.security.public_identity import PublicIdentity
from syft_flwr_cli.security.roster import FILE_NAME, Roster
from syft_flwr_cli.security.sealing import open_payload
from syft_flwr_cli.services.status import apps_of, own_space, participants
from syft_flwr_cli.storage.journal_reader import StoredMessage, find_messages
from syft_flwr_cli.storage.paths import app_dir, participant_dir

__all__ = ["Inspection", "Signature", "inspect_file", "inspect_message"]

Verdict = Literal["valid", "invalid", "unknown-key", "revoked-key"]

_ID: Final = re.compile(r"[0-9a-f][0-9a-f-]{7,35}\Z")
MOST_FOUND: Final = 20


@dataclass(frozen=True, slots=True)
class Signature:
    """Whether a message is its sender's: the verdict, a sentence, and the fingerprint of the key that was tried."""

    verdict: Verdict
    sentence: str
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a message.

    Parameters
    ----------
    source : str
        Where it was found.
    size, digest : int, str
        Bytes and SHA-256 (hex) of its file.
    header : Header
        What anybody sees.
    signature : Signature
        Whose it is.
    body : Body, optional
        What is in it; None where it could not be opened, and then ``closed`` says why.
    records, more : list, int
        Its records (`describe_records`), and how many items of them are not told.
    others : tuple of str
        Further files of the same id.
    """

    source: str
    size: int
    digest: str
    header: Header
    signature: Signature
    body: Body | None
    closed: str
    records: list[dict[str, Any]]
    more: int
    others: tuple[str, ...] = ()


def inspect_message(
    home: Path,
    wanted: str,
    email: str | None = None,
    *,
    keys: dict[str, PublicIdentity] | None = None,
    values: bool = False,
) -> Inspection:
    """The message in the file ``wanted``, or with the id ``wanted`` (or one that begins so).

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    wanted : str
        A file, or an id of at least eight digits.
    email : str, optional
        Only with the keys and journals of this participant.
    keys : mapping, optional
        Public keys to hold signatures against, by e-mail, before those that are known here.
    values : bool
        Give the values of arrays, metrics and configuration, too.

    Raises
    ------
    UsageError
        If there is no such file or message, or several messages begin so.
    RefusedError
        If what is there is no message.
    """
    people = [names.check_email(email)] if email else participants(home)
    path = Path(wanted).expanduser()
    if path.is_file() or not _ID.match(wanted):
        return inspect_file(home, path, people, keys=keys, values=values)
    found: dict[str, list[Path | StoredMessage]] = {}
    for person in people:
        for app in apps_of(home, person):
            for stored in find_messages(app_dir(home, person, app) / "journal.sqlite3", wanted):
                found.setdefault(stored.id, []).append(stored)
            space = own_space(home, person, app, None)
            for file in _files(space.parent, wanted) if space is not None else ():
                if file not in found.setdefault(file.stem, []):
                    found[file.stem].append(file)
    if not found:
        raise UsageError(
            f"No message with the id {wanted} is known here.",
            hint="Name its file, or begin with the ids that this shows: syft-flwr audit show",
        )
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} messages have ids that begin with {wanted}.",
            hint=f"Such as {min(found)}: give more of it.",
        )
    (places,) = found.values()
    # What can be opened here first, of two such the request: whoever looks for an exchange begins with it.
    places.sort(key=lambda one: (not _is_for(one, people), _is_response(one), isinstance(one, Path)))
    others = tuple(str(one) for one in places if isinstance(one, Path) and one != places[0])
    if isinstance(places[0], Path):
        return inspect_file(home, places[0], people, keys=keys, values=values, others=others)
    envelope = read_envelope(places[0].envelope)
    source = f"the journal of {envelope.header.sender}"
    return _inspected(home, source, None, envelope, people, keys or {}, values, others)


def inspect_file(
    home: Path,
    path: Path,
    people: list[str],
    *,
    keys: dict[str, PublicIdentity] | None = None,
    values: bool = False,
    others: tuple[str, ...] = (),
) -> Inspection:
    """The message in a file; raises as `inspect_message`."""
    if path.suffix == ".payload":
        raise UsageError(
            f"{path} is a payload: arrays of a message, sealed with a key that only the message has.",
            hint="Inspect the .request or .response that belongs to it.",
        )
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file.", hint="Name a .request or a .response.")
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Name the file of a message, or its id.",
        ) from error
    if len(data) > MAX_FILE:
        raise RefusedError("oversized", f"{path} is larger than any message.")
    try:
        envelope = read_envelope(data)
    except RefusedError as error:
        hint = error.hint or "Messages are the .request and .response files of an outbox; name one of those."
        raise RefusedError(error.reason, f"{path} is no message: {error.what}", hint=hint) from error
    return _inspected(home, str(path), path, envelope, people, keys or {}, values, others)


def _inspected(
    home: Path,
    source: str,
    path: Path | None,
    envelope: Envelope,
    people: list[str],
    keys: dict[str, PublicIdentity],
    values: bool,
    others: tuple[str, ...],
) -> Inspection:
    signature, signer = _signature(home, envelope, people, keys)
    records: list[dict[str, Any]] = []
    body, closed, more = None, "", 0
    try:
        plaintext, closed = _opened(home, envelope, people, signature, signer)
        if plaintext is not None:
            body = decode_body(plaintext)
    except SyftFlwrError as error:
        closed = error.what
    if body is not None and body.skeleton:
        with _Payloads(home, people, path, envelope.header, body) as payloads:
            try:
                records, more = _records(body, payloads, values)
            except ValueError as error:
                closed = f"What is in it is not of the form of a Flower message: {error}"
    size = len(envelope.signed) + len(envelope.signature)
    return Inspection(
        source, size, envelope.digest, envelope.header, signature, body, closed, records, more, others
    )


def _signature(
    home: Path, envelope: Envelope, people: list[str], keys: dict[str, PublicIdentity]
) -> tuple[Signature, PublicIdentity | None]:
    sender = envelope.header.sender
    known, how, revoked = _known_key(home, sender, people, keys)
    if known is None:
        sentence = f"The key of {sender} is not known here, so nobody can say whether this is signed by it."
        return Signature("unknown-key", sentence), None
    if not is_signed_by(envelope, known):
        sentence = (
            f"It is NOT signed by the key that is known for {sender}: it was altered, or is not theirs."
        )
        return Signature("invalid", sentence, known.fingerprint), None
    if revoked:
        sentence = f"It is signed by a key of {sender} that is revoked."
        return Signature("revoked-key", sentence, known.fingerprint), None
    return Signature("valid", f"It is signed by {sender} ({how}).", known.fingerprint), known


def _known_key(
    home: Path, sender: str, people: list[str], keys: dict[str, PublicIdentity]
) -> tuple[PublicIdentity | None, str, bool]:
    if sender in keys:
        return keys[sender], "the key that was given", keys[sender].revoked
    # Without keys of its own it may be known to others here.
    if sender in people and (participant_dir(home, sender) / OWN_KEYS).exists():
        public, _ = read_public(participant_dir(home, sender), sender)
        return public, "a key of this machine", public.revoked
    for person in people:
        entry = Roster(participant_dir(home, person) / FILE_NAME).get(sender)
        if entry is not None:
            how = "its words were compared" if entry.verified is not None else "as pinned at first contact"
            return entry.identity, how, entry.revoked
    return None, "", False


def _opened(
    home: Path, envelope: Envelope, people: list[str], signature: Signature, signer: PublicIdentity | None
) -> tuple[bytes | None, str]:
    """The body, or why not."""
    header = envelope.header
    if header.suite == SUITE_NONE:
        return bytes(envelope.body), ""
    if signer is None:
        return None, f"It is not opened: {signature.sentence[0].lower()}{signature.sentence[1:]}"
    if header.recipient in people:
        directory = participant_dir(home, header.recipient)
        mine = load(directory, header.recipient, passphrase_source(header.recipient))
        return open_envelope(envelope, mine, signer, True), ""
    if header.sender in people:
        journal = app_dir(home, header.sender, header.app) / "journal.sqlite3"
        for stored in find_messages(journal, header.id):
            if stored.body is not None and read_envelope(stored.envelope).digest == envelope.digest:
                return stored.body, ""
        return (
            None,
            "It is sealed for its recipient; the journal keeps what one sends only while the run goes on.",
        )
    return None, f"It is sealed for {header.recipient}, whose keys are not on this machine."


def _records(body: Body, payloads: "_Payloads", values: bool) -> tuple[list[dict[str, Any]], int]:
    places = [slot.at for slot in body.slots]
    # First by a reader that refuses every byte it does not know, then by Flower's own.
    found = outline(body.skeleton, places, [slot.size for slot in body.slots])
    from syft_flwr_cli.flower.description import describe_records

    loaders = [_loader(body, number, payloads, found) for number in range(len(places))]
    return describe_records(body.skeleton, places, loaders, values=values)


def _loader(body: Body, number: int, payloads: "_Payloads", found: Outline) -> Callable[[], Any]:
    slot = body.slots[number]
    configs = {(one.record, one.name) for one in found.config}

    def load_bytes() -> Any:
        if slot.payload < 0:
            return memoryview(body.inline)[slot.offset : slot.offset + slot.size]
        try:
            return payloads.content(slot.payload)[slot.offset : slot.offset + slot.size]
        except LookupError:
            if (slot.at[0], slot.at[1]) in configs:
                return b""
            raise

    return load_bytes


class _Payloads:
    """The contents of a message's payloads, where their files are at hand; one is in memory at a time."""

    def __init__(self, home: Path, people: list[str], path: Path | None, header: Header, body: Body) -> None:
        self._home, self._people, self._path = home, people, path
        self._header, self._refs = header, body.payloads
        self._number = -1
        self._shared: SharedBytes | None = None
        self._missing: dict[int, str] = {}

    def __enter__(self) -> "_Payloads":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shared is not None:
            self._shared.close()

    def content(self, number: int) -> memoryview:
        """The content of a payload; LookupError, with why, if it is not at hand or not what it should be."""
        if number in self._missing:
            raise LookupError(self._missing[number])
        if number != self._number:
            if self._shared is not None:
                self._shared.close()
                self._shared, self._number = None, -1
            try:
                self._shared = self._opened(self._refs[number])
            except (LookupError, RefusedError, OSError) as error:
                self._missing[number] = error.what if isinstance(error, RefusedError) else str(error.args[0])
                raise LookupError(self._missing[number]) from error
            self._number = number
        assert self._shared is not None
        return self._shared.view

    def _opened(self, ref: PayloadRef) -> SharedBytes:
        place = next((one for one in self._candidates(ref) if one.is_file()), None)
        if place is None:
            raise LookupError("its bytes are in a payload that is not here")
        if ref.size > available_memory() // 2:
            raise LookupError(f"its payload of {ref.size} bytes is too large to be looked into here")
        with place.open("rb") as stream:
            check_length(stream, ref)
            shared = SharedBytes.create(ref.size)
            try:
                open_payload(stream, ref.key, ref.size, ref.digest, shared.view)
            except BaseException:
                shared.close()
                raise
        return shared

    def _candidates(self, ref: PayloadRef) -> Iterator[Path]:
        """Where the file of a payload may be: beside the message, in the sender's space, or in our own store."""
        header = self._header
        inside = payload_of(header.sender, header.recipient, header.app, ref)
        if self._path is not None:
            yield self._path.absolute().parent / f"{ref.id}.payload"
            above = self._path.absolute().parents
            if len(above) > 4:
                yield above[4] / inside
        for person in self._people:
            space = own_space(self._home, person, header.app, None)
            if space is not None:
                yield space.parent / header.sender / inside
            store = app_dir(self._home, person, header.app) / "store"
            yield stored_payload(store, header.run, header.sender, ref.id)


def _files(root: Path, wanted: str) -> list[Path]:
    """The messages in a shared folder whose ids begin so; ``wanted`` is hexadecimal and dashes."""
    found = root.glob(f"*/syft_outbox_inbox_*/*/rpc/*/{wanted}*.re[qs]*")
    return [
        one
        for one, _ in zip(found, range(MOST_FOUND), strict=False)
        if one.suffix in (".request", ".response")
    ]


def _is_response(one: Path | StoredMessage) -> bool:
    return one.suffix == ".response" if isinstance(one, Path) else one.kind == "response"


def _is_for(one: Path | StoredMessage, people: list[str]) -> bool:
    """Whether it is addressed to one of these, as far as its header can be read."""
    try:
        if isinstance(one, StoredMessage):
            return one.body is not None or parse_header(one.envelope)[0].recipient in people
        with one.open("rb") as stream:
            return parse_header(stream.read(MAX_HEADER))[0].recipient in people
    except (OSError, RefusedError):
        return False
