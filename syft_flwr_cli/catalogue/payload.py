"""A payload as a record speaks of it: where the sealed file is, its key, and what must come out of it.

Pure; the file itself is written and read by `mailbox`.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syft_flwr_cli.catalogue.bundle import MAX_BUNDLE
from syft_flwr_cli.catalogue.records import Fields
from syft_flwr_cli.protocol.names import check_message_id
from syft_flwr_cli.protocol.rejection import RefusedError

__all__ = ["Payload", "payload_document", "read_payload"]


@dataclass(frozen=True, slots=True)
class Payload:
    """A sealed file in the sender's folder for all; ``size`` bytes of plaintext with this BLAKE3 ``digest``."""

    id: str
    key: bytes
    size: int
    digest: bytes


def payload_document(payload: Payload) -> dict[str, Any]:
    """The payload in the types of JSON."""
    return {
        "id": payload.id,
        "key": base64.b64encode(payload.key).decode("ascii"),
        "size": payload.size,
        "digest": base64.b64encode(payload.digest).decode("ascii"),
    }


def read_payload(found: Mapping[str, Any] | Any, what: str) -> Payload:
    """The payload in a foreign object; `RefusedError` if it is none, or larger than any bundle may be."""
    fields = Fields(found, what)
    size = fields.count("size")
    if size > MAX_BUNDLE:
        raise RefusedError("oversized", f"{what} announces {size:,} bytes; at most {MAX_BUNDLE:,} are taken.")
    return Payload(
        fields.named("id", check_message_id), _bytes(fields, "key"), size, _bytes(fields, "digest")
    )


def _bytes(fields: Fields, name: str) -> bytes:
    try:
        data = base64.b64decode(fields.text(name, 44), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError("garbage", f"{fields.what} has no proper {name!r}.") from error
    if len(data) != 32:
        raise RefusedError("garbage", f"{fields.what} has no proper {name!r}.")
    return data
