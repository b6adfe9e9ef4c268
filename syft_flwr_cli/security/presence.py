"""Presence document: a participant's signed word that it was at work at a time, in its own space, for all to read.

A small JSON object, signed like everything else. It says nothing but when; nothing depends on it. Pure: no disk, no
clock.
"""

import json

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.rejection import RefusedError
from syft_flwr_cli.protocol.strict_json import read_object
from syft_flwr_cli.security.identity import Identity
from syft_flwr_cli.security.public_identity import PublicIdentity

__all__ = ["MAX_PRESENCE", "PRESENCE_PATH", "make_presence", "read_presence"]

PRESENCE_PATH = "syft_flwr_identity/presence.json"
"""Where the document lies in its owner's space, beside the identity document."""

MAX_PRESENCE = 2048
_TAG = b"syft-flwr presence v1\0"


def make_presence(identity: Identity, now: float) -> bytes:
    """The document of ``identity`` at ``now`` (seconds since 1970)."""
    stated = {"format": "syft-flwr presence", "version": 1, "email": identity.email, "time": int(now)}
    signature = identity.sign(_TAG + _canonical(stated)).hex()
    return _canonical({**stated, "signature": signature}) + b"\n"


def read_presence(data: bytes, owner: PublicIdentity) -> int:
    """When ``owner`` says it was at work, in seconds since 1970.

    Raises
    ------
    RefusedError
        If it is no such document, another's, or not signed by ``owner``.
    """
    try:
        if len(data) > MAX_PRESENCE:
            raise ValueError("it is too large")
        document = read_object(data, "the presence document")
        signature = bytes.fromhex(str(document.pop("signature")))
        if document.get("format") != "syft-flwr presence" or document.get("version") != 1:
            raise ValueError("it is of another form")
        moment = document["time"]
        if not isinstance(moment, int) or isinstance(moment, bool) or not 0 <= moment < 1 << 40:
            raise ValueError("its time is none")
        if check_email(str(document["email"])) != owner.email:
            raise ValueError("it is another's")
    except (UsageError, ValueError, KeyError, TypeError) as error:
        raise RefusedError("garbage", f"the presence document is not well-formed ({error})") from None
    if not owner.verify(_TAG + _canonical(document), signature):
        raise RefusedError("signature", "the presence document is not signed by its owner")
    return moment


def _canonical(value: dict[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
