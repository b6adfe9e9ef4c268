"""From e-mails, app names, endpoints and ids to safe relative paths: nothing else makes paths.

Every name that comes from outside passes through here once and is refused if it could leave its
folder, hide, or be mistaken for another: no separator, no ``..``, no control character, no leading
dot, bounded length, plain ASCII, e-mails lower-cased. Paths are relative, with ``/`` between their
components, in the space of the participant who owns them. Folder names are computed, never parsed
back. Pure: no disk, no clock, no randomness.
"""

import hashlib
import re
import uuid
from functools import lru_cache

from syft_flwr_cli.errors import UsageError

__all__ = [
    "IDENTITY_PATH",
    "MESSAGES_ENDPOINT",
    "app_folder",
    "app_name",
    "check_app_name",
    "check_component",
    "check_email",
    "check_message_id",
    "check_plain_name",
    "direct_payload_path",
    "message_id",
    "message_of",
    "node_id",
    "payload_folder",
    "payload_path",
    "request_path",
    "response_path",
    "rpc_folder",
]

MESSAGES_ENDPOINT = "messages"
"""The endpoint of Flower traffic."""

IDENTITY_PATH = "syft_flwr_identity/identity.json"
"""Where a participant's public identity document lies in its own space."""

MAX_EMAIL = 100
MAX_COMPONENT = 200

KEPT = 4096
"""Of how many names it is kept that they were found proper: with many data owners each is asked about many times."""

_EMAIL = re.compile(r"[a-z0-9!#$%'+=^_{}~][a-z0-9!#$%'+=^_{}~.-]*@[a-z0-9][a-z0-9.-]*\Z")
"""Neither an option nor the end of a command, where it stands in one that somebody types."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_COMPONENT = re.compile(r"[A-Za-z0-9@!#$%&'+=^_{}~-][A-Za-z0-9@!#$%&'+=^_{}~. -]*\Z")
_MESSAGE_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_PROJECT = re.compile(r"[^A-Za-z0-9._-]+")
_DOTS = re.compile(r"\.\.+")


@lru_cache(KEPT)
def check_email(text: str) -> str:
    """Return ``text`` lower-cased if it can name a participant.

    Raises
    ------
    UsageError
        If it is no plain ASCII ``name@host``, or could escape a folder (``/``, ``..``), or is longer
        than 100 characters.
    """
    email = text.strip().lower()
    if len(email) > MAX_EMAIL:
        raise UsageError(
            f"The e-mail {text[:40]!r}… is longer than {MAX_EMAIL} characters.",
            hint="Use a shorter address for this participant.",
        )
    if ".." in email or email.endswith(".") or not _EMAIL.match(email):
        raise UsageError(
            f"{text!r} cannot name a participant.",
            hint="Give an e-mail such as alice@lab.example: plain ASCII, no '/', no '..', no spaces.",
        )
    return email


@lru_cache(KEPT)
def check_component(text: str, what: str = "name") -> str:
    """Return ``text`` unchanged if it is safe as one component of a path.

    Raises
    ------
    UsageError
        If it is empty, too long (200), hidden, holds a separator, ``..``, a control or non-ASCII
        character, or ends in a dot or a space.
    """
    if len(text) > MAX_COMPONENT or ".." in text or text.endswith((".", " ")) or not _COMPONENT.match(text):
        raise UsageError(
            f"{text[:80]!r} cannot be used as {what}.",
            hint="Use letters, digits, '.', '_' and '-'; no '/', no '..', no leading dot, at most "
            f"{MAX_COMPONENT} characters.",
        )
    return text


def check_plain_name(text: str) -> str:
    """Return ``text`` if it is a component of letters, digits, '.', '_' and '-', as the name of a package is.

    Raises
    ------
    UsageError
        If it is not: in a command that is to be typed it could be more than one word.
    """
    if not _PLAIN.match(check_component(text)):
        raise UsageError(
            f"{text[:80]!r} cannot be the name of a project.", hint="Use letters, digits, '.', '_' and '-'."
        )
    return text


def app_name(aggregator: str, project: str, created: int) -> str:
    """``{aggregator}_{project}_{unix time of bootstrap}``; ``created`` in whole seconds."""
    plain = _DOTS.sub(".", _PROJECT.sub("-", project)).strip("-.")[:60] or "app"
    return check_app_name(f"{check_email(aggregator)}_{plain}_{created:d}")


def check_app_name(text: str) -> str:
    """Return ``text`` unchanged if it can name an app on every transport (see `check_component`)."""
    return check_component(text, "app name")


def check_message_id(text: str) -> str:
    """Return ``text`` if it is a UUID in its canonical lower-case form; raise `UsageError` otherwise."""
    if not _MESSAGE_ID.match(text):
        raise UsageError(f"{text[:80]!r} is no message id.", hint="Message ids are UUIDs in lower case.")
    return text


def message_of(name: str, suffix: str) -> str | None:
    """The id of the message whose file is called ``name``; None if that is the name of no message."""
    mid = name.removesuffix(suffix)
    try:
        return check_message_id(mid) if mid != name else None
    except UsageError:
        return None


def app_folder(sender: str, recipient: str, app: str) -> str:
    """The folder in ``sender``'s space that holds all it sends ``recipient`` for one app."""
    return f"syft_outbox_inbox_{check_email(sender)}_to_{check_email(recipient)}/{check_app_name(app)}"


def rpc_folder(sender: str, recipient: str, app: str, endpoint: str = MESSAGES_ENDPOINT) -> str:
    """The folder in ``sender``'s space that holds its envelopes for ``recipient``."""
    return f"{app_folder(sender, recipient, app)}/rpc/{check_component(endpoint, 'endpoint')}"


def request_path(sender: str, recipient: str, app: str, mid: str, endpoint: str = MESSAGES_ENDPOINT) -> str:
    """Where ``sender`` puts the request ``mid`` for ``recipient``."""
    return f"{rpc_folder(sender, recipient, app, endpoint)}/{check_message_id(mid)}.request"


def response_path(sender: str, recipient: str, app: str, mid: str, endpoint: str = MESSAGES_ENDPOINT) -> str:
    """Where ``sender`` puts its response to the request ``mid`` of ``recipient``."""
    return f"{rpc_folder(sender, recipient, app, endpoint)}/{check_message_id(mid)}.response"


def payload_folder(sender: str, app: str) -> str:
    """The folder in ``sender``'s space of the payloads that several participants read."""
    return f"syft_outbox_inbox_{check_email(sender)}_to_all/{check_app_name(app)}/payloads"


def payload_path(sender: str, app: str, payload: str) -> str:
    """Where ``sender`` puts a payload that several participants read."""
    return f"{payload_folder(sender, app)}/{check_message_id(payload)}.payload"


def direct_payload_path(
    sender: str, recipient: str, app: str, payload: str, endpoint: str = MESSAGES_ENDPOINT
) -> str:
    """Where ``sender`` puts a payload for ``recipient`` alone: beside its envelope."""
    return f"{rpc_folder(sender, recipient, app, endpoint)}/{check_message_id(payload)}.payload"


def message_id(run: str, recipient: str, ordinal: int, digest: bytes) -> str:
    """The id of a request: a UUIDv8 (RFC 9562) over what makes it this request and no other.

    Parameters
    ----------
    run : str
        The run's id in decimal.
    recipient : str
        The e-mail of the destination.
    ordinal : int
        How many requests went to this destination in this run before, from 0.
    digest : bytes
        The digest of the content, 32 bytes.
    """
    tag = f"syft-flwr/message-id/1\0{run}\0{check_email(recipient)}\0{ordinal:d}\0".encode()
    raw = bytearray(hashlib.sha256(tag + digest).digest()[:16])
    raw[6] = (raw[6] & 0x0F) | 0x80
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def node_id(email: str) -> int:
    """Flower's node id of a participant: 63 bits of a hash of its e-mail, never 0 or 1."""
    digest = hashlib.sha256(b"syft-flwr/node-id/1\0" + check_email(email).encode()).digest()
    return max(2, int.from_bytes(digest[:8], "big") >> 1)
